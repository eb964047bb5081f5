"""What every target offers: sessions, whose ``call`` sends one message and returns its answer."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp

from project.load.core.record import Counts
from project.load.core.recorder import Recorder


@dataclass(slots=True)
class Answer:
    """How one call ended. ``failure`` is empty on success, else the short word it is counted under."""

    failure: str = ""
    endpoint: str = ""
    """``METHOD path`` or the message's type."""
    status: int = 0
    """Of HTTP; 0 elsewhere and where none came."""
    size_bytes: int = 0
    """Of the answer."""
    message: str = ""
    """What the failure says of itself."""
    stages: Mapping[str, int] | None = None
    """Times (µs) of the parts of the call, by their metric's name."""
    is_sent: bool = True
    """False: the call failed before anything went out, so it has no time."""


class Session(Protocol):
    """One virtual user: a connection, a login, or a share of a pool."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be used."""

    async def call(self) -> Answer:
        """Send the next message and wait for its answer. Failures are answers too; only cancelling raises."""

    async def close(self) -> None:
        """Close it; harmless when it is closed."""


class Target(Protocol):
    """Something under load. Opened once in a run, by the engine."""

    kind: str
    url: str

    async def open(self, recorder: Recorder) -> None:
        """Prepare, and see that it can be reached. Raises TargetUnreachable, BadUsage."""

    async def session(self, number: int, *, shared: bool) -> Session:
        """Open one; ``shared`` sessions take several calls at once. Raises CallFailed."""

    async def close(self) -> None:
        """Give everything back."""


class LedElsewhere(aiohttp.ClientConnectionError):
    """The target redirects to another address, which nobody permitted."""


_WORDS: Final[tuple[tuple[tuple[type[BaseException], ...], str], ...]] = (
    ((TimeoutError, asyncio.TimeoutError), "timeout"),
    ((ConnectionRefusedError,), "connection_refused"),
    ((LedElsewhere,), "redirected_elsewhere"),
    ((ConnectionResetError, BrokenPipeError, aiohttp.ServerDisconnectedError), "connection_reset"),
    ((aiohttp.ClientPayloadError, aiohttp.ClientResponseError), "bad_answer"),  # broken off, undecodable, or not HTTP
    ((socket.gaierror,), "name_not_resolved"),
    ((aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError), "certificate_not_trusted"),
    ((aiohttp.ClientSSLError, ssl.SSLError), "tls_failed"),
)
_TOO_MANY_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})


def failure_of(error: BaseException) -> str:
    """The short, stable word for an error of a connection."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"handshake_{error.status}"
    for cause in _causes(error):
        for kinds, word in _WORDS:
            if isinstance(cause, kinds):
                return word
        if isinstance(cause, OSError) and cause.errno in _TOO_MANY_FILES:
            return "too_many_files"
    return "connection_failed" if isinstance(error, (aiohttp.ClientError, OSError)) else type(error).__name__


async def read_at_most(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """What an answer says; of one that is longer, its beginning: a huge one is not held in memory."""
    parts, size = [], 0
    while size < most_bytes and (part := await response.content.readany()):
        parts.append(part)
        size += len(part)
    return b"".join(parts)[:most_bytes]


def went_out(error: BaseException) -> bool:
    """Whether a request that ended so was sent: not where no connection could be made for it.

    Waiting in vain for a connection is a time somebody waited, and counts as one that was.
    """
    return not isinstance(error, aiohttp.ClientConnectorError) or failure_of(error) == "timeout"


def unanswered(counts: Counts, endpoint: str, error: BaseException) -> Answer:
    """How a request over HTTP ended that was counted as sent and got no answer: lost, or not sent after all."""
    is_sent = went_out(error)
    counts.lost += is_sent
    counts.sent -= not is_sent
    return Answer(failure_of(error), endpoint, message=str(error), is_sent=is_sent)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came from; aiohttp keeps the system's own error in an attribute."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = getattr(cause, "os_error", None) or cause.__cause__


CONNECTION_FAILURES: Final = frozenset(
    {
        "connection_refused",
        "connection_reset",
        "connection_failed",
        "connection_closed",
        "name_not_resolved",
        "timeout_connecting",
        "not_connected",
    }
)
"""Failures that say the target is not there, rather than that it answers badly."""
