"""The outermost layer: what holds for every answer of the process, /socket.io and error answers included.

Flask's own hooks never see /socket.io; so hosts, foreign pages, sizes and security headers are looked after here.
Each rule looks at the environment alone, so that a table can test it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from project.config import Settings
from project.core.forwarding import SCHEMES, forwarded, own_origin
from project.doors import Doorman, DoorSettings
from project.errors import (
    BadInput,
    CrossOrigin,
    Missing,
    SpacesError,
    TooFast,
    TooLarge,
    TooManyAtOnce,
    TooManyConnections,
)
from project.web import heads
from project.web.hosts import Hosts
from project.web.pace import Pace
from project.web.refusals import refusal
from project.web.turns import ADDRESS

log = logging.getLogger(__name__)
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)
HEADERS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", POLICY),
)
TRANSPORT_SECURITY: Final = ("Strict-Transport-Security", "max-age=31536000")
FORM_OVERHEAD_BYTES: Final = 2 * 1024 * 1024
"""Text fields and part headers beside the files themselves."""
REFUSALS_PER_S: Final = 2
HOLD_S: Final = 1.0
"""Refusing costs little, but a thousand times a second it costs everybody."""
SOCKET_PATH: Final = "/socket.io"


SOCKET_ONLY: Final = "There is only a WebSocket here: a Socket.IO client connects with transports=['websocket']"


class Guard:
    """WSGI middleware; see the module."""

    def __init__(self, app: WsgiApp, settings: Settings, pause: Callable[[float], None] = time.sleep):
        self._app = app
        self._pause = pause
        # Where there is a pace at all: whoever is refused again and again waits for it, and so asks less often.
        self._patience = Pace(REFUSALS_PER_S if settings.pace else 0)
        self._origin = settings.public_origin.rstrip("/")
        self._hosts = Hosts(settings)
        self._most_bytes = settings.max_upload_bytes + FORM_OVERHEAD_BYTES
        secure = self._origin.startswith("https:")
        self._headers = (*HEADERS, TRANSPORT_SECURITY) if secure else HEADERS
        self._hops = settings.proxy_hops
        # Without a proxy the door itself counts, by connection.
        self._doorman = Doorman(DoorSettings(0, settings.max_connections, settings.address_connections))
        self._pace = Pace(settings.pace)
        self._rules = (
            self._too_fast,
            heads.refusal,
            self._host,
            self._scheme,
            self._foreign_page,
            self._body,
            self._socket,
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Refuse what must not pass; add the headers to whatever is answered."""

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            present = {name.lower() for name, _ in headers}
            added = [(name, value) for name, value in self._headers if name.lower() not in present]
            if "cache-control" not in present and _is_page(headers):
                # A page tells of a person: nobody else's cache may keep it, and one's own asks before it shows it.
                added.append(("Cache-Control", "private, no-cache"))
            return start_response(status, [*headers, *added], *rest)

        error = self.refusal(environ)
        if error is not None:
            if self._patience.wait_s(self._address(environ)):
                self._pause(HOLD_S)
            return _refuse(error, environ, start)
        # A compressed message may unpack to a thousand times its size, in one mode before anybody can measure it.
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        if "HTTP_TRANSFER_ENCODING" in environ:
            # Every server we run on ends a chunked body itself; not every one tells the framework so, which then
            # takes the body for empty.
            environ["wsgi.input_terminated"] = True
        address = environ[ADDRESS] = self._address(environ)
        if not self._hops:
            return self._answer(environ, start)
        if not self._doorman.enter(address):
            return _refuse(TooManyConnections(retry_after_s=5.0), environ, start)
        return _Counted(lambda: self._answer(environ, start), lambda: self._doorman.leave(address))

    def _answer(self, environ: Environ, start: StartResponse) -> Iterable[bytes]:
        try:
            return self._app(environ, start)
        except TooManyAtOnce as error:
            return _refuse(error, environ, start)
        except OSError:
            raise  # the connection's own end, which the server knows how to take
        except Exception:
            # The app answers its own errors; this one was made while it did. A server's answer would be bare.
            log.exception("an error could not be answered")
            return _refuse(SpacesError(), environ, start)

    def refusal(self, environ: Environ) -> SpacesError | None:
        """Why a request is not let in, or None."""
        for rule in self._rules:
            error = rule(environ)
            if error is not None:
                return error
        return None

    def _too_fast(self, environ: Environ) -> SpacesError | None:
        wait_s = self._pace.wait_s(self._address(environ))
        return TooFast(retry_after_s=wait_s) if wait_s else None

    def _host(self, environ: Environ) -> SpacesError | None:
        reported = forwarded(environ, "HOST", self._hops)
        refused = self._hosts.refusal(str(environ.get("HTTP_HOST", "")))
        # What our own proxy says counts like the host itself; a visitor's own header may have come through it.
        return refused or (self._hosts.refusal(reported) if reported else None)

    def _scheme(self, environ: Environ) -> SpacesError | None:
        reported = forwarded(environ, "PROTO", self._hops)
        return BadInput("X-Forwarded-Proto must be http or https") if reported not in ("", *SCHEMES) else None

    def _foreign_page(self, environ: Environ) -> SpacesError | None:
        """A state-changing request must come from a page of this site, or from no page at all.

        Browsers say so in ``Sec-Fetch-Site``, older ones, and all on plain http, in ``Origin``; programs send neither.
        With an API key cookies count for nothing, and a foreign page cannot send one unasked.
        """
        if environ["REQUEST_METHOD"] in SAFE_METHODS:
            return None
        if str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")[0].casefold() == "bearer":
            return None
        origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
        if self._origin and origin == self._origin:
            return None
        if site is not None:
            return None if site in ("same-origin", "none") else CrossOrigin()
        return None if origin in (None, own_origin(environ, self._hops)) else CrossOrigin()

    def _body(self, environ: Environ) -> SpacesError | None:
        length = str(environ.get("CONTENT_LENGTH") or "0")
        if not length.isascii() or not length.isdigit():
            return BadInput("Content-Length must be a number")
        coding = environ.get("HTTP_TRANSFER_ENCODING")
        if coding is not None and (coding.strip().lower() != "chunked" or environ.get("CONTENT_LENGTH")):
            # Two servers that read such a request differently can be played against each other.
            return BadInput("A body has either a Content-Length or is chunked")
        if len(length) > 15 or int(length) > self._most_bytes:
            return TooLarge(f"At most {self._most_bytes - FORM_OVERHEAD_BYTES} bytes of files are taken at once")
        return None

    def _socket(self, environ: Environ) -> SpacesError | None:
        """Behind /socket.io there is a WebSocket and nothing else: no polling, no JSONP, no script."""
        path = environ.get("PATH_INFO", "")
        if path != SOCKET_PATH and not path.startswith(f"{SOCKET_PATH}/"):
            return None
        upgrades = "upgrade" in environ.get("HTTP_CONNECTION", "").lower()
        asked = _query(environ) if upgrades else {}
        is_websocket = (
            environ["REQUEST_METHOD"] == "GET"
            and environ.get("HTTP_UPGRADE", "").lower() == "websocket"
            and "HTTP_SEC_WEBSOCKET_KEY" in environ
            and asked.get("transport") == ["websocket"]
        )
        return None if is_websocket else Missing(SOCKET_ONLY)

    def _address(self, environ: Environ) -> str:
        """Who is calling, by what the outermost of our own proxies says: what stands before it anybody may write."""
        if not self._hops:
            return str(environ.get("REMOTE_ADDR", ""))
        reported = [part.strip() for part in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        address: str = reported[-self._hops] if len(reported) >= self._hops else ""
        return address or str(environ.get("REMOTE_ADDR", ""))


class _Counted:
    """An answer whose connection is given back when the server closes it."""

    def __init__(self, call: Callable[[], Iterable[bytes]], leave: Callable[[], None]):
        self._leave = leave
        self._held = True
        try:
            self._answer = call()
        except BaseException:
            self._release()
            raise

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """Give it back, once."""
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            self._release()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._leave()


def _refuse(error: SpacesError, environ: Environ, start: StartResponse) -> Iterable[bytes]:
    content_type, body = refusal(error, environ)
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        # The body of the request was not read, so the connection cannot carry another one.
        ("Connection", "close"),
    ]
    if error.retry_after_s is not None:
        headers.append(("Retry-After", str(max(1, math.ceil(error.retry_after_s)))))
    start(f"{error.status} {HTTPStatus(error.status).phrase}", headers)
    return [body]


def _is_page(headers: list[tuple[str, str]]) -> bool:
    return any(name.lower() == "content-type" and value.startswith("text/html") for name, value in headers)


def _query(environ: Environ) -> dict[str, list[str]]:
    """The fields of the query; none if there are more than any client sends."""
    try:
        return parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=20)
    except ValueError:
        return {}
