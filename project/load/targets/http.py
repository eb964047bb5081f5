"""HTTP services: a base address and endpoints called in turn, over kept-alive connections."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from project.load.core.recorder import Recorder
from project.load.errors import BadUsage, CallFailed, TargetUnreachable
from project.load.targets.base import Answer, failure_of, unanswered

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers as they may be sent. Raises BadUsage, naming the one that may not; its value may be a secret."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise BadUsage(f"{name!r} is no name of a header")
        if _CONTROL.search(value):
            raise BadUsage(f"the header {name} has a line's end or another control character in its value")
    return dict(headers)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call of a service. ``json`` is sent as JSON, ``body`` as it is."""

    path: str = "/"
    method: str = "GET"
    json: Any = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    weight: int = 1
    expect: tuple[int, ...] = ()
    """The statuses that are right; empty: everything below 400."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadUsage(f"{self.method!r} is not one of the methods {', '.join(METHODS)}")
        if not self.path.startswith("/"):
            raise BadUsage(f"an endpoint's path begins with /, not as {self.path!r}")
        if not 1 <= self.weight <= 1000:
            raise BadUsage("an endpoint's weight is from 1 to 1000")

    def accepts(self, status: int) -> bool:
        """Whether an answer's status is right."""
        return status in self.expect if self.expect else status < 400


class HttpSession:
    """One virtual user with cookies of its own, or the shared one of the open model."""

    def __init__(self, http: aiohttp.ClientSession, base: str, endpoints: Iterator[Endpoint], recorder: Recorder):
        self._http = http
        self._base = base
        self._endpoints = endpoints
        self._counts = recorder.counts

    @property
    def is_open(self) -> bool:
        """Connections are opened as needed."""
        return not self._http.closed

    async def call(self) -> Answer:
        """Call the next endpoint and read its answer whole. A redirect is an answer: it is not followed elsewhere."""
        endpoint = next(self._endpoints)
        name = f"{endpoint.method} {endpoint.path}"
        counts = self._counts
        counts.sent += 1
        if endpoint.body is not None:
            counts.bytes_sent += len(endpoint.body)
        try:
            async with self._http.request(
                endpoint.method,
                self._base + endpoint.path,
                data=endpoint.body,
                headers=endpoint.headers,
                allow_redirects=False,
            ) as response:
                size = 0  # read whole, and not kept: answers may be larger than memory
                while part := await response.content.readany():
                    size += len(part)
                status = response.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return unanswered(counts, name, error)
        counts.received += 1
        counts.bytes_received += size
        if endpoint.accepts(status):
            return Answer("", name, status, size)
        return Answer(f"http_{status}", name, status, size, f"status {status}")

    async def close(self) -> None:
        """Nothing: the connections belong to the target."""


@dataclass
class HttpTarget:
    """A service at ``http://`` or ``https://``."""

    url: str
    endpoints: tuple[Endpoint, ...] = (Endpoint(),)
    headers: dict[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0
    kind: str = "http"
    name: str = ""
    """Of the service, for messages."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadUsage(f"a service's address begins with http:// or https://, not as {self.url!r}")
        if not self.endpoints:
            raise BadUsage("a service needs at least one endpoint")
        self._base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._http: aiohttp.ClientSession | None = None
        self._recorder: Recorder | None = None

    async def open(self, recorder: Recorder) -> None:
        """See that something listens; which status it answers does not matter yet."""
        self._recorder = recorder
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self.headers,
            timeout=aiohttp.ClientTimeout(total=self.timeout_s),
            auto_decompress=False,
        )
        # The library repeats some requests, unasked, when a kept-alive connection breaks: nobody would see the failure.
        self._http._retry_connection = False
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, port), self.timeout_s)
            writer.close()
        except (TimeoutError, OSError) as error:
            await self.close()
            reason = failure_of(error).replace("_", " ")
            if self.name:
                raise TargetUnreachable(f"Service {self.name} is not running on port {port} ({reason})") from error
            raise TargetUnreachable(f"Cannot reach {self.url}: {reason}") from error

    async def session(self, number: int, *, shared: bool) -> HttpSession:
        """A user who begins at another endpoint than the last one did."""
        if self._http is None or self._recorder is None:
            raise CallFailed("not_connected")
        prepared = [_prepared(item) for item in self.endpoints for _ in range(item.weight)]
        start = number % len(prepared)
        return HttpSession(self._http, self._base, itertools.cycle(prepared[start:] + prepared[:start]), self._recorder)

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None


def _prepared(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose JSON is bytes already: it is the same for every call."""
    if endpoint.json is None:
        return endpoint
    body = json.dumps(endpoint.json).encode()
    return Endpoint(
        endpoint.path,
        endpoint.method,
        None,
        body,
        {"Content-Type": "application/json", **endpoint.headers},
        endpoint.weight,
        endpoint.expect,
    )
