"""The WebSocket of the servers without one of their own that is fit for strangers (gevent, threads).

python-engineio would let simple-websocket take messages of any size, compressed ones too, and as many as fit into
memory before anybody has looked at them. (eventlet's own WebSocket is bounded by ``project.bootstrap``.)
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import engineio
import simple_websocket

MOST_WAITING: Final = 16
"""How many messages are read ahead of their handlers; then the connection is not read on."""
TURN_S: Final = 0.5


_PACKET: Final = re.compile(r"4[0-9]|[1-3](?:probe)?\Z|[56]\Z")
"""What the transport's packets begin with. Its parser would try anything else as JSON of any depth, and fail loudly."""


def checked(base: Callable[..., Any]) -> Callable[..., Any]:
    """``base``, a WebSocket as python-engineio wants it, for whose clients a packet that is none is the end."""

    def make(handler: Callable[[Any], Any], server: engineio.Server) -> Any:
        return base(lambda websocket: handler(_Checked(websocket)), server)

    return make


class _Checked:
    """A WebSocket that hands on packets and nothing else."""

    def __init__(self, websocket: Any):
        self._websocket = websocket
        # python-engineio sets its timeout for pings on one of these.
        self._sock = getattr(websocket, "_sock", None) or getattr(websocket, "socket", None)

    def wait(self) -> Any:
        message = self._websocket.wait()
        if isinstance(message, str) and not _PACKET.match(message):
            return None
        return message

    def send(self, message: str | bytes) -> Any:
        return self._websocket.send(message)

    def close(self) -> Any:
        return self._websocket.close()


class _WholeSends:
    """A socket whose ``send`` sends everything, one message at a time."""

    def __init__(self, sock: Any):
        self._sock = sock
        self._lock = threading.Lock()

    def send(self, data: bytes) -> None:
        with self._lock:
            self._sock.sendall(data)

    def recv(self, size: int) -> bytes:
        received: bytes = self._sock.recv(size)
        return received

    def settimeout(self, seconds: float | None) -> None:
        self._sock.settimeout(seconds)

    def shut(self) -> None:
        """Let whoever waits for data know that there will be none."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()


class _Connection(simple_websocket.Server):  # type: ignore[misc]
    """A connection that is not read faster than it is handled."""

    def __init__(self, environ: dict[str, Any], **options: Any):
        self._room = threading.Event()
        super().__init__(environ, **options)

    def receive(self, timeout: float | None = None) -> Any:
        message = super().receive(timeout)
        self._room.set()
        return message

    def close(self, reason: Any = None, message: Any = None) -> None:
        self._room.set()
        try:
            super().close(reason, message)
        finally:
            self.event.set()
            self.sock.shut()

    def _handle_events(self) -> bool:
        going_on: bool = super()._handle_events()
        while going_on and self.connected and len(self.input_buffer) > MOST_WAITING:
            self._room.clear()
            self._room.wait(TURN_S)
        return going_on


class BoundedWebSocket:
    """What python-engineio calls to turn a request into a WebSocket; its handler is called with this object."""

    def __init__(self, handler: Callable[[Any], Any], server: engineio.Server):
        self._handler = handler
        self._most_bytes = int(server.max_http_buffer_size)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Take the connection over, and never give it back: the server is told that it broke."""
        # python-engineio sets the pings' timeout on it.
        self._sock = _WholeSends(environ["spaces.socket"])
        self._connection = _Connection(environ | {"werkzeug.socket": self._sock}, max_message_size=self._most_bytes)
        try:
            self._handler(self)
        finally:
            self.close()
        raise BrokenPipeError(32, "the connection was a WebSocket, and is over")

    def send(self, message: str | bytes) -> None:
        """Send a message. Raises OSError when the connection is over."""
        try:
            self._connection.send(message)
        except simple_websocket.ConnectionClosed as error:
            raise OSError("the WebSocket is closed") from error

    def wait(self) -> Any:
        """The next message; None when the connection is over."""
        try:
            return self._connection.receive()
        except simple_websocket.ConnectionClosed:
            return None

    def close(self) -> None:
        """Close it, if it is open."""
        with suppress(OSError, simple_websocket.ConnectionClosed):
            self._connection.close()
