"""What the site does by itself: keep its presence known, apply deadlines, tidy up; and begin and end well."""

from __future__ import annotations

import logging
from collections.abc import Callable

from project.clock import Clock
from project.core.model import Request
from project.core.states import Status
from project.errors import TryLater
from project.relay.connections import Connections, Link
from project.relay.dispatch import Dispatcher
from project.relay.neighbours import Neighbours
from project.relay.node import Node
from project.relay.publish import Publisher
from project.relay.service import KEY_AGE_S, Relay
from project.runtime import Runtime
from project.storage.port import Store
from project.wire import events

log = logging.getLogger(__name__)
SWEEP_S = 0.5
PURGE_S = 300.0


class Upkeep:
    """The site's own chores, in one task."""

    def __init__(
        self,
        store: Store,
        connections: Connections,
        link: Link,
        publisher: Publisher,
        dispatcher: Dispatcher,
        relay: Relay,
        tidy_accounts: Callable[[], None],
        sweep_files: Callable[[frozenset[str]], None],
        runtime: Runtime,
        clock: Clock,
        neighbours: Neighbours,
        node: Node,
        *,
        lease_s: float,
    ):
        self._store = store
        self._connections = connections
        self._link = link
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._relay = relay
        self._tidy_accounts = tidy_accounts
        self._sweep_files = sweep_files
        self._runtime = runtime
        self._clock = clock
        self._neighbours = neighbours
        self._node = node
        self._lease_s = lease_s
        self._stopped = False
        self._beat_at = clock()

    def start(self) -> None:
        """Begin. When no other node shares the store, every worker it remembers is of a past life."""
        now, stale_s = self._clock(), -1.0 if self._node.alone else self._node.stale_after_s
        if not self._store.presence.nodes(now=now, stale_after_s=stale_s):
            self._store.presence.clear_stale(now=now, stale_after_s=stale_s)
            # Workers that held attempts when the site went away get the time to come back and say so. While other
            # nodes are there it did not go away, and a node that starts again and again must not keep leases alive.
            self._store.requests.extend_leases(now + self._lease_s)
        self._store.presence.beat(self._node.id, now=now)
        self._runtime.spawn(self._serve)

    def stop(self) -> None:
        """End well: tell the workers, leave their leases as they are, and give up presence."""
        self._stopped = True
        for connection in self._connections.all():
            self._link.send(connection.id, events.SITE_DRAINING, {"reason": "the site is stopping"})
        self._store.presence.end_node(self._node.id, now=self._clock())

    def _serve(self) -> None:
        due = {self._sweep: 0.0, self._beat: 0.0, self._purge: PURGE_S}
        every = {self._sweep: SWEEP_S, self._beat: self._node.beat_s, self._purge: PURGE_S}
        began = self._clock()
        while not self._stopped:
            self._runtime.sleep(SWEEP_S)
            for chore, at in due.items():
                if self._clock() - began >= at:
                    due[chore] = self._clock() - began + every[chore]
                    self._try(chore)

    def _try(self, chore: Callable[[], None]) -> None:
        try:
            if not self._stopped:
                chore()
        except TryLater:
            # The store is locked or full for the moment; every chore comes round again.
            return
        except Exception:
            # The other chores, and this one's next turn, must not end with it.
            log.exception("upkeep failed")

    def _sweep(self) -> None:
        if not self._node.alone:
            self._neighbours.look()
        for request in self._store.requests.expire(self._clock()):
            self._settle(request)

    def _settle(self, request: Request) -> None:
        if request.status is Status.QUEUED:
            self._connections.drop_request(request.id)
            self._publisher.publish(request)
            self._dispatcher.kick(request.space_id)
        else:
            self._relay.tell_ended(request, request.code or "")

    def _beat(self) -> None:
        last, now = self._beat_at, self._clock()
        self._store.presence.beat(self._node.id, now=now)
        self._beat_at = now
        if now - last > self._node.stale_after_s / 2:
            return  # it was this node, or the database, that stood still: let the others be heard first
        presence, stale_s = self._store.presence, self._node.stale_after_s
        for connection_id in presence.stale(now=now, stale_after_s=stale_s):
            # A node is dead. Its workers may come back to another one with the leases they hold; until they do, their
            # requests wait in their places.
            for request in self._store.requests.release(connection_id, keep_lease=True, now=now):
                self._settle(request)
        # Only now: whoever takes such a worker's place finds what it held in the queue, before all that came later.
        presence.clear_stale(now=now, stale_after_s=stale_s)

    def _purge(self) -> None:
        self._tidy_accounts()
        self._store.requests.purge_keys(self._clock() - KEY_AGE_S)
        self._sweep_files(self._store.requests.file_ids())
