"""Events of workers. Each handler parses, calls one use case, and shapes the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import socketio

from project.config import Settings
from project.errors import SpacesError
from project.relay.attempts import Attempts, refusal
from project.relay.registration import Peer, Registration
from project.sockets.peer import peer_of
from project.sockets.server import Deferred
from project.wire import events
from project.wire.messages import Chunk, Heartbeat, Progress, Register, Result

log = logging.getLogger(__name__)
Handler = Callable[[str, Any], Any]


class WorkerNamespace(socketio.Namespace):  # type: ignore[misc]
    """The default namespace: workers, by the protocol of ``docs/reference/protocol.md``."""

    def __init__(self, registration: Registration, attempts: Attempts, settings: Settings):
        super().__init__("/")
        self._registration = registration
        self._attempts = attempts
        self._settings = settings
        self._peers: dict[str, Peer] = {}
        self._handlers: dict[str, Handler] = {
            events.REGISTER: self._register,
            events.RESULT: self._result,
            events.PROGRESS: self._progress,
            events.CHUNK: self._chunk,
            events.HEARTBEAT: self._heartbeat,
            events.DRAIN: self._drain,
        }

    def trigger_event(self, event: str, *arguments: Any) -> Any:
        """Route an event by the table. An exception becomes an error answer, never silence."""
        if event == "connect":
            # Nothing is sent from here: the client's namespace is not accepted yet.
            self._peers[arguments[0]] = peer_of(arguments[0], arguments[1], self._settings)
            return None
        if event == "disconnect":
            self._peers.pop(arguments[0], None)
            self._attempts.lost(arguments[0])
            return None
        handler = self._handlers.get(event)
        if handler is None:
            return {"ok": False, "code": "unknown_event", "message": f"There is no event {event!r}"}
        try:
            return handler(arguments[0], arguments[1] if len(arguments) > 1 else None)
        except SpacesError as error:
            return refusal(error)
        except Exception:
            log.exception("handler of %s failed", event)
            return refusal(SpacesError())

    def _register(self, sid: str, data: Any) -> Any:
        try:
            self._registration.register(self._peers[sid], Register.parse(data))
        except SpacesError as error:
            log.warning("registration refused: %s", error.code)
            refused = {"success": False, "message": error.message, "code": error.code}
            self.server.emit(events.REGISTER_RESPONSE, refused, to=sid)
            self.server.disconnect(sid)
            return refusal(error)
        self.server.gate.registered(self.server.manager.eio_sid_from_sid(sid, "/"))
        return {"ok": True}

    def _result(self, sid: str, data: Any) -> Deferred:
        deferred = Deferred()
        self._attempts.finish(sid, Result.parse(data), deferred.settle)
        return deferred

    def _progress(self, sid: str, data: Any) -> Deferred:
        deferred = Deferred()
        self._attempts.progress(sid, Progress.parse(data), deferred.settle)
        return deferred

    def _chunk(self, sid: str, data: Any) -> Deferred:
        deferred = Deferred()
        self._attempts.chunk(sid, Chunk.parse(data), deferred.settle)
        return deferred

    def _heartbeat(self, sid: str, data: Any) -> Any:
        return self._attempts.heartbeat(sid, Heartbeat.parse(data))

    def _drain(self, sid: str, _data: Any) -> Any:
        return self._attempts.drain(sid)
