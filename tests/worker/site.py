"""A small site of the tests' own: a real Socket.IO server and HTTP endpoints that do what a test asks of them."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import socketio
from socketio import packet
from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

from tests.conftest import lasting_port

HELD = object()
"""An acknowledgement that a test gives later, or never."""


@dataclass(frozen=True)
class Upload:
    """A file that the worker returned."""

    name: str
    content_type: str
    sha256: str
    body: bytes
    lease: str


class _Server(socketio.Server):  # type: ignore[misc]
    """Calls handlers in order, and acknowledges nothing that is HELD."""

    site: FakeSite

    def _handle_event_internal(
        self, server: Any, sid: str, eio_sid: str, data: list[Any], namespace: str, id: int | None
    ) -> None:
        answer = self.site.receive(sid, data[0], data[1] if len(data) > 1 else None)

        def acknowledge(value: Any) -> None:
            if id is not None:
                server._send_packet(eio_sid, self.packet_class(packet.ACK, namespace=namespace, id=id, data=[value]))

        if answer is HELD:
            self.site.held.append(acknowledge)
        else:
            acknowledge(answer)


class _OneRequest(WSGIRequestHandler):
    """One request a connection, and no log: the stock handler takes what follows a WebSocket for another request."""

    def handle(self) -> None:
        self.close_connection = True
        self.handle_one_request()

    def log(self, type: str, message: str, *args: Any) -> None:
        return None


class _Listener(ThreadedWSGIServer):
    """Keeps the sockets of its connections, to be able to cut them."""

    daemon_threads = True

    def __init__(self, *arguments: Any, **options: Any):
        self.sockets: list[socket.socket] = []
        super().__init__(*arguments, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.sockets.append(request)
        super().process_request(request, client_address)


class FakeSite:
    """Plays the site's side of the protocol. ``frames`` is what workers said; ``answers`` how to acknowledge it."""

    def __init__(self, *, ping_s: float = 5.0, most_frame_bytes: int = 1024 * 1024):
        self.frames: list[tuple[str, Any]] = []
        self.held: list[Callable[[Any], None]] = []
        self.uploads: list[Upload] = []
        self.downloads: dict[str, bytes] = {}
        self.response: dict[str, Any] = {"heartbeat_seconds": 0.2, "lease_seconds": 15, "max_payload_bytes": 262144}
        self.refusals: list[dict[str, Any]] = []
        self.at_once: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Callable[[Any], Any]] = {}
        self.upload_failures: list[str] = []
        self.transports: list[str] = []
        self.connects = 0
        self.disconnects = 0
        self.port = lasting_port()
        self._ping_s = ping_s
        self._most_frame_bytes = most_frame_bytes
        self._sid = ""
        self._listener: _Listener | None = None

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        server = _Server(
            async_mode="threading",
            async_handlers=False,
            transports=["websocket"],
            ping_interval=self._ping_s,
            ping_timeout=self._ping_s,
            max_http_buffer_size=self._most_frame_bytes,
        )
        server.site = self
        server.on("connect", self._connected)
        server.on("disconnect", self._disconnected)
        self._server = server
        self._listener = _Listener("127.0.0.1", self.port, socketio.WSGIApp(server, self._http), _OneRequest)
        self.port = self._listener.port
        threading.Thread(target=_serve, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """No more listener, no more connections."""
        assert self._listener
        self._listener.shutdown()
        self._listener.server_close()
        self.drop()

    def drop(self) -> None:
        """Cut every connection, as a broken line does."""
        assert self._listener
        for each in self._listener.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it is closed already
        self._listener.sockets.clear()

    # -- what a test asks and says ----------------------------------------------------------------------------------

    def of(self, event: str) -> list[Any]:
        """Every message of that kind so far."""
        return [data for name, data in list(self.frames) if name == event]

    def results(self) -> dict[str, dict[str, Any]]:
        """The latest result of each request."""
        return {message["request_id"]: message for message in self.of("inference_result")}

    def emit(self, event: str, message: dict[str, Any]) -> None:
        self._server.emit(event, message, to=self._sid)

    def request(self, request_id: str, prompt: str = "", *, attempt: int = 1, **payload: Any) -> dict[str, Any]:
        """An ``inference_request`` with everything the site sends."""
        return {
            "request_id": request_id,
            "lease_id": f"{request_id}-{attempt}",
            "attempt": attempt,
            "username": "testuser",
            "queue_size": 1,
            "upload_url": f"/results/{request_id}-{attempt}",
            "payload": {"prompt": prompt, "timestamp": "2024-01-08T12:00:00Z", **payload},
        }

    def give(self, request_id: str, prompt: str = "", **more: Any) -> None:
        self.emit("inference_request", self.request(request_id, prompt, **more))

    def offer(self, name: str, body: bytes, *, field: str = "other_file", kind: str = "text/plain") -> dict[str, Any]:
        """Offer a file for download; its entry for a payload."""
        path = f"/files/{len(self.downloads)}"
        self.downloads[path] = body
        digest = hashlib.sha256(body).hexdigest()
        return {"field": field, "name": name, "content_type": kind, "size": len(body), "sha256": digest, "url": path}

    # -- the server's side ------------------------------------------------------------------------------------------

    def _connected(self, sid: str, environ: dict[str, Any]) -> None:
        self.connects += 1
        self.transports.append(self._server.transport(sid))

    def _disconnected(self, sid: str, reason: str = "") -> None:
        self.disconnects += 1

    def receive(self, sid: str, event: str, data: Any) -> Any:
        self.frames.append((event, data))
        if event == "register":
            self._register(sid)
            return {"ok": True}
        return self.answers.get(event, lambda _message: {"ok": True, "keep": [], "stop": []})(data)

    def _register(self, sid: str) -> None:
        self._sid = sid
        if self.refusals:
            self._server.emit("register_response", {"success": False, **self.refusals.pop(0)}, to=sid)
            self._server.disconnect(sid)
            return
        held = [lease["request_id"] for lease in self.of("register")[-1].get("in_flight", ())]
        accepted = {"success": True, "message": "welcome", "connection_id": sid, "space_id": "s1", "keep": held}
        self._server.emit("register_response", {**accepted, **self.response}, to=sid)
        for event, message in self.at_once:
            self._server.emit(event, message, to=sid)

    def _http(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] == "GET" and path in self.downloads:
            body = self.downloads[path]
            start_response("200 OK", [("Content-Length", str(len(body)))])
            return [body]
        if environ["REQUEST_METHOD"] == "POST" and path.startswith("/results/"):
            return self._take(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"nothing here"]

    def _take(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        if self.upload_failures:
            start_response(self.upload_failures.pop(0), [("Content-Type", "text/plain")])
            return [b"not now"]
        name, digest = environ["HTTP_X_FILE_NAME"], environ["HTTP_X_FILE_SHA256"]
        self.uploads.append(Upload(name, environ["CONTENT_TYPE"], digest, body, environ["PATH_INFO"].split("/")[-1]))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"success": True, "file_id": f"f{len(self.uploads)}"}).encode()]


def _serve(listener: BaseWSGIServer) -> None:
    listener.serve_forever(poll_interval=0.02)
