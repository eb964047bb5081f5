"""A TCP proxy between a worker and the site that can go bad: silent, deaf in one direction, or cut."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Proxy:
    """Passes bytes on to ``port`` until told otherwise.

    What is held stays where it is: the connections are open, and nothing arrives that way any more until it is let go.
    """

    def __init__(self, port: int):
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._flow = {"up": threading.Event(), "down": threading.Event()}
        for flow in self._flow.values():
            flow.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self) -> str:
        """Where a worker finds the site through the proxy."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def lead_to(self, port: int) -> None:
        """Whoever comes from now on is led to another port, as a balancer does when a site is gone."""
        self._port = port

    def hold(self, *directions: str) -> None:
        """Let nothing through any more that way: ``up`` to the site, ``down`` to the worker."""
        for direction in directions:
            self._flow[direction].clear()

    def let_go(self) -> None:
        """Pass on again, what was held first."""
        for flow in self._flow.values():
            flow.set()

    def cut(self) -> None:
        """Break every connection, as a pulled cable's end at last does."""
        for pair in self._pairs:
            for each in pair:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def close(self) -> None:
        """End it."""
        self._listener.close()
        self.cut()
        self.let_go()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                continue
            self._pairs.append((near, far))
            for source, target, direction in ((near, far, "up"), (far, near, "down")):
                threading.Thread(target=self._pump, args=(source, target, direction), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, direction: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flow[direction].wait()
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """A proxy for the length of a block."""
    made = Proxy(port)
    try:
        yield made
    finally:
        made.close()
