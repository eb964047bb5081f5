"""One WebSocket client of a test written by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import aiohttp

from project.load.api.metrics import MetricsCollector
from project.load.core.ledger import Ledger, Receipt
from project.load.engine.clock import now_us
from project.load.engine.waits import backoff
from project.load.errors import CallFailed
from project.load.targets.base import failure_of
from project.load.targets.messages import bytes_of, number_in

log = logging.getLogger(__name__)

Listener = Callable[[Any], None]
_DATA = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


class Owner(Protocol):
    """What a client needs of its manager."""

    auto_reconnect: bool
    response_timeout_s: float
    backoff_first_s: float
    backoff_most_s: float

    @property
    def collector(self) -> MetricsCollector:
        """Where to report."""

    async def open_socket(self, url: str) -> aiohttp.ClientWebSocketResponse:
        """One more connection. Raises CallFailed."""


class ConnectionState(Enum):
    """Where a connection is in its life."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"


@dataclass(slots=True)
class ClientMetrics:
    """Of one client. Latency in ms; memory is the same however long it runs."""

    connections: int = 0
    failed_connections: int = 0
    reconnections: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    errors: int = 0
    answers: int = 0
    latency_min_ms: float = 0.0
    latency_max_ms: float = 0.0
    latency_avg_ms: float = 0.0

    def answered(self, latency_ms: float) -> None:
        """One message was answered after so long."""
        self.latency_min_ms = latency_ms if not self.answers else min(self.latency_min_ms, latency_ms)
        self.latency_max_ms = max(self.latency_max_ms, latency_ms)
        self.answers += 1
        self.latency_avg_ms += (latency_ms - self.latency_avg_ms) / self.answers


class WebSocketClient:
    """One connection. Messages are JSON; each gets an ``id``, and an answer that carries it gives the latency."""

    def __init__(self, manager: Owner, client_id: str, url: str):
        self.client_id = client_id
        self.url = url
        self.metrics = ClientMetrics()
        self.history: list[tuple[float, ConnectionState]] = []
        self._manager = manager
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ledger = Ledger(manager.collector.recorder.counts)
        self._sent_us: dict[int, int] = {}
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._listeners: list[Listener] = []
        self._closing = False
        self._enter(ConnectionState.DISCONNECTED)

    @property
    def state(self) -> ConnectionState:
        """Where it is now."""
        return self.history[-1][1]

    @property
    def is_connected(self) -> bool:
        """Whether messages can be sent."""
        return self._socket is not None and not self._socket.closed

    def on_message(self, listener: Listener) -> None:
        """Call ``listener`` with every message that comes."""
        self._listeners.append(listener)

    async def connect(self, url: str | None = None) -> bool:
        """Connect; whether that worked. Harmless when connected."""
        if self.is_connected:
            return True
        self.url = url or self.url
        self._closing = False
        self._enter(ConnectionState.CONNECTING)
        collector, began = self._manager.collector, now_us()
        try:
            self._socket = await self._manager.open_socket(self.url)
        except CallFailed as error:
            self.metrics.failed_connections += 1
            collector.record_connection_attempt(False, error=error.kind)
            self._enter(ConnectionState.DISCONNECTED)
            return False
        self.metrics.connections += 1
        collector.record_connection_attempt(True, (now_us() - began) / 1000)
        self._enter(ConnectionState.CONNECTED)
        self._reader = asyncio.create_task(self._read(self._socket))
        return True

    async def disconnect(self) -> None:
        """Close the connection. Harmless when closed."""
        self._closing = True
        socket, reader = self._socket, self._reader
        self._socket = self._reader = None
        if socket is not None:
            with contextlib.suppress(aiohttp.ClientError, OSError, RuntimeError):
                await socket.close()
        if reader is not None and reader is not asyncio.current_task():
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if self.state is not ConnectionState.CLOSED:
            self._enter(ConnectionState.CLOSED)

    async def abort(self) -> None:
        """Cut the connection without saying so, as a lost network does; reconnection is up to the client."""
        if self._socket is not None and (transport := self._socket.get_extra_info("socket")) is not None:
            with contextlib.suppress(OSError):
                transport.shutdown(2)

    async def send_message(self, message: dict[str, Any]) -> bool:
        """Send a message; whether it went out."""
        return await self._send(message) is not None

    async def request(self, message: dict[str, Any], timeout_s: float | None = None) -> Any:
        """Send a message and return its answer. Raises CallFailed (``not_connected``, ``timeout``)."""
        number = await self._send(message)
        if number is None:
            raise CallFailed("not_connected")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = future
        try:
            return await asyncio.wait_for(future, self._manager.response_timeout_s if timeout_s is None else timeout_s)
        except TimeoutError:
            self._give_up(number, "timeout")
            raise CallFailed("timeout") from None
        finally:
            self._answers.pop(number, None)

    async def _send(self, message: dict[str, Any]) -> int | None:
        if self._socket is None or self._socket.closed:
            self._failed("not_connected")
            return None
        number = self._ledger.sent()
        sent_us = self._sent_us[number] = now_us()
        text = json.dumps({**message, "id": f"{self.client_id}-{number}"}, ensure_ascii=False)
        size = bytes_of(text)
        self._manager.collector.recorder.counts.bytes_sent += size
        try:
            await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            self._ledger.unsent(number)
            del self._sent_us[number]
            self._failed(failure_of(error))
            return None
        self.metrics.messages_sent += 1
        self.metrics.bytes_sent += size
        self._expire(sent_us)
        return number

    def _expire(self, now: int) -> None:
        """Give up the oldest messages that nobody answered in time, so that memory stays bounded."""
        limit_us = int(self._manager.response_timeout_s * 1e6)
        while self._sent_us:
            number = next(iter(self._sent_us))
            if now - self._sent_us[number] < limit_us:
                return
            self._give_up(number, "" if number not in self._answers else "timeout")

    def _give_up(self, number: int, failure: str) -> None:
        sent_us = self._sent_us.pop(number, None)
        self._ledger.give_up(number)
        if failure and sent_us is not None:
            self.metrics.errors += 1
            self._manager.collector.record_round_trip(sent_us, now_us(), failure)

    def _failed(self, failure: str) -> None:
        self.metrics.errors += 1
        self._manager.collector.record_error(failure)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            while (frame := await socket.receive()).type in _DATA:
                self._received(frame.data)
        self._manager.collector.record_connection_closed(lost=not self._closing)
        if self._closing:
            return
        self._socket = None
        for future in self._answers.values():
            if not future.done():
                future.set_exception(CallFailed("connection_closed"))
        self._enter(ConnectionState.DISCONNECTED)
        if self._manager.auto_reconnect:
            await self._reconnect()

    async def _reconnect(self) -> None:
        for pause in backoff(
            random.Random(self.client_id), self._manager.backoff_first_s, self._manager.backoff_most_s
        ):
            self._enter(ConnectionState.RECONNECTING)
            await asyncio.sleep(pause)
            if self._closing or await self.connect():
                self.metrics.reconnections += not self._closing
                self._manager.collector.recorder.counts.reconnections += not self._closing
                return

    def _received(self, data: str | bytes) -> None:
        self.metrics.messages_received += 1
        size = bytes_of(data)
        self.metrics.bytes_received += size
        try:
            body = json.loads(data)
        except ValueError:
            body = data
        number = number_in(body, f"{self.client_id}-")
        receipt = self._ledger.received(number, size)
        if receipt is Receipt.ANSWER and number is not None:
            now, sent_us = now_us(), self._sent_us.pop(number)
            self.metrics.answered((now - sent_us) / 1000)
            self._manager.collector.record_round_trip(sent_us, now)
            future = self._answers.get(number)
            if future is not None and not future.done():
                future.set_result(body)
        for listener in self._listeners:
            listener(body)

    def _enter(self, state: ConnectionState) -> None:
        log.debug("%s: %s", self.client_id, state.value)
        self.history.append((time.time(), state))
        del self.history[:-1000]
