"""The first import of the site's process: patches the standard library for the chosen server, and serves with it.

Nothing else may come before it, because a lock made unpatched stays unpatched. Only this module and
``project.runtime`` know eventlet or gevent by name.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import socket
import sys
import warnings
from typing import Any, Final, cast

from project.doors import Doorman, DoorSettings, PatientListener, RequestFile, TimedReader

MODE = os.environ.get("SPACES_ASYNC_MODE", "eventlet")
_UNUSED: Final = ("aiohttp", "requests", "redis", "valkey", "aioredis", "kombu", "pygments")


def patch(mode: str = MODE) -> str:
    """Patch the standard library for ``mode`` (``eventlet``, ``gevent`` or ``threading``) and return it.

    Raises RuntimeError when the patch did not take, rather than running half patched.
    """
    # Under load the database thread and the event loop hand the interpreter to and fro; the default of 5 ms
    # per turn would be the latency of every commit.
    sys.setswitchinterval(0.0005)
    _calm_collector()
    if mode == "eventlet":
        # The choice and its way out (another mode, by one setting) are documented; every start need not repeat it.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="eventlet")
        warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated.*")
        # Its own resolver takes a tenth of a second to import, and knows less than the system's.
        os.environ["EVENTLET_NO_GREENDNS"] = "yes"
        import eventlet
        from eventlet.patcher import is_monkey_patched

        eventlet.monkey_patch()
        _look_up_off_the_loop()
        _unmask_at_once()
        _bound_messages()
        _insist(bool(is_monkey_patched("socket")), mode)
    elif mode == "gevent":
        from gevent import monkey

        monkey.patch_all()
        _insist(bool(monkey.is_module_patched("socket")), mode)
    return mode


def import_sparingly() -> None:
    """Import the site's large libraries without what they would only draw in for clients, other brokers and colours.

    ``socketio`` imports its own HTTP clients and message queues, and the migrations' templates a highlighter, wherever
    they are installed; all make do without. That is a fifth of what a start takes. To be called after ``patch``.
    """
    hidden = [name for name in _UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = cast("Any", None)  # as if it were not installed
    try:
        for library in ("flask_socketio", "alembic.command"):
            importlib.import_module(library)
    finally:
        for name in hidden:
            del sys.modules[name]


def _look_up_off_the_loop() -> None:
    """Have hosts' names looked up on a native thread: the system may take seconds to answer, or to give up."""
    from eventlet import patcher, tpool
    from eventlet.green import socket as green_socket

    look_up = socket.getaddrinfo
    this_thread = patcher.original("_thread").get_ident
    loop = this_thread()

    def getaddrinfo(
        host: str | bytes | None, port: str | int | None, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        with contextlib.suppress(socket.gaierror):
            return look_up(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        if this_thread() != loop:
            return look_up(host, port, family, type, proto, flags)
        return tpool.execute(look_up, host, port, family, type, proto, flags)

    socket.getaddrinfo = green_socket.getaddrinfo = cast("Any", getaddrinfo)


def _unmask_at_once() -> None:
    """Replace eventlet's unmasking of WebSocket frames, byte by byte in Python, which holds up everybody."""
    from eventlet.websocket import RFC6455WebSocket

    def apply_mask(data: bytes, mask: bytes, length: int | None = None, offset: int = 0) -> bytes:
        length = len(data) if length is None else length
        turned = mask[offset % 4 :] + mask[: offset % 4]
        key = (turned * (length // 4 + 1))[:length]
        return (int.from_bytes(data[:length], "little") ^ int.from_bytes(key, "little")).to_bytes(length, "little")

    RFC6455WebSocket._apply_mask = staticmethod(apply_mask)


def _bound_messages() -> None:
    """Have eventlet count a WebSocket message as a whole: its limit is for each frame, and frames may go on and on."""
    from eventlet.websocket import FailedConnectionError, RFC6455WebSocket

    class Message(RFC6455WebSocket.Message):  # type: ignore[misc]
        """A message in one growing piece of memory, so that a million frames of a byte are a million bytes."""

        def push(self, data: bytes, final: bool = False) -> None:
            if not self.data:
                self.data.append(bytearray())
            if len(self.data[0]) + len(data) > self.max_frame_length:
                raise FailedConnectionError(1009, f"A message may have at most {self.max_frame_length} bytes.")
            self.data[0] += data
            self.finished = final

    RFC6455WebSocket.Message = Message


def _insist(patched: bool, mode: str) -> None:
    if not patched:
        raise RuntimeError(f"{mode} could not patch the standard library")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError if the address is taken or not this machine's."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted sockets inherit it: small messages to and fro must not wait for each other's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(address)
    # A site that comes back finds all its workers at the door at once.
    listener.listen(1024)
    return listener


def _calm_collector() -> None:
    """Have the collector look seldom: with the default thresholds it took a third of the time of a busy site."""
    gc.set_threshold(20_000, 20, 50)


def serve(mode: str, listener: socket.socket, app: Any, door: DoorSettings | None = None) -> None:
    """Serve a WSGI app on ``listener`` until the process is told to stop.

    Every server puts the connection's socket into the environment as ``spaces.socket``, for a WebSocket to take over.
    """
    # What was loaded at the start stays: the collector never looks at it again.
    gc.freeze()
    serve_with = {"eventlet": _serve_eventlet, "gevent": _serve_gevent, "threading": _serve_threads}[mode]
    door = door or DoorSettings()
    serve_with(listener, app, door, Doorman(door))


def _serve_eventlet(listener: socket.socket, app: Any, door: DoorSettings, doorman: Doorman) -> None:
    from eventlet import wsgi

    class Protocol(wsgi.HttpProtocol):  # type: ignore[misc]
        """A connection."""

        def __init__(self, conn_state: Any, server: Any):
            address = str(conn_state[0][0])
            if not doorman.enter(address):
                return  # the server closes what nobody handles
            try:
                super().__init__(conn_state, server)
            finally:
                doorman.leave(address)

        def setup(self) -> None:
            super().setup()
            self.reader = TimedReader(self.connection, door.idle_s)
            self.rfile = RequestFile(self.reader)

        def handle_one_request(self) -> None:
            self.reader.begin_head()
            super().handle_one_request()

        def handle_one_response(self) -> None:
            self.reader.begin_body()
            super().handle_one_response()

        def get_environ(self) -> dict[str, Any]:
            return cast("dict[str, Any]", super().get_environ()) | {"spaces.socket": self.connection}

    # The doorman refuses; the server itself would let the next one wait at the door for a place. And an event of a
    # few bytes must go out at once, not when 4 KB have come together.
    wsgi.server(
        PatientListener(listener),
        app,
        protocol=Protocol,
        log_output=False,
        max_size=door.most_connections + 100,
        socket_timeout=door.idle_s,
        debug=False,
        minimum_chunk_size=1,
    )


def _serve_gevent(listener: socket.socket, app: Any, door: DoorSettings, doorman: Doorman) -> None:
    from gevent.pywsgi import WSGIHandler, WSGIServer

    class Handler(WSGIHandler):  # type: ignore[misc]
        """A connection."""

        def __init__(self, sock: Any, address: Any, server: Any):
            sock.settimeout(door.idle_s)
            self.reader = TimedReader(sock, door.idle_s)
            super().__init__(sock, address, server, rfile=RequestFile(self.reader))

        def handle_one_request(self) -> Any:
            self.reader.begin_head()
            return super().handle_one_request()

        def handle_one_response(self) -> None:
            self.reader.begin_body()
            self.environ["spaces.socket"] = self.socket
            super().handle_one_response()

        def handle_error(self, kind: Any, error: Any, trace: Any) -> None:
            if isinstance(error, OSError):
                self.close_connection = True  # the other end is gone or too slow; there is nobody to tell
            else:
                super().handle_error(kind, error, trace)

        def _handle_client_error(self, error: Exception) -> tuple[str, bytes]:
            # Whoever scans the network for servers must not fill the log.
            return "400", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    class Server(WSGIServer):  # type: ignore[misc]
        """The server."""

        # In one go: the doorman sees them only afterwards.
        max_accept = 10

        def handle(self, sock: Any, address: Any) -> None:
            if not doorman.enter(str(address[0])):
                sock.close()
                return
            try:
                super().handle(sock, address)
            finally:
                doorman.leave(str(address[0]))

    Server(listener, app, handler_class=Handler, log=None).serve_forever()


def _serve_threads(listener: socket.socket, app: Any, door: DoorSettings, doorman: Doorman) -> None:
    from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

    class Handler(WSGIRequestHandler):
        """A connection."""

        protocol_version = "HTTP/1.1"
        timeout = door.idle_s

        def setup(self) -> None:
            super().setup()
            self.reader = TimedReader(self.connection, door.idle_s)
            self.rfile = RequestFile(self.reader)

        def handle_one_request(self) -> None:
            self.reader.begin_head()
            super().handle_one_request()

        def run_wsgi(self) -> None:
            self.reader.begin_body()
            super().run_wsgi()

        def make_environ(self) -> dict[str, Any]:
            return super().make_environ() | {"spaces.socket": self.connection}

        def log(self, type: str, message: str, *args: Any) -> None:
            """The site writes its own log."""

    class Server(ThreadedWSGIServer):
        """The server."""

        def process_request(self, request: Any, client_address: Any) -> None:
            if not doorman.enter(str(client_address[0])):
                self.shutdown_request(request)
                return
            try:
                super().process_request(request, client_address)
            except RuntimeError:  # no more threads
                doorman.leave(str(client_address[0]))
                self.shutdown_request(request)

        def process_request_thread(self, request: Any, client_address: Any) -> None:
            try:
                super().process_request_thread(request, client_address)
            finally:
                doorman.leave(str(client_address[0]))

    host, port = listener.getsockname()[:2]
    Server(host, port, app, Handler, fd=listener.fileno()).serve_forever()
