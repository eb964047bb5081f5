"""The outermost layer: what holds for every answer of the process, /socket.io and error answers included.

Flask's own hooks never see /socket.io; so hosts, foreign pages, body sizes and security headers are looked after here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from project.config import Settings
from project.errors import BadHost, BadInput, CrossOrigin, SpacesError, TooLarge

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)
FORM_OVERHEAD_BYTES: Final = 2 * 1024 * 1024
"""Text fields and part headers beside the files themselves."""


class Guard:
    """WSGI middleware; see the module."""

    def __init__(self, app: Callable[[Environ, StartResponse], Iterable[bytes]], settings: Settings):
        self._app = app
        self._origin = settings.public_origin.rstrip("/")
        self._check_host = settings.is_loopback
        self._hosts = LOCAL_HOSTS | ({urlsplit(self._origin).hostname or ""} if self._origin else set())
        self._most_bytes = settings.max_upload_bytes + FORM_OVERHEAD_BYTES
        self._headers = [
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("X-Frame-Options", "DENY"),
            ("Content-Security-Policy", POLICY),
        ]
        if self._origin.startswith("https:"):
            self._headers.append(("Strict-Transport-Security", "max-age=31536000"))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Refuse what must not pass; add the headers to whatever is answered."""

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            present = {name.lower() for name, _ in headers}
            added = [(name, value) for name, value in self._headers if name.lower() not in present]
            return start_response(status, [*headers, *added], *rest)

        error = self._refusal(environ)
        if error is None:
            if "HTTP_TRANSFER_ENCODING" in environ:
                # Every server we run on ends a chunked body itself; not every one tells the framework so, which then
                # takes the body for empty.
                environ["wsgi.input_terminated"] = True
            return self._app(environ, start)
        body = json.dumps(error.as_dict()).encode()
        status = {400: "400 Bad Request", 403: "403 Forbidden", 413: "413 Content Too Large"}[error.status]
        # The body was not read, so the connection cannot carry another request.
        start(
            status,
            [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")],
        )
        return [body]

    def _refusal(self, environ: Environ) -> SpacesError | None:
        host = str(environ.get("HTTP_HOST", ""))
        if self._check_host and _name(host) not in self._hosts:
            return BadHost()
        if environ["REQUEST_METHOD"] not in SAFE_METHODS and not self._own_page(environ, host):
            return CrossOrigin()
        length = str(environ.get("CONTENT_LENGTH") or "0")
        if not length.isascii() or not length.isdigit():
            return BadInput("Content-Length must be a number")
        if int(length) > self._most_bytes:
            return TooLarge(f"At most {self._most_bytes - FORM_OVERHEAD_BYTES} bytes of files are taken at once")
        return None

    def _own_page(self, environ: Environ, host: str) -> bool:
        """Whether a state-changing request comes from a page of this site, or from no page at all.

        Browsers say so in ``Sec-Fetch-Site``, older ones in ``Origin``; programs send neither.
        """
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and self._origin and origin == self._origin:
            return True
        site = environ.get("HTTP_SEC_FETCH_SITE")
        if site is not None:
            return site in ("same-origin", "none")
        return origin is None or origin == f"{environ.get('wsgi.url_scheme', 'http')}://{host}"


def _name(host: str) -> str:
    """The host's name without its port, in lower case."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.split(":", 1)[0].lower()
