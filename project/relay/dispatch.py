"""Handing requests to workers, oldest first, as long as they have room."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from project.clock import Clock
from project.core.model import Request, StoredFile
from project.core.reasons import REASONS
from project.core.states import Status
from project.errors import SpacesError, TooLarge, TryLater
from project.relay.connections import Connection, Connections, Link
from project.relay.links import Links
from project.relay.publish import Publisher
from project.relay.views import iso
from project.runtime import Runtime
from project.storage.port import Claim, Finish, Finished, Pending, RequestStore
from project.wire import events

log = logging.getLogger(__name__)
RETRY_S = 0.5


class Dispatcher:
    """Fills the windows of a space's workers whenever it is kicked; one task a space at a time."""

    def __init__(
        self,
        store: RequestStore,
        connections: Connections,
        link: Link,
        publisher: Publisher,
        links: Links,
        runtime: Runtime,
        clock: Clock,
        *,
        lease_s: float,
    ):
        self._store = store
        self._connections = connections
        self._link = link
        self._publisher = publisher
        self._links = links
        self._runtime = runtime
        self._clock = clock
        self._lease_s = lease_s
        self._kicked: dict[str, bool] = {}
        self._lock = threading.Lock()

    def kick(self, space_id: str) -> None:
        """Something may be handed out now: a request came, or room did."""
        if not self._connections.of_space(space_id):
            return
        with self._lock:
            running = space_id in self._kicked
            self._kicked[space_id] = True
        if not running:
            self._runtime.spawn(self._serve, space_id)

    def _serve(self, space_id: str) -> None:
        while self._again(space_id):
            try:
                self._fill(space_id)
            except Exception as error:
                # What waits goes on waiting, and nothing is lost by trying again; a space that nobody serves any
                # more for one error would be. A store that is busy for the moment is not worth a traceback.
                if not isinstance(error, TryLater):
                    log.exception("handing out the requests of space %s failed", space_id)
                self._runtime.sleep(RETRY_S)
                with self._lock:
                    self._kicked[space_id] = True

    def _again(self, space_id: str) -> bool:
        with self._lock:
            if self._kicked[space_id]:
                self._kicked[space_id] = False
                return True
            del self._kicked[space_id]
            return False

    def _fill(self, space_id: str) -> None:
        for connection in self._connections.of_space(space_id):
            room = connection.room
            if not room:
                continue
            # Asked before anything is claimed: it is the same then, and whatever fails here strands nothing.
            queue_size = self._publisher.queue_size(space_id)
            taken = self._claim(connection, room)
            self._hand_over(connection, taken, queue_size)

    def _claim(self, connection: Connection, room: int) -> tuple[Request, ...]:
        return self._store.claim(
            Claim(
                claim_id=secrets.token_hex(12),
                space_id=connection.worker.space_id,
                connection_id=connection.id,
                worker_id=connection.worker.worker_id,
                limit=room,
                now=self._clock(),
                lease_s=self._lease_s,
                starts=connection.worker.protocol == 1,
                alone=not connection.in_flight,
            )
        )

    def _hand_over(self, connection: Connection, taken: Sequence[Request], queue_size: int) -> None:
        for request in taken:
            connection.in_flight[request.id] = None
            if 1 < request.attempt == request.max_attempts:
                connection.last_try = request.id
        if self._connections.get(connection.id) is not connection:
            # It left while the claim was being committed: its release has passed these by.
            for request in self._store.release(
                connection.id,
                keep_lease=connection.worker.protocol > 1,
                now=self._clock(),
                abreast=connection.concurrency,
            ):
                self._publisher.publish(request)
            return
        for request in taken:
            try:
                self._link.send(connection.id, events.REQUEST, self._message(connection, request, queue_size))
            except Exception as error:
                self._not_sent(connection, request, error)
            else:
                self._publisher.publish(request)

    def _not_sent(self, connection: Connection, request: Request, error: Exception) -> None:
        """Never leave an attempt with a worker that was not told of it.

        What no worker can be sent ends here, or it would be tried for ever, and others behind it wait. A connection
        that nothing can be sent on is closed: all its attempts go back to their places.
        """
        if not isinstance(error, TooLarge) and _can_be_sent(request.payload):
            log.error("a worker of space %s cannot be sent to", request.space_id, exc_info=error)
            self._link.disconnect(connection.id)
            return
        log.warning("request %s cannot be put into a message: %s", request.id, type(error).__name__)
        connection.in_flight.pop(request.id, None)
        given_up = Finish(
            request_id=request.id,
            space_id=request.space_id,
            connection_id=connection.id,
            lease_id=request.lease_id or "",
            status=Status.FAILED,
            result=None,
            now=self._clock(),
            error=REASONS["undeliverable"],
            code="undeliverable",
        )
        # Not waited for: the others must go out. If it cannot be recorded now, its lease ends and it comes back here.
        self._store.finish_later(given_up).on_done(self._given_up)

    def _given_up(self, done: Pending[Finished]) -> None:
        try:
            ended = done.result().request
        except SpacesError:
            log.exception("a request that cannot be sent could not be ended")
            return
        if ended is not None:
            self._publisher.publish(ended)
            self.kick(ended.space_id)

    def _message(self, connection: Connection, request: Request, queue_size: int) -> dict[str, Any]:
        lease_id = request.lease_id or ""
        return {
            "request_id": request.id,
            "username": request.username,
            "payload": self._payload(connection, request, lease_id),
            "queue_size": queue_size,
            "lease_id": lease_id,
            "attempt": request.attempt,
            "deadline": iso((request.dispatched_at or 0.0) + request.run_timeout_s),
            "upload_url": connection.base_url + self._links.upload_path(request.id, lease_id),
        }

    def _payload(self, connection: Connection, request: Request, lease_id: str) -> dict[str, Any]:
        payload = dict(request.payload)
        files = [
            file_message(file, connection.base_url + self._links.download_path(file, lease_id))
            for file in request.files
            if file.field != "result"
        ]
        if not files:
            payload.pop("files", None)
            return payload
        payload["files"] = files
        for name in ("audio", "video"):
            first = next((file for file in files if file["field"] == f"{name}_file"), None)
            if first is not None:
                payload[name] = first
        return payload


def _can_be_sent(payload: Mapping[str, Any]) -> bool:
    try:
        json.dumps(dict(payload), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def file_message(file: StoredFile, url: str) -> dict[str, Any]:
    """A file as the protocol tells of it."""
    return {
        "field": file.field,
        "name": file.name,
        "content_type": file.content_type,
        "size": file.size_bytes,
        "sha256": file.sha256,
        "url": url,
    }
