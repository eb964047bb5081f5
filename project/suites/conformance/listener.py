"""The stand-in site's port: HTTP for files and for the WebSocket's beginning."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from wsproto.utilities import ProtocolError

SOCKET_PATH: Final = "/socket.io/"
RESULTS_PATH: Final = "/results/"
POLL_S: Final = 0.05


@dataclass(frozen=True)
class Upload:
    """A file that the worker returned."""

    lease_id: str
    key: str
    name: str
    sha256: str
    body: bytes

    @property
    def is_whole(self) -> bool:
        """Whether the bytes are those that were announced."""
        return hashlib.sha256(self.body).hexdigest() == self.sha256


class House(Protocol):
    """What is behind the door."""

    def knocked(self) -> None:
        """Somebody came while nobody was in."""

    def serve(self, connection: socket.socket, path: str, headers: list[tuple[str, str]]) -> None:
        """Talk with a worker that asks for a WebSocket, until the connection ends."""

    def refused(self, transport: str) -> None:
        """Somebody wanted to connect in another way."""

    def fetch(self, path: str) -> bytes | None:
        """A file for a worker; None if there is none at that address."""

    def upload(self, upload: Upload) -> tuple[int, dict[str, Any]]:
        """Take a file; status and answer."""


class Listener:
    """Listens on a free port of this machine. While ``is_away``, whoever comes is noted and turned away."""

    def __init__(self, house: House):
        self.is_away = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.listener = self
        self._server.house = house

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to listen."""
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    listener: Listener
    house: House

    def verify_request(self, request: Any, client_address: Any) -> bool:
        if self.listener.is_away:
            self.house.knocked()
        return not self.listener.is_away

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks half-way is the worker's affair, and in the journal."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if self._is_for_socket():
            return
        file = self.server.house.fetch(self.path)
        if file is None:
            self._refuse()
        else:
            self._say(200, file)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._is_for_socket():
            return
        path = urlsplit(self.path).path
        if not path.startswith(RESULTS_PATH):
            self._refuse()
            return
        key, name, digest = (self.headers.get(key, "") for key in ("Idempotency-Key", "X-File-Name", "X-File-SHA256"))
        upload = Upload(path.removeprefix(RESULTS_PATH), key, unquote(name), digest, body)
        status, answer = self.server.house.upload(upload)
        self._say(status, json.dumps(answer).encode())

    def _is_for_socket(self) -> bool:
        """Whether this was for the socket; then it is settled."""
        parts = urlsplit(self.path)
        if parts.path != SOCKET_PATH:
            return False
        transport = parse_qs(parts.query).get("transport", [""])[0]
        if transport != "websocket" or "websocket" not in self.headers.get("Upgrade", "").lower():
            self.server.house.refused(transport)
            self._say(400, json.dumps({"code": 0, "message": "Transport unknown"}).encode())
            return True
        self.close_connection = True
        with suppress(OSError, ProtocolError):
            self.server.house.serve(self.connection, self.path, self.headers.items())
        return True

    def _refuse(self) -> None:
        self._say(404, json.dumps({"success": False, "error": "There is nothing here", "code": "not_found"}).encode())

    def _say(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json" if body[:1] == b"{" else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: the journal has it all."""
