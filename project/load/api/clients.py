"""The manager of many WebSocket clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from typing import Any, TypeVar

import aiohttp

from project.load.api.client import WebSocketClient
from project.load.api.metrics import MetricsCollector
from project.load.errors import BadUsage, CallFailed
from project.load.permission import config_path, marked, permit
from project.load.targets.base import failure_of
from project.load.targets.fence import Fence

Result = TypeVar("Result")


class WebSocketClientManager:
    """Makes, connects, uses and closes many clients. Also an asynchronous context manager.

    ``metrics``: where to report; otherwise the ``MetricsCollector`` made last by the caller, or one of its own.
    """

    def __init__(
        self,
        base_url: str = "ws://localhost:8000",
        *,
        metrics: MetricsCollector | None = None,
        max_concurrent: int = 100,
        auto_reconnect: bool = False,
        connect_timeout_s: float = 30.0,
        response_timeout_s: float = 30.0,
        backoff_first_s: float = 0.1,
        backoff_most_s: float = 30.0,
        headers: dict[str, str] | None = None,
    ):
        if not base_url.startswith(("ws://", "wss://")):
            raise BadUsage(f"a WebSocket's address begins with ws:// or wss://, not as {base_url!r}")
        if max_concurrent < 1:
            raise BadUsage("max_concurrent is at least 1")
        self.base_url = base_url
        self.max_concurrent = max_concurrent
        self.auto_reconnect = auto_reconnect
        self.connect_timeout_s = connect_timeout_s
        self.response_timeout_s = response_timeout_s
        self.backoff_first_s = backoff_first_s
        self.backoff_most_s = backoff_most_s
        self.clients: dict[str, WebSocketClient] = {}
        self._headers = dict(headers or {})
        self._collector = metrics
        self._http: aiohttp.ClientSession | None = None
        self._fence = Fence()
        self._made = 0

    @property
    def collector(self) -> MetricsCollector:
        """Where everything is reported to."""
        if self._collector is None:
            self._collector = MetricsCollector.latest() or MetricsCollector()
        return self._collector

    async def __aenter__(self) -> WebSocketClientManager:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.disconnect_all()

    async def create_clients(self, count: int, *, url: str | None = None) -> list[WebSocketClient]:
        """Make clients; they are not connected yet."""
        if count < 0:
            raise BadUsage("a number of clients is from 0")
        return [self._make(url or self.base_url) for _ in range(count)]

    def _make(self, url: str) -> WebSocketClient:
        self._made += 1
        client = WebSocketClient(self, f"client-{self._made}", url)
        self.clients[client.client_id] = client
        return client

    async def connect_clients(self, clients: Iterable[WebSocketClient], *, concurrency: int | None = None) -> int:
        """Connect them, so many at once; how many are connected."""
        return sum(await self.run_batch(lambda client: client.connect(), clients, concurrency=concurrency))

    async def broadcast_message(
        self,
        message: dict[str, Any],
        clients: Iterable[WebSocketClient] | None = None,
        *,
        concurrency: int | None = None,
    ) -> int:
        """Send a message by every connected client; how many sent it."""
        chosen = [client for client in (self.clients.values() if clients is None else clients) if client.is_connected]
        return sum(await self.run_batch(lambda client: client.send_message(message), chosen, concurrency=concurrency))

    async def run_batch(
        self,
        operation: Callable[[WebSocketClient], Awaitable[Result]],
        clients: Iterable[WebSocketClient] | None = None,
        *,
        concurrency: int | None = None,
    ) -> list[Result]:
        """Do something with every client, ``concurrency`` at once; what each gave, in their order."""
        gate = asyncio.Semaphore(concurrency or self.max_concurrent)

        async def one(client: WebSocketClient) -> Result:
            async with gate:
                return await operation(client)

        chosen = list(self.clients.values()) if clients is None else list(clients)
        return await asyncio.gather(*(one(client) for client in chosen))

    async def disconnect_clients(self, clients: Iterable[WebSocketClient]) -> None:
        """Disconnect them and forget them; with the last one, everything is given back."""
        chosen = list(clients)
        await self.run_batch(lambda client: client.disconnect(), chosen)
        for client in chosen:
            self.clients.pop(client.client_id, None)
        if not self.clients and self._http is not None:
            http, self._http = self._http, None
            await http.close()

    async def disconnect_all(self) -> None:
        """Disconnect every client and give everything back."""
        await self.disconnect_clients(list(self.clients.values()))

    async def open_socket(self, url: str) -> aiohttp.ClientWebSocketResponse:
        """One more connection. Raises CallFailed, and RunRefused for a target that may not be put under load."""
        if not self._fence.admits(url):
            await permit(url, config_path())
            self._fence.admit(url)
        if self._http is None or self._http.closed:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), middlewares=(self._fence,))
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                return await self._http.ws_connect(url, compress=0, headers=marked(url, self._headers))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CallFailed(failure_of(error), str(error)) from error

    @property
    def connected(self) -> list[WebSocketClient]:
        """Those that can send."""
        return [client for client in self.clients.values() if client.is_connected]

    def get_client_metrics(self) -> dict[str, dict[str, Any]]:
        """Every client's own metrics, by its id."""
        return {name: asdict(client.metrics) for name, client in self.clients.items()}

    def get_statistics(self) -> dict[str, Any]:
        """All clients together."""
        return {
            "total_clients": len(self.clients),
            "connected_clients": len(self.connected),
            **self.collector.get_metrics(),
        }
