"""One connection to the site at a time: open, register, stay, and open again for as long as it takes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import engineio
import socketio
import websocket

from project.wire import events
from project.worker.errors import ConnectionFailed, RegistrationRefused

OPEN_TIMEOUT_S = 10.0
REGISTER_TIMEOUT_S = 15.0
PASSING = frozenset({"storage_unavailable", "disk_full", "internal_error", "try_later"})
"""Refusals that have nothing to do with this worker."""

LIGHT: Final = {"skip_utf8_validation": True}
"""The interpreter looks whether a text is one when it decodes it. The client looks before, sign by sign in Python: a
third of a second for a long prompt in Chinese, in which nothing else gets through."""
_ANSWERED: Final = {
    404: ": is that the address of a WebSocket Spaces site?",
    **dict.fromkeys((502, 503, 504), ": a proxy is there, and the site behind it is not"),
}
"""What an HTTP status at that place usually means."""


def insist_on_address(host: str) -> str:
    """The site's address without a slash at its end. Raises ValueError for what never can be one."""
    parts = urlsplit(host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{host!r} is no address of a site; it looks like http://localhost:5001")
    return host.rstrip("/")


class _InOrder(engineio.Client):  # type: ignore[misc]
    """Runs handlers in the order of their frames. The stock client starts a thread each, and they overtake."""

    def _trigger_event(self, event: str, *arguments: Any, **options: Any) -> Any:
        options["run_async"] = False
        return super()._trigger_event(event, *arguments, **options)

    def disconnect(self, abort: bool = False, reason: Any = None) -> None:
        # A refusal is handled on the very thread that reads, which cannot wait for its own end.
        super().disconnect(abort=abort or self.read_loop_task is threading.current_thread(), reason=reason)


class _Client(socketio.Client):  # type: ignore[misc]
    def _engineio_client_class(self) -> type:
        return _InOrder


class Connection:
    """The socket. ``on_event(name, data)`` gets what the site sends; it must only take note and return.

    It is called in the order of the frames, an accepted registration's response first, so that requests which come
    right behind the response meet a worker that knows it is registered.
    """

    def __init__(self, host: str, on_event: Callable[[str, Mapping[str, Any]], None]):
        self._host = host
        self._on_event = on_event
        self._client: socketio.Client | None = None
        self._gone = threading.Event()
        self._response: Mapping[str, Any] | None = None
        self._answered = threading.Event()

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._client is not None and not self._gone.is_set()

    def open(self) -> None:
        """Connect, by WebSocket only. Raises ConnectionFailed."""
        self._gone, self._answered, self._response = threading.Event(), threading.Event(), None
        gone, answered = self._gone, self._answered
        client = _Client(
            reconnection=False,
            handle_sigint=False,
            request_timeout=OPEN_TIMEOUT_S,
            websocket_extra_options=dict(LIGHT),
        )

        def response(data: Any) -> None:
            self._response = data if isinstance(data, dict) else {}
            try:
                if self._response.get("success"):
                    self._on_event(events.REGISTER_RESPONSE, self._response)
            finally:
                answered.set()

        def disconnected(*_reason: object) -> None:
            gone.set()
            answered.set()

        client.on(events.REGISTER_RESPONSE, response)
        client.on("disconnect", disconnected)
        for name in (events.REQUEST, events.CANCEL, events.SITE_DRAINING):
            client.on(name, self._receiver(name))
        try:
            client.connect(self._host, transports=["websocket"], wait_timeout=OPEN_TIMEOUT_S)
        except (socketio.exceptions.ConnectionError, OSError, ValueError) as error:
            raise ConnectionFailed(_plain(error)) from error
        self._client = client

    def _receiver(self, name: str) -> Callable[[Any], None]:
        def receive(data: Any) -> None:
            if isinstance(data, dict):
                self._on_event(name, data)

        return receive

    def register(self, message: Mapping[str, Any]) -> None:
        """Send ``register`` and wait until it is accepted. Raises RegistrationRefused or ConnectionFailed."""
        self.emit(events.REGISTER, message)
        self._answered.wait(REGISTER_TIMEOUT_S)
        response = self._response
        if response is None:
            raise ConnectionFailed("the site did not answer the registration")
        if not response.get("success"):
            text, code = str(response.get("message") or "registration refused"), str(response.get("code") or "")
            if code in PASSING:
                raise ConnectionFailed(text)
            raise RegistrationRefused(text, code)

    def emit(self, event: str, message: Mapping[str, Any], answer: Callable[[Any], None] | None = None) -> bool:
        """Send a message; ``answer`` gets its acknowledgement, if one comes. Whether it was sent."""
        client = self._client
        if client is None or self._gone.is_set():
            return False
        try:
            client.emit(event, dict(message), callback=answer)
        except (socketio.exceptions.SocketIOError, OSError):
            return False
        return True

    def wait_until_gone(self, timeout_s: float) -> bool:
        """Whether the connection is gone, waiting up to ``timeout_s`` for it."""
        return self._gone.wait(timeout_s)

    def flush(self, within_s: float = 5.0) -> None:
        """Wait until what was emitted has been written to the socket, as long as there is one."""
        deadline = time.monotonic() + within_s
        client, left_s = self._client, within_s
        while client is not None and not self._gone.is_set() and left_s > 0:
            with client.eio.queue.all_tasks_done:
                if not client.eio.queue.unfinished_tasks:
                    return
                client.eio.queue.all_tasks_done.wait(min(left_s, 0.1))
            left_s = deadline - time.monotonic()

    def cut(self) -> None:
        """Break the connection off without a goodbye, as a broken line does."""
        line = self._client.eio.ws.sock if self._client is not None and self._client.eio.ws is not None else None
        if line is not None:
            with suppress(OSError):  # it is broken already
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection, if it is open."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
        self._gone.set()


def _plain(error: BaseException) -> str:
    """The reason in a few words: what the innermost error says."""
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(cause, ConnectionRefusedError):
        return "Connection refused"
    if isinstance(cause, websocket.WebSocketBadStatusException):
        # Its own text has the whole answer in it, a page of HTML for instance.
        helps = _ANSWERED.get(cause.status_code, "")
        return f"HTTP {cause.status_code} was answered instead of opening a WebSocket{helps}"
    return str(cause) or str(error) or type(error).__name__
