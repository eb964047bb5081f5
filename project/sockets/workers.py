"""Events of workers. Each handler parses, calls one use case, and shapes the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from project.accounts.audit import Origin
from project.accounts.service import Accounts
from project.config import Settings
from project.core.policies import declared, policy
from project.errors import BadToken, NotRegistered, SpacesError, TokenRequired
from project.relay.attempts import Attempts, refusal
from project.relay.connections import Connections
from project.relay.registration import Peer, Registration
from project.sockets.peer import peer_of
from project.sockets.policy import EventNamespace
from project.sockets.server import Deferred
from project.wire import events
from project.wire.messages import Chunk, Heartbeat, Progress, Register, Result

log = logging.getLogger(__name__)
Handler = Callable[[str, Any], Any]


class WorkerNamespace(EventNamespace):
    """The default namespace: workers, by the protocol of ``docs/reference/protocol.md``."""

    def __init__(
        self,
        registration: Registration,
        attempts: Attempts,
        connections: Connections,
        accounts: Accounts,
        settings: Settings,
    ):
        super().__init__("/")
        self._registration = registration
        self._attempts = attempts
        self._connections = connections
        self._accounts = accounts
        self._settings = settings
        self._peers: dict[str, Peer] = {}
        self.handlers = {
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
        handler = self.handlers.get(event)
        if handler is None:
            return {"ok": False, "code": "unknown_event", "message": f"There is no event {event!r}"}
        try:
            self._allow(arguments[0], handler)
            return handler(arguments[0], arguments[1] if len(arguments) > 1 else None)
        except SpacesError as error:
            return refusal(error)
        except Exception:
            log.exception("handler of %s failed", event)
            return refusal(SpacesError())

    def _allow(self, sid: str, handler: Handler) -> None:
        """Raise NotRegistered unless the policy of the event lets this connection pass."""
        needed = declared(handler)
        if needed is None or (needed.name != "connection" and self._connections.get(sid) is None):
            raise NotRegistered

    @policy("connection")
    def _register(self, sid: str, data: Any) -> Any:
        """Ask to serve a space; the token, if one is needed, comes with it."""
        try:
            message = Register.parse(data)
            if message.probe:
                self._registration.probe(self._peers[sid], message)
                return {"ok": True}
            self._registration.register(self._peers[sid], message)
        except SpacesError as refused:
            error = self._noted(self._peers[sid], refused)
            log.warning("registration refused: %s", error.code)
            response = {"success": False, "message": error.message, "code": error.code}
            self.server.emit(events.REGISTER_RESPONSE, response, to=sid)
            self.server.disconnect(sid)
            return refusal(error)
        self.server.gate.registered(self.server.manager.eio_sid_from_sid(sid, "/"))
        return {"ok": True}

    def _noted(self, peer: Peer, error: SpacesError) -> SpacesError:
        """What to answer a refused worker: who guesses tokens is told to wait, and the audit log is told of it."""
        if not isinstance(error, (BadToken, TokenRequired)):
            return error
        origin = Origin(peer.address)
        try:
            self._accounts.audit.record("worker_refused", "", origin, detail=error.code, seldom=True)
            if isinstance(error, BadToken):
                self._accounts.throttle.wrong_secret("worker", peer.address)
        except SpacesError as instead:
            return instead
        return error

    @policy("worker")
    def _result(self, sid: str, data: Any) -> Deferred:
        """Return the result of an attempt."""
        deferred = Deferred()
        self._attempts.finish(sid, Result.parse(data), deferred.settle)
        return deferred

    @policy("worker")
    def _progress(self, sid: str, data: Any) -> Deferred:
        """Tell how far an attempt is."""
        deferred = Deferred()
        self._attempts.progress(sid, Progress.parse(data), deferred.settle)
        return deferred

    @policy("worker")
    def _chunk(self, sid: str, data: Any) -> Deferred:
        """Add to the answer so far."""
        deferred = Deferred()
        self._attempts.chunk(sid, Chunk.parse(data), deferred.settle)
        return deferred

    @policy("worker")
    def _heartbeat(self, sid: str, data: Any) -> Any:
        """Renew the leases of the attempts in hand."""
        return self._attempts.heartbeat(sid, Heartbeat.parse(data))

    @policy("worker")
    def _drain(self, sid: str, _data: Any) -> Any:
        """Take no more work."""
        return self._attempts.drain(sid)
