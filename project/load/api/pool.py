"""A pool of connected clients that are lent out and given back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from project.load.api.client import WebSocketClient
from project.load.api.clients import WebSocketClientManager
from project.load.errors import BadUsage, CallFailed, TargetUnreachable


class ConnectionPool:
    """Between ``min_size`` and ``max_size`` connections; a dead one is replaced when it is asked for."""

    def __init__(
        self,
        client_manager: WebSocketClientManager,
        min_size: int = 10,
        max_size: int = 100,
        acquire_timeout: float = 5.0,
    ):
        if not 0 <= min_size <= max_size or max_size < 1:
            raise BadUsage("a pool's sizes are 0 <= min_size <= max_size, and max_size at least 1")
        if acquire_timeout < 0:
            raise BadUsage("acquire_timeout is a number of seconds from 0")
        self._manager = client_manager
        self._min_size = min_size
        self._max_size = max_size
        self._timeout_s = acquire_timeout
        self._idle: deque[WebSocketClient] = deque()
        self._lent: set[WebSocketClient] = set()
        self._opening = 0
        self._changed = asyncio.Condition()
        self._open = False

    @property
    def size(self) -> int:
        """Connections there are."""
        return len(self._idle) + len(self._lent)

    @property
    def available(self) -> int:
        """Connections that nobody has."""
        return len(self._idle)

    async def initialize(self) -> None:
        """Open ``min_size`` connections. Raises TargetUnreachable when not one can be opened."""
        self._open = True
        clients = await self._manager.create_clients(self._min_size)
        await self._manager.connect_clients(clients)
        live = [client for client in clients if client.is_connected]
        await self._manager.disconnect_clients([client for client in clients if not client.is_connected])
        self._idle.extend(live)
        if self._min_size and not live:
            self._open = False
            raise TargetUnreachable(f"Cannot reach {self._manager.base_url}")

    async def acquire(self) -> WebSocketClient | None:
        """A connected client; None when none comes free, or none can be opened, within the timeout."""
        if not self._open:
            raise CallFailed("pool_closed", "the pool is not initialized, or was shut down")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._take()
        except TimeoutError:
            return None

    async def _take(self) -> WebSocketClient | None:
        async with self._changed:
            while self._open:
                while self._idle:
                    client = self._idle.pop()
                    if client.is_connected:
                        self._lent.add(client)
                        return client
                    await self._manager.disconnect_clients([client])
                if self.size + self._opening < self._max_size:
                    break
                await self._changed.wait()
            else:
                return None
            self._opening += 1
        return await self._another()

    async def _another(self) -> WebSocketClient | None:
        client: WebSocketClient | None = None
        try:
            (client,) = await self._manager.create_clients(1)
            connected = await client.connect()
        except BaseException:
            if client is not None:
                await self._manager.disconnect_clients([client])
            raise
        finally:
            self._opening -= 1
        if not connected:
            await self._manager.disconnect_clients([client])
            return None
        self._lent.add(client)
        return client

    async def release(self, client: WebSocketClient) -> None:
        """Give a client back; a dead one makes room for another. Harmless when it was given back already."""
        if client not in self._lent:
            return
        self._lent.discard(client)
        async with self._changed:
            if client.is_connected and self._open:
                self._idle.append(client)
            else:
                await self._manager.disconnect_clients([client])
            self._changed.notify()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[WebSocketClient]:
        """A client for the length of a block. Raises CallFailed when none is to be had."""
        client = await self.acquire()
        if client is None:
            raise CallFailed("pool_exhausted", f"no connection within {self._timeout_s:g} s")
        try:
            yield client
        finally:
            await self.release(client)

    async def shutdown(self) -> None:
        """Close every connection, also those that are lent out."""
        self._open = False
        clients = [*self._idle, *self._lent]
        self._idle.clear()
        self._lent.clear()
        await self._manager.disconnect_clients(clients)
        async with self._changed:
            self._changed.notify_all()
