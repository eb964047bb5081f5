"""How a connection lives: it stays, comes and goes, works in bursts, or moves to another server. Or one's own way."""

from __future__ import annotations

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Final

from project.load.api.client import ConnectionState, WebSocketClient
from project.load.engine.waits import backoff, stopped_within
from project.load.errors import BadUsage
from project.load.generators import EventMessageGenerator, MessageGenerator

__all__ = [
    "LIFECYCLES",
    "BurstyLifecycle",
    "ConnectionLifecycle",
    "ConnectionState",
    "FailoverLifecycle",
    "IntermittentLifecycle",
    "PersistentLifecycle",
]


class ConnectionLifecycle(ABC):
    """Derive from it and write ``live``; ``run`` calls it for a time and disconnects in the end."""

    def __init__(
        self,
        client: WebSocketClient,
        generator: MessageGenerator | None = None,
        *,
        message_interval_s: float = 1.0,
        seed: int = 1,
    ):
        if message_interval_s <= 0:
            raise BadUsage("message_interval_s is above 0")
        self.client = client
        self.generator = generator or EventMessageGenerator(seed)
        self.message_interval_s = message_interval_s
        self.random = random.Random(seed)
        self.events: list[tuple[float, str]] = []
        """``(epoch s, what)`` of this life; the client's ``history`` has its connection's states."""
        self._stopping = asyncio.Event()

    @property
    def state(self) -> ConnectionState:
        """Of the connection."""
        return self.client.state

    @property
    def is_stopping(self) -> bool:
        """Whether the life should come to its end."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End it at the next pause."""
        self._stopping.set()

    @abstractmethod
    async def live(self) -> None:
        """One life; return when ``is_stopping``."""

    async def run(self, duration_s: float) -> None:
        """Live for so long, then disconnect."""
        timer = asyncio.get_running_loop().call_later(duration_s, self._stopping.set)
        try:
            await self.live()
        finally:
            timer.cancel()
            await self.client.disconnect()

    async def pause(self, seconds: float) -> bool:
        """Sleep, unless the end comes; whether it came."""
        return await stopped_within(self._stopping, seconds)

    async def connect(self) -> bool:
        """Connect, with pauses that grow, until it works or the end comes; whether it worked."""
        if self.client.is_connected:
            return True
        for wait_s in backoff(self.random):
            if await self.client.connect():
                self.note("connected")
                return True
            if await self.pause(wait_s):
                return False
        return False

    async def talk(self, seconds: float | None = None) -> None:
        """Send at the interval while connected, for so long or to the end."""
        until = None if seconds is None else time.monotonic() + seconds
        while self.client.is_connected and not self.is_stopping:
            left_s = (
                self.message_interval_s if until is None else min(self.message_interval_s, until - time.monotonic())
            )
            if left_s <= 0:
                return
            await self.client.send_message(self.generator.generate())
            await self.pause(left_s)

    def note(self, what: str) -> None:
        """Keep what happened."""
        self.events.append((time.time(), what))
        del self.events[:-1000]


class PersistentLifecycle(ConnectionLifecycle):
    """Stays, and comes back by itself whenever it is cut off."""

    async def live(self) -> None:
        """Connect and talk, again and again."""
        while not self.is_stopping and await self.connect():
            await self.talk()
            if not self.is_stopping:
                self.note("lost")


class IntermittentLifecycle(ConnectionLifecycle):
    """Comes and goes."""

    def __init__(
        self,
        client: WebSocketClient,
        generator: MessageGenerator | None = None,
        *,
        connected_s: float = 30.0,
        disconnected_s: float = 10.0,
        message_interval_s: float = 1.0,
        seed: int = 1,
    ):
        super().__init__(client, generator, message_interval_s=message_interval_s, seed=seed)
        self.connected_s = connected_s
        self.disconnected_s = disconnected_s

    async def live(self) -> None:
        """Connected for a while, away for a while; both vary by a fifth."""
        while not self.is_stopping and await self.connect():
            await self.talk(self.connected_s * self.random.uniform(0.8, 1.2))
            await self.client.disconnect()
            self.note("left")
            await self.pause(self.disconnected_s * self.random.uniform(0.8, 1.2))


class BurstyLifecycle(ConnectionLifecycle):
    """Many messages at once, then nothing for a while."""

    def __init__(
        self,
        client: WebSocketClient,
        generator: MessageGenerator | None = None,
        *,
        burst_messages: int = 50,
        burst_interval_s: float = 0.02,
        idle_s: float = 10.0,
        seed: int = 1,
    ):
        super().__init__(client, generator, message_interval_s=burst_interval_s, seed=seed)
        self.burst_messages = burst_messages
        self.idle_s = idle_s

    async def live(self) -> None:
        """Burst and rest, again and again."""
        while not self.is_stopping and await self.connect():
            self.note("burst")
            for _ in range(self.burst_messages):
                if not await self.client.send_message(self.generator.generate()):
                    break
                if await self.pause(self.message_interval_s):
                    return
            await self.pause(self.idle_s)


class FailoverLifecycle(ConnectionLifecycle):
    """Moves to the next of several servers when the one it is on is gone."""

    def __init__(
        self,
        client: WebSocketClient,
        generator: MessageGenerator | None = None,
        *,
        urls: Sequence[str] = (),
        message_interval_s: float = 1.0,
        seed: int = 1,
    ):
        super().__init__(client, generator, message_interval_s=message_interval_s, seed=seed)
        self.urls = tuple(urls) or (client.url,)
        self.failovers = 0

    async def live(self) -> None:
        """Talk to a server as long as it lasts, then to the next; rest when none of them is there."""
        pauses = backoff(self.random)
        for tried, url in enumerate(cycle(self.urls), start=1):
            if self.is_stopping:
                return
            if await self.client.connect(url):
                self.failovers += tried > 1
                self.note(f"connected to {url}")
                pauses = backoff(self.random)
                await self.talk()
                self.note(f"lost {url}")
            elif tried % len(self.urls) == 0:
                await self.pause(next(pauses))


LIFECYCLES: Final[dict[str, Callable[[WebSocketClient, MessageGenerator | None], ConnectionLifecycle]]] = {
    "persistent": lambda client, generator: PersistentLifecycle(client, generator),
    "intermittent": lambda client, generator: IntermittentLifecycle(client, generator),
    "bursty": lambda client, generator: BurstyLifecycle(client, generator),
    "failover": lambda client, generator: FailoverLifecycle(client, generator),
}
"""By their words."""
