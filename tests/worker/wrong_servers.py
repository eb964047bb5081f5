"""Small servers that are wrong in one way each, and right up to there."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from engineio.socket import Socket

from tests.tcp import Listener, pump
from tests.worker.site import FakeSite

HEALTHY = (200, {"Content-Type": "application/json"}, b'{"status":"ok","success":true}')
Answer = tuple[int, dict[str, str], bytes]


class Answering:
    """An HTTP server that answers by path, whatever the method; over TLS if it has a certificate."""

    def __init__(self, answers: Callable[[str], Answer], certificate: Path | None = None):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = answers(self.path.split("?")[0])
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_arguments: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def certificate(folder: Path, *, address: str) -> tuple[Path, Path]:
    """The certificate of an authority that nobody else trusts, and what a server at ``address`` shows with its key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    authority.issue_cert(address).private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return folder / "authority.pem", folder / "server.pem"


class AlmostSite(FakeSite):
    """A site of the tests' own that is healthy, knows probes, and answers uploads as it is told."""

    def __init__(self, *, most_frame_bytes: int = 1024 * 1024, ping_s: float = 1.0, upload: Answer | None = None):
        super().__init__(ping_s=ping_s, most_frame_bytes=most_frame_bytes)
        self.response |= {"probe": True, "workers": 0, "max_workers": 1}
        self._upload = upload or (403, {"Content-Type": "application/json"}, b'{"code":"bad_signature"}')

    def hold_pings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Announce them, and send none."""
        monkeypatch.setattr(Socket, "schedule_ping", lambda _socket: None)

    def _http(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, headers, body = HEALTHY if environ["PATH_INFO"] == "/healthz" else self._upload
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"].read(length)
        start_response(f"{status} As told", [*headers.items(), ("Content-Length", str(len(body)))])
        return [body]


class Silent:
    """Takes connections and says nothing, or one thing."""

    def __init__(self, says: bytes = b""):
        self._says = says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.close()
        for each in self._open:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(near)
            if self._says:
                near.sendall(self._says)


class Proxy(Listener):
    """An HTTP proxy that tunnels everything to one port, whatever name is asked for; or answers with ``refuses``."""

    def __init__(self, port: int, refuses: bytes = b""):
        self._port = port
        self._refuses = refuses
        self.asked: list[str] = []
        super().__init__()

    def serve(self, near: socket.socket) -> None:
        first = near.recv(65536)
        if not first:
            return
        self.asked.append(first.split(b"\r\n")[0].decode())
        if self._refuses:
            near.sendall(self._refuses)
            near.close()
            return
        far = socket.create_connection(("127.0.0.1", self._port))
        if first.startswith(b"CONNECT"):
            near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            far.sendall(first)
        threading.Thread(target=pump, args=(near, far), daemon=True).start()
        pump(far, near)
