"""The Socket.IO server: handlers in the order of their connection's frames, acknowledgements when they are due.

With ``async_handlers`` on, frames of one connection overtake each other; with it off, a handler that waited for its
commit would hold back the frames behind it. So handlers run in order and return at once, and one that cannot answer
yet returns a ``Deferred``: its acknowledgement goes out when it is settled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import flask_socketio
import socketio
from flask import Flask
from socketio import packet

from project.config import Settings
from project.sockets.gate import Gate, Verdict
from project.sockets.origins import allowed
from project.sockets.websocket import BoundedWebSocket, checked

log = logging.getLogger(__name__)
MAX_FRAME_BYTES = 1024 * 1024
"""Where the transport cuts a connection. A message over ``wire.limits`` but under this gets an error instead."""


PACKETS: Final = ("0", "1", "2", "3")
"""Socket.IO's CONNECT, DISCONNECT, EVENT and ACK: what a client of ours has reason to send."""
RESERVED: Final = frozenset({"connect", "connect_error", "disconnect"})


class Deferred:
    """An acknowledgement that is not there yet."""

    def __init__(self) -> None:
        self._value: dict[str, Any] | None = None
        self._send: Callable[[dict[str, Any]], None] | None = None

    def settle(self, value: dict[str, Any]) -> None:
        """The acknowledgement is this; it goes out as soon as there is somebody to send it."""
        self._value = value
        if self._send is not None:
            self._send(value)

    def send_by(self, send: Callable[[dict[str, Any]], None]) -> None:
        """How to send it."""
        self._send = send
        if self._value is not None:
            send(self._value)


class RelayServer(socketio.Server):  # type: ignore[misc]
    """A server whose handlers may answer later, and whose clients may send events and nothing else."""

    gate: Gate

    def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> Any:
        self.gate.opened(eio_sid)
        return super()._handle_eio_connect(eio_sid, environ)

    def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self.gate.closed(eio_sid)
        super()._handle_eio_disconnect(eio_sid, reason)

    def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        """A packet of a client. One that is none, or has binary parts (no event here has), ends the connection."""
        try:
            verdict = self.gate.judge(eio_sid, len(data))
            if verdict is Verdict.GONE:
                return  # cut already, and not read to the end yet
            if verdict is Verdict.TOO_MANY:
                raise ValueError("too much before registering")
            if isinstance(data, bytes) or data[:1] not in PACKETS:
                raise ValueError("not a packet of this protocol")
            super()._handle_eio_message(eio_sid, data)
        except RecursionError:
            self.cut(eio_sid, "nested too deeply")
        except ValueError as error:
            # The parser's own errors carry the whole text they failed at.
            self.cut(eio_sid, str(error.args[0]) if type(error) is ValueError else type(error).__name__)

    def cut(self, eio_sid: str, reason: str) -> None:
        """Close a connection without waiting for its last messages to be read."""
        log.warning("connection cut: %s", reason[:80])
        transport = self.eio.sockets.get(eio_sid)
        if transport is not None:
            transport.close(wait=False)

    def _handle_event(self, eio_sid: str, namespace: str | None, id: int | None, data: Any) -> None:
        """An event. The framework's own, ``connect`` above all, are not for clients to send."""
        if not isinstance(data, list) or not data or not isinstance(data[0], str) or data[0] in RESERVED:
            raise ValueError("not an event")
        super()._handle_event(eio_sid, namespace, id, data)

    def _handle_event_internal(
        self, server: Any, sid: str, eio_sid: str, data: list[Any], namespace: str, id: int | None
    ) -> None:
        answer = server._trigger_event(data[0], namespace, sid, *data[1:])
        if id is None or answer == self.not_handled:
            return

        def acknowledge(value: Any) -> None:
            values = [] if value is None else [value]
            server._send_packet(eio_sid, self.packet_class(packet.ACK, namespace=namespace, id=id, data=values))

        if isinstance(answer, Deferred):
            answer.send_by(acknowledge)
        else:
            acknowledge(answer)


def make_socketio(app: Flask, settings: Settings, gate: Gate) -> flask_socketio.SocketIO:
    """The one SocketIO object of an app. Workers only: WebSocket transport, no pages of other sites unless listed."""
    made = flask_socketio.SocketIO(
        app,
        async_mode=settings.async_mode,
        async_handlers=False,
        # Left to itself the server believes any X-Forwarded-Host; and an empty list would switch the check off.
        cors_allowed_origins=allowed(settings),
        transports=["websocket"],
        ping_interval=settings.ping_interval_s,
        ping_timeout=settings.ping_timeout_s,
        max_http_buffer_size=MAX_FRAME_BYTES,
        manage_session=False,
        serve_client=False,
    )
    # Flask-SocketIO makes its server itself and takes no other class; this one only replaces the methods above.
    made.server.__class__ = RelayServer
    for event in ("connect", "message", "disconnect"):
        made.server.eio.on(event, getattr(made.server, f"_handle_eio_{event}"))
    made.server.gate = gate
    gate.cut = made.server.cut
    base = made.server.eio._async["websocket"] if settings.async_mode == "eventlet" else BoundedWebSocket
    made.server.eio._async = {**made.server.eio._async, "websocket": checked(base)}
    return made
