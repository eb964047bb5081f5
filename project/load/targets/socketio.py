"""Socket.IO: events that the server acknowledges; the round trip is from the event to its acknowledgement."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import socketio

from project.load.core.ledger import Ledger
from project.load.core.recorder import Recorder
from project.load.engine.clock import now_us
from project.load.errors import BadUsage, CallFailed, TargetUnreachable
from project.load.targets.base import Answer, failure_of
from project.load.targets.fence import Fence
from project.load.targets.messages import Source

log = logging.getLogger(__name__)


class SocketIOSession:
    """One client. Every ``call`` emits one event and waits for its own acknowledgement."""

    def __init__(
        self,
        client: socketio.AsyncClient,
        recorder: Recorder,
        source: Source,
        event: str,
        prefix: str,
        timeout_s: float,
    ):
        self._client = client
        self._counts = recorder.counts
        self._ledger = Ledger(recorder.counts)
        self._source = source
        self._event = event
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._closing = False
        self._waiting: set[asyncio.Future[Any]] = set()
        client.on("disconnect", self._disconnected)
        client.on("*", self._pushed)

    @property
    def is_open(self) -> bool:
        """Whether events can be sent."""
        return bool(self._client.connected)

    async def call(self) -> Answer:
        """Emit the next message and wait for its acknowledgement."""
        number = self._ledger.sent()
        body = {"id": f"{self._prefix}{number}", **self._source()}
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)

        def acknowledged(*arguments: Any) -> None:
            # Counted here, not where the future is awaited: late ones come here too. A second one for the same event
            # there cannot be: the library, as its servers, lets go of an event once it is acknowledged.
            self._ledger.received(number)
            if not future.done():
                future.set_result(arguments)

        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.emit(self._event, body, callback=acknowledged)
                if await future is None:
                    self._ledger.give_up(number)
                    return Answer("connection_closed", self._event)
        except TimeoutError:
            self._ledger.give_up(number)
            return Answer("timeout", self._event)
        except asyncio.CancelledError:
            self._ledger.abandon(number)
            raise
        except (socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError) as error:
            self._ledger.unsent(number)
            return Answer("not_connected", self._event, message=str(error), is_sent=False)
        finally:
            self._waiting.discard(future)
        return Answer("", self._event)

    async def _pushed(self, event: str, *_data: Any) -> None:
        self._ledger.received(None)

    async def _disconnected(self, *reason: object) -> None:
        if not self._closing:
            self._counts.connections_lost += 1
            log.debug("connection %s lost %s", self._prefix.rstrip("-"), reason)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def close(self) -> None:
        """Disconnect."""
        self._closing = True
        with contextlib.suppress(socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError):
            await self._client.disconnect()


@dataclass
class SocketIOTarget:
    """A Socket.IO server at ``http://``, ``https://``, ``ws://`` or ``wss://``; by WebSocket only."""

    url: str
    source: Callable[[int], Source]
    event: str = "message"
    namespace: str = "/"
    timeout_s: float = 30.0
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "socketio"
    run_id: str = "r"

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://", "ws://", "wss://")):
            raise BadUsage(f"a Socket.IO server's address begins with http:// or ws://, not as {self.url!r}")
        self._http: aiohttp.ClientSession | None = None
        self._recorder: Recorder | None = None

    async def open(self, recorder: Recorder) -> None:
        """See that a client can connect."""
        self._recorder = recorder
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), middlewares=(Fence(self.url),))
        try:
            client = await self._connect()
        except CallFailed as error:
            await self.close()
            raise TargetUnreachable(f"Cannot reach {self.url}: {error.message}") from error
        await client.disconnect()

    async def _connect(self) -> socketio.AsyncClient:
        client = socketio.AsyncClient(reconnection=False, http_session=self._http, handle_sigint=False)
        try:
            async with asyncio.timeout(self.timeout_s):
                await client.connect(
                    self.url,
                    headers=self.headers,
                    transports=["websocket"],
                    namespaces=[self.namespace],
                    wait_timeout=self.timeout_s,
                )
        except TimeoutError:
            raise CallFailed("timeout_connecting", f"no answer within {self.timeout_s:g} s") from None
        except (socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError, ValueError) as error:
            kind = failure_of(error.__cause__ or error.__context__ or error)
            raise CallFailed("connection_failed" if kind.endswith("Error") else kind, str(error)) from error
        return client

    async def session(self, number: int, *, shared: bool) -> SocketIOSession:
        """Connect one client; counted, and timed."""
        assert self._recorder is not None
        began = now_us()
        try:
            client = await self._connect()
        except CallFailed as error:
            self._recorder.connection_failed(error.kind)
            raise
        self._recorder.connected(now_us() - began)
        return SocketIOSession(
            client, self._recorder, self.source(number), self.event, f"{self.run_id}-{number}-", self.timeout_s
        )

    async def close(self) -> None:
        """Close what all clients share."""
        if self._http is not None:
            await self._http.close()
            self._http = None
