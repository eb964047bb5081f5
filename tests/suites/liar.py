"""A site that lies: a proxy in front of a real one, which changes some of what it says."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass(frozen=True)
class Call:
    """What a visitor asked of the site."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What the site answers."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> dict[str, Any]:
        is_json = any(key.lower() == "content-type" and "json" in value for key, value in self.headers)
        return dict(json.loads(self.body)) if is_json else {}

    def saying(self, text: str) -> Answer:
        return replace(self, body=text.encode())

    def but(self, **parts: Any) -> Answer:
        """The same JSON with some parts changed; None takes one away."""
        body = {key: value for key, value in {**self.json, **parts}.items() if value is not None}
        return replace(self, body=json.dumps(body).encode())


Forward = Callable[[Call], Answer]
Lie = Callable[[Call, Forward], Answer]
"""What the liar does with a call; ``forward`` asks the real site."""


def honest(call: Call, forward: Forward) -> Answer:
    return forward(call)


@dataclass
class Liar:
    """The proxy. WebSockets go through it untouched."""

    port: int
    """Of the real site."""
    lie: Lie = honest
    host: str = ""

    def forward(self, call: Call) -> Answer:
        site = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {key: value for key, value in call.headers if key.lower() not in HOP_BY_HOP}
            site.request(call.method, call.path, call.body or None, headers)
            answer = site.getresponse()
            kept = [(key, value) for key, value in answer.getheaders() if key.lower() not in HOP_BY_HOP]
            return Answer(answer.status, kept, answer.read())
        finally:
            site.close()


@contextmanager
def liar_before(port: int) -> Iterator[Liar]:
    """A liar before the site at a port of this machine, honest until told otherwise."""
    liar = Liar(port)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Upgrade", "").lower() == "websocket":
                self._tunnel()
                return
            length = int(self.headers.get("Content-Length") or 0)
            call = Call(self.command, self.path, self.headers.items(), self.rfile.read(length))
            try:
                answer = liar.lie(call, liar.forward)
            except ConnectionError:
                self.close_connection = True
            else:
                self._say(answer)

        do_POST = do_GET

        def _say(self, answer: Answer) -> None:
            self.send_response_only(answer.status)
            for key, value in answer.headers:
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def _tunnel(self) -> None:
            site = socket.create_connection(("127.0.0.1", liar.port))
            head = [self.requestline, *(f"{key}: {value}" for key, value in self.headers.items())]
            site.sendall("".join(f"{line}\r\n" for line in [*head, ""]).encode())
            back = threading.Thread(target=_pump, args=(site, self.connection), daemon=True)
            back.start()
            _pump(self.connection, site)
            back.join()
            site.close()

        def log_message(self, format: str, *arguments: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    liar.host = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield liar
    finally:
        server.shutdown()
        server.server_close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until one side ends, then end the other."""
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
