"""The first import of the site's process: patches the standard library for the chosen server, and serves with it.

Nothing else may come before it, because a lock made unpatched stays unpatched. Only this module and
``project.runtime`` know eventlet or gevent by name.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import warnings
from typing import Any

MODE = os.environ.get("SPACES_ASYNC_MODE", "eventlet")


def patch(mode: str = MODE) -> str:
    """Patch the standard library for ``mode`` (``eventlet``, ``gevent`` or ``threading``) and return it.

    Raises RuntimeError when the patch did not take, rather than running half patched.
    """
    # Under load the database thread and the event loop hand the interpreter to and fro; the default of 5 ms
    # per turn would be the latency of every commit.
    sys.setswitchinterval(0.0005)
    if mode == "eventlet":
        # The choice and its way out (another mode, by one setting) are documented; every start need not repeat it.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="eventlet")
        warnings.filterwarnings("ignore", message="(?s).*Eventlet is deprecated.*")
        import eventlet
        from eventlet.patcher import is_monkey_patched

        eventlet.monkey_patch()
        _unmask_at_once()
        _insist(bool(is_monkey_patched("socket")), mode)
    elif mode == "gevent":
        from gevent import monkey

        monkey.patch_all()
        _insist(bool(monkey.is_module_patched("socket")), mode)
    return mode


def _unmask_at_once() -> None:
    """Replace eventlet's unmasking of WebSocket frames, byte by byte in Python, which holds up everybody."""
    from eventlet.websocket import RFC6455WebSocket

    def apply_mask(data: bytes, mask: bytes, length: int | None = None, offset: int = 0) -> bytes:
        length = len(data) if length is None else length
        turned = mask[offset % 4 :] + mask[: offset % 4]
        key = (turned * (length // 4 + 1))[:length]
        return (int.from_bytes(data[:length], "little") ^ int.from_bytes(key, "little")).to_bytes(length, "little")

    RFC6455WebSocket._apply_mask = staticmethod(apply_mask)


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
    """Have the collector look at what requests leave, seldom, and never again at what was loaded at the start.

    With the default thresholds it took a third of the time of a busy site.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def serve(mode: str, listener: socket.socket, app: Any) -> None:
    """Serve a WSGI app on ``listener`` until the process is told to stop."""
    _calm_collector()
    if mode == "eventlet":
        from eventlet import wsgi

        # Every WebSocket holds a place of max_size; the timeout closes clients that never finish their request; and
        # an event of a few bytes must go out at once, not when 4 KB have come together.
        wsgi.server(
            listener, app, log_output=False, max_size=5000, socket_timeout=15, debug=False, minimum_chunk_size=1
        )
    elif mode == "gevent":
        from gevent.pywsgi import WSGIServer
        from geventwebsocket.handler import WebSocketHandler

        WSGIServer(listener, app, handler_class=WebSocketHandler, log=None).serve_forever()
    else:
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Quiet(WSGIRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """The site writes its own log."""

        host, port = listener.getsockname()[:2]
        make_server(host, port, app, threaded=True, request_handler=Quiet, fd=listener.fileno()).serve_forever()
