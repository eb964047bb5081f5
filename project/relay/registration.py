"""A worker asks to serve a space: who it is, whether it may, and what it still holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from project.clock import Clock
from project.config import Settings
from project.core.model import Space, Worker
from project.errors import (
    BadToken,
    SpaceNameAmbiguous,
    SpaceNameUnknown,
    SpaceNotWebsockets,
    SpaceOccupied,
    TokenRequired,
)
from project.relay.connections import Connection, Connections, Link
from project.relay.dispatch import Dispatcher
from project.relay.node import Node
from project.relay.publish import Publisher
from project.relay.spaces import Spaces
from project.storage.port import Resume, Resumed, Store
from project.wire import events, limits
from project.wire.messages import Register


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end: ``trusted`` if it may register without a token, ``base_url`` as it calls the site."""

    connection_id: str
    trusted: bool
    base_url: str
    address: str = ""


class Registration:
    """The use case of ``register``."""

    def __init__(
        self,
        store: Store,
        spaces: Spaces,
        connections: Connections,
        link: Link,
        publisher: Publisher,
        dispatcher: Dispatcher,
        forget: Callable[[str], None],
        clock: Clock,
        settings: Settings,
        node: Node,
    ):
        self._store = store
        self._spaces = spaces
        self._connections = connections
        self._link = link
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._forget = forget
        self._clock = clock
        self._node = node
        self._lease_s = settings.lease_s
        self._heartbeat_s = settings.heartbeat_s
        self._ping_timeout_s = settings.ping_timeout_s

    def register(self, peer: Peer, message: Register) -> dict[str, Any]:
        """Accept a worker and send it ``register_response``. Raises a WorkerRefused."""
        space = self._space(message.space_name)
        token_id = self._check_token(space, peer, message.token)
        with self._connections.registering(space.id):
            self._make_room(space, peer, message)
            response = self._join(space, peer, message, token_id)
            self._link.send(peer.connection_id, events.REGISTER_RESPONSE, response)
        if not self._spaces.welcomes(space.id, token_id):
            # The space was deleted, or the token revoked, while this was being settled: nobody else would notice.
            self._link.disconnect(peer.connection_id)
        self._publisher.space_changed(space.id)
        self._dispatcher.kick(space.id)
        return response

    def probe(self, peer: Peer, message: Register) -> None:
        """Tell somebody whether they might register, and change nothing. Raises a WorkerRefused."""
        space = self._space(message.space_name)
        self._check_token(space, peer, message.token)
        there = self._store.presence.workers(space.id, now=self._clock(), stale_after_s=self._node.stale_after_s)
        workers = sum(not worker.draining for worker in there)
        told = {
            "success": True,
            "message": f'"{space.name}" may be served from here',
            "connection_id": peer.connection_id,
            "space_id": space.id,
            "probe": True,
            "workers": workers,
            "max_workers": space.settings.max_workers,
            "max_payload_bytes": limits.MAX_PAYLOAD_BYTES,
        }
        self._link.send(peer.connection_id, events.REGISTER_RESPONSE, told)

    def _space(self, name: str) -> Space:
        found = self._spaces.named(name)
        if not found:
            raise SpaceNameUnknown(f'No space with the name "{name}" was found')
        if len(found) > 1:
            raise SpaceNameAmbiguous(f'Multiple spaces with name found: "{name}"; rename one of them')
        if found[0].settings.card_type != "websockets":
            raise SpaceNotWebsockets(f'"{name}" is not a websockets space')
        return found[0]

    def _check_token(self, space: Space, peer: Peer, text: str) -> str:
        """The id of the token the worker showed, empty if it needs none."""
        if not text:
            if not peer.trusted:
                raise TokenRequired
            return ""
        token = self._spaces.live_token(space.id, text)
        if token is None:
            raise BadToken
        return token.id

    def _make_room(self, space: Space, peer: Peer, message: Register) -> None:
        """Let the worker's own earlier connection go, and those that no longer answer; the rest keep their place."""
        for other in self._connections.of_space(space.id):
            itself = other.id == peer.connection_id
            returned = bool(message.worker_id) and other.worker.worker_id == message.worker_id
            if itself or returned:
                self._replace(other, keep_socket=itself)
        others = self._connections.working(space.id)
        if len(others) < space.settings.max_workers:
            return
        for other in others:
            if not self._link.answers(other.id, within_s=self._ping_timeout_s):
                self._replace(other, keep_socket=False)
        if len(self._connections.working(space.id)) >= space.settings.max_workers:
            raise _occupied(space)

    def _replace(self, other: Connection, *, keep_socket: bool) -> None:
        self._forget(other.id)
        if not keep_socket:
            self._link.disconnect(other.id)

    def _join(self, space: Space, peer: Peer, message: Register, token_id: str) -> dict[str, Any]:
        now = self._clock()
        worker = Worker(
            connection_id=peer.connection_id,
            space_id=space.id,
            node_id=self._node.id,
            worker_id=message.worker_id,
            boot_id=message.boot_id,
            protocol=message.protocol,
            capacity=message.capacity,
            connected_at=now,
        )
        # Workers of other nodes count too. Here, who does not answer was sent away before.
        most = None if self._node.alone else space.settings.max_workers
        if not self._store.presence.join(worker, most=most):
            raise _occupied(space)
        try:
            resumed = self._resume(space, peer, message, now)
        except BaseException:
            self._store.presence.leave(worker.connection_id, now=now)
            raise
        self._connections.add(
            Connection(
                worker,
                peer.base_url,
                in_flight=dict.fromkeys(resumed.keep),
                token_id=token_id,
                bound=space.settings.capacity,
                concurrency=message.concurrency,
                pace=self._connections.pace(space.id) if space.settings.max_workers > 1 else None,
            )
        )
        for request_id in resumed.keep:
            self._publisher.changed(request_id)
        for request in resumed.changed:
            self._publisher.publish(request)
        return self._response(space, peer, message, resumed.keep)

    def _resume(self, space: Space, peer: Peer, message: Register, now: float) -> Resumed:
        return self._store.requests.resume(
            Resume(
                space_id=space.id,
                connection_id=peer.connection_id,
                worker_id=message.worker_id,
                leases={lease.request_id: lease.lease_id for lease in message.in_flight},
                now=now,
                lease_s=self._lease_s,
                started=frozenset(lease.request_id for lease in message.in_flight if lease.started),
                abreast=message.concurrency,
            )
        )

    def _response(self, space: Space, peer: Peer, message: Register, keep: tuple[str, ...]) -> dict[str, Any]:
        response: dict[str, Any] = {
            "success": True,
            "message": f'Successfully connected to space "{space.name}"',
            "connection_id": peer.connection_id,
            "space_id": space.id,
        }
        if message.protocol > 1:
            response |= {
                "protocol": message.protocol,
                "lease_seconds": self._lease_s,
                "heartbeat_seconds": self._heartbeat_s,
                "max_payload_bytes": limits.MAX_PAYLOAD_BYTES,
                "keep": list(keep),
            }
        return response


def _occupied(space: Space) -> SpaceOccupied:
    most = space.settings.max_workers
    if most == 1:
        return SpaceOccupied(f'"{space.name}" already has a connected worker; each space takes one')
    return SpaceOccupied(f'"{space.name}" already has {most} connected workers, as many as it takes')
