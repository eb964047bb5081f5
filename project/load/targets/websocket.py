"""Raw WebSocket: JSON text messages, each answered by one that carries its correlation id."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from project.load.core.ledger import Ledger, Receipt
from project.load.core.recorder import Recorder
from project.load.engine.clock import now_us
from project.load.errors import BadUsage, CallFailed, TargetUnreachable
from project.load.targets.base import Answer, failure_of
from project.load.targets.fence import Fence
from project.load.targets.messages import Matching, Source, Texts, bytes_of, correlation_of

log = logging.getLogger(__name__)

_DATA = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
_MOST_BYTES = 64 * 1024 * 1024


class WebSocketSession:
    """One connection. Alone it reads its own answers; shared, a task reads for all calls under way."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        recorder: Recorder,
        messages: Texts,
        prefix: str,
        *,
        matching: Matching,
        timeout_s: float,
        shared: bool,
    ):
        self._socket = socket
        self._counts = recorder.counts
        self._ledger = Ledger(recorder.counts)
        self._messages = messages
        self._prefix = prefix
        self._matching = matching
        self._timeout_s = timeout_s
        self._order: deque[int] = deque()
        self._futures: dict[int, asyncio.Future[int]] = {}
        self._closing = False
        self._broken = False
        self._task: asyncio.Task[Any] | None = None
        self._timed_out = 0
        self._opening = f'{{"id": "{prefix}'
        self._reader = asyncio.create_task(self._read()) if shared or matching == "none" else None

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return not (self._broken or self._socket.closed)

    async def call(self) -> Answer:
        """Send the next message and wait for its answer."""
        ledger = self._ledger
        number = ledger.sent()
        text = self._messages.next(f"{self._prefix}{number}")
        kind = self._messages.type
        self._counts.bytes_sent += bytes_of(text)
        if self._matching == "order":
            self._order.append(number)
        timer = asyncio.get_running_loop().call_later(self._timeout_s, self._time_out, number)
        try:
            if self._matching == "none":
                ledger.waiting.discard(number)
                await self._socket.send_str(text)
                return Answer("", kind)
            if self._reader is not None:
                size = await self._asked(number, text)
            else:
                self._task = asyncio.current_task()
                await self._socket.send_str(text)
                size = await self._receive(number)
        except TimeoutError:
            ledger.give_up(number)
            return Answer("timeout", kind)
        except asyncio.CancelledError:
            if self._timed_out == number and self._task is not None and not self._task.uncancel():
                ledger.give_up(number)
                return Answer("timeout", kind)
            ledger.abandon(number)
            raise
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            ledger.give_up(number)
            self._ended()
            return Answer(failure_of(error), kind, message=str(error))
        finally:
            timer.cancel()
        if size < 0:
            ledger.give_up(number)
            self._ended()
            return Answer("connection_closed", kind)
        return Answer("", kind, 0, size)

    def _time_out(self, number: int) -> None:
        """Wake the call with that number: its time is over. What ``asyncio.timeout`` does, at a third of its cost."""
        future = self._futures.get(number)
        if future is not None:
            if not future.done():
                future.set_exception(TimeoutError())
        elif self._task is not None and number in self._ledger.waiting:
            self._timed_out = number
            self._task.cancel()

    async def _asked(self, number: int, text: str) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._futures[number] = future
        try:
            await self._socket.send_str(text)
            return await future
        finally:
            self._futures.pop(number, None)

    async def _receive(self, number: int) -> int:
        """Read until the answer has come; its size, -1 when the connection ends first."""
        while True:
            frame = await self._socket.receive()
            if frame.type not in _DATA:
                return -1
            if self._take(frame.data) == number:
                return bytes_of(frame.data)

    def _take(self, data: str | bytes) -> int:
        """Account for a message; the number it answers, 0 if it answers none that is waited for."""
        number = self._correlation(data)
        receipt = self._ledger.received(number, bytes_of(data))
        return number if receipt is Receipt.ANSWER and number is not None else 0

    def _correlation(self, data: str | bytes) -> int | None:
        if self._matching != "id":
            return self._order.popleft() if self._order else None  # without matching nothing is kept in order
        # An answer that begins as the message did is recognised without reading all of it.
        if isinstance(data, str) and data.startswith(self._opening):
            start = len(self._opening)
            number = data[start : data.find('"', start)]
            if number.isdecimal():
                return int(number)
        return correlation_of(data, self._prefix)

    async def _read(self) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            while (frame := await self._socket.receive()).type in _DATA:
                future = self._futures.get(self._take(frame.data))
                if future is not None and not future.done():
                    future.set_result(bytes_of(frame.data))
        self._ended()
        for future in self._futures.values():
            if not future.done():
                future.set_result(-1)

    def _ended(self) -> None:
        """The connection is gone; counted once, and not when we wanted it."""
        if not self._broken and not self._closing:
            self._counts.connections_lost += 1
            log.debug("connection %s lost (close code %s)", self._prefix.rstrip("-"), self._socket.close_code)
        self._broken = True

    async def close(self) -> None:
        """Close the connection."""
        self._closing = True
        with contextlib.suppress(aiohttp.ClientError, OSError, RuntimeError):
            await self._socket.close()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader


@dataclass
class WebSocketTarget:
    """A server at ``ws://`` or ``wss://``. ``source(number)`` gives the messages of the ``number``-th user."""

    url: str
    source: Callable[[int], Source]
    matching: Matching = "id"
    timeout_s: float = 30.0
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "websocket"
    run_id: str = "r"

    def __post_init__(self) -> None:
        if not self.url.startswith(("ws://", "wss://")):
            raise BadUsage(f"a WebSocket's address begins with ws:// or wss://, not as {self.url!r}")
        self._http: aiohttp.ClientSession | None = None
        self._recorder: Recorder | None = None

    async def open(self, recorder: Recorder) -> None:
        """See that a connection can be opened."""
        self._recorder = recorder
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), headers=self.headers, middlewares=(Fence(self.url),)
        )
        try:
            await (await self._connect()).close()
        except CallFailed as error:
            await self.close()
            raise TargetUnreachable(f"Cannot reach {self.url}: {error.message}") from error

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        assert self._http is not None
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._http.ws_connect(self.url, max_msg_size=_MOST_BYTES, compress=0)
        except TimeoutError:
            raise CallFailed("timeout_connecting", f"no answer within {self.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            kind = failure_of(error)
            raise CallFailed(kind, kind.replace("_", " ")) from error

    async def session(self, number: int, *, shared: bool) -> WebSocketSession:
        """Open a connection; counted, and timed."""
        assert self._recorder is not None
        began = now_us()
        try:
            socket = await self._connect()
        except CallFailed as error:
            self._recorder.connection_failed(error.kind)
            raise
        self._recorder.connected(now_us() - began)
        prefix = f"{self.run_id}-{number}-{self._recorder.counts.connections_opened}-"
        return WebSocketSession(
            socket,
            self._recorder,
            Texts(self.source(number)),
            prefix,
            matching=self.matching,
            timeout_s=self.timeout_s,
            shared=shared,
        )

    async def close(self) -> None:
        """Close what all connections share."""
        if self._http is not None:
            await self._http.close()
            self._http = None
