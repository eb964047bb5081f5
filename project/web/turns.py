"""Requests take turns: each is done in the share of the loop that its person has, or its address while nobody is known.

Bodies come in, and answers go out, at the other end's pace: that is nobody's turn. ``/healthz`` never waits.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from project.core.throttling import network
from project.runtime import waited
from project.shares import Share, Shares

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Any], Iterable[bytes]]
ADDRESS: Final = "spaces.address"
SHARE: Final = "spaces.share"
HEALTH: Final = "/healthz"
SOCKET_PATH: Final = "/socket.io"
SOCKET_S: Final = 0.002
"""What a new connection of a worker costs, roughly: most of it is done where nobody counts."""
READ_S: Final = 0.00004
"""What a piece of a long body costs, some 64 KB, while it is waited for."""
MOST_KNOWN: Final = 10_000
SHORT_BYTES: Final = 64 * 1024
"""A body of at most so much is taken in before its request asks for a turn, and an answer is made in that same turn."""
COOKIES: Final = ("spaces_session=", "__Host-spaces_session=")


class Turns:
    """WSGI middleware; see the module. The address is what the guard has found out."""

    def __init__(self, app: WsgiApp, shares: Shares):
        self._app = app
        self._shares = shares
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer when it is its turn. Raises TooManyAtOnce."""
        path = environ.get("PATH_INFO", "")
        if path == HEALTH:
            return self._app(environ, start_response)
        secret = secret_of(environ)
        name = self._known.get(secret) or f"address {network(str(environ.get(ADDRESS, '')))}"
        share = PersonsShare(self._shares, name, partial(self._know, secret))
        if path.startswith(SOCKET_PATH):
            with share.admitted():
                share.charge(SOCKET_S)
            return self._app(environ, start_response)
        environ[SHARE] = share
        if "wsgi.input" in environ:
            environ["wsgi.input"] = _body(environ, share)
        lengths: list[str] = []

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            lengths[:] = [value for name, value in headers if name.lower() == "content-length"]
            return start_response(status, headers, *rest)

        with share.admitted():
            answer = Answer(self._app(environ, start), share)
            if lengths and int(lengths[0]) <= SHORT_BYTES:
                answer.begin(int(lengths[0]))
            return answer

    def _know(self, secret: str, name: str) -> None:
        if not secret:
            return
        with self._lock:
            self._known[secret] = name
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)


class PersonsShare(Share):
    """The share of one request, whose person may turn out on the way."""

    def __init__(self, shares: Shares, name: str, know: Callable[[str], None]):
        super().__init__(shares, shares.line(name))
        self._name = name
        self._all = shares
        self._know = know

    def belongs_to(self, user_id: str) -> None:
        """Somebody has proved to be that user: from now on it is theirs, and so is what comes with the same secret."""
        name = f"user {user_id}"
        if name != self._name:
            self._name = name
            self._know(name)
            self.move(self._all.line(name))


def secret_of(environ: Environ) -> str:
    """What a request says its sender is known by: the text of an API key's header, or a login's cookie."""
    if found := environ.get("HTTP_AUTHORIZATION"):
        return str(found)
    for part in str(environ.get("HTTP_COOKIE", "")).split("; "):
        if part.startswith(COOKIES):
            return part
    return ""


def _body(environ: Environ, share: Share) -> Any:
    """What the application reads: of a short body all is there already, but where the other end waits to be asked."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if 0 < length <= SHORT_BYTES and "HTTP_EXPECT" not in environ:
        return io.BytesIO(environ["wsgi.input"].read(length))
    return Body(environ["wsgi.input"], share)


class Body:
    """The body of a request, which is waited for in nobody's time.

    It has what WSGI promises and nothing else: any other way to read would be a way around.
    """

    def __init__(self, stream: Any, share: Share):
        self._stream = stream
        self._share = share

    def read(self, *size: Any) -> bytes:
        """As the stream's own."""
        found: bytes = self._waited(self._stream.read, *size)
        return found

    def readline(self, *size: Any) -> bytes:
        """As the stream's own."""
        found: bytes = self._waited(self._stream.readline, *size)
        return found

    def readlines(self, *hint: Any) -> list[bytes]:
        """As the stream's own."""
        found: list[bytes] = self._waited(self._stream.readlines, *hint)
        return found

    def _waited(self, read: Callable[..., Any], *arguments: Any) -> Any:
        found = waited(partial(read, *arguments), resting=True)
        self._share.charge(READ_S)
        return found

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")


class Answer(Iterator[bytes]):
    """The pieces of an answer, each made in its turn; between them the other end takes its time."""

    def __init__(self, pieces: Iterable[bytes], share: Share):
        self._pieces = pieces
        self._next = iter(pieces)
        self._share = share
        self._begun: bytes | None = None
        self._is_whole = False

    def begin(self, bytes_in_all: int) -> None:
        """Make the first piece in the turn that is on, which may be all of them."""
        try:
            self._begun = next(self._next, b"")
        except BaseException:
            self.close()
            raise
        self._is_whole = len(self._begun) == bytes_in_all

    def __next__(self) -> bytes:
        if self._begun is not None:
            begun, self._begun = self._begun, None
            return begun
        if self._is_whole:
            raise StopIteration
        with self._share.again():
            return next(self._next)

    def close(self) -> None:
        """The answer is over, or nobody wants the rest."""
        close = getattr(self._pieces, "close", None)
        if close is not None:
            close()
