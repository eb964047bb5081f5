"""The Socket.IO server: handlers in the order of their connection's frames, acknowledgements when they are due.

With ``async_handlers`` on, frames of one connection overtake each other; with it off, a handler that waited for its
commit would hold back the frames behind it. So handlers run in order and return at once, and one that cannot answer
yet returns a ``Deferred``: its acknowledgement goes out when it is settled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask_socketio
import socketio
from flask import Flask
from socketio import packet

from project.config import Settings

MAX_FRAME_BYTES = 1024 * 1024
"""Where the transport cuts a connection. A message over ``wire.limits`` but under this gets an error instead."""


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
    """A server whose handlers may answer later."""

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


def make_socketio(app: Flask, settings: Settings) -> flask_socketio.SocketIO:
    """The one SocketIO object of an app. Workers only: WebSocket transport, no cross-origin browsers."""
    made = flask_socketio.SocketIO(
        app,
        async_mode=settings.async_mode,
        async_handlers=False,
        # None means same origin only; an empty list would switch the check off.
        cors_allowed_origins=None,
        transports=["websocket"],
        ping_interval=settings.ping_interval_s,
        ping_timeout=settings.ping_timeout_s,
        max_http_buffer_size=MAX_FRAME_BYTES,
        manage_session=False,
        serve_client=False,
    )
    # Flask-SocketIO makes its server itself and takes no other class; this one only adds the method above.
    made.server.__class__ = RelayServer
    return made
