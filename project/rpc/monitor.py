"""What the console shows of the site: health, the last requests, statistics now and before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from project.clock import Clock
from project.core.calls import Call, Minute, Reason, Relayed, Search, Statistics, verdict
from project.core.model import Space, Worker
from project.core.notices import Notice, NoticeCount
from project.rpc.methods import METHODS
from project.storage.port import Store

T = TypeVar("T")
HOUR_S: Final = 3600.0
DAY_S: Final = 86400.0
WEEK_S: Final = 7 * DAY_S
FRESH_S: Final = 2.0
FRESH_PAST_S: Final = 60.0
"""Weeks change slowly, and reading one is dear."""
PAGE: Final = 250
"""Entries that are read at once: others wait for as long."""
SLOW_STORE_MS: Final = 250.0


@dataclass(frozen=True, slots=True)
class Compared:
    """A group's statistics in the last stretch of time and in the one before it."""

    now: Statistics
    before: Statistics | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Served:
    """A space, its connected workers and its queue."""

    space: Space
    workers: tuple[Worker, ...]
    queue_size: int


@dataclass(frozen=True, slots=True)
class Health:
    """How a part of the site is; ``detail`` names numbers for people."""

    name: str
    ok: bool
    detail: Mapping[str, Any]


class Monitor:
    """Reads only. ``bus`` says how the nodes talk to each other."""

    def __init__(self, store: Store, clock: Clock, bus: Callable[[], Health]):
        self._store = store
        self._clock = clock
        self._bus = bus
        self._kept: dict[object, tuple[Any, float]] = {}

    def now(self) -> float:
        """The site's clock."""
        return self._clock()

    def health(self) -> tuple[Health, ...]:
        """The store, the bus, the workers and the queues."""
        served = self.served()
        unserved = [one for one in served if one.queue_size and not one.workers]
        workers = sum(len(one.workers) for one in served)
        queued = sum(one.queue_size for one in served)
        return (
            self._store_health(),
            self._bus(),
            Health("workers", bool(workers) or not served, {"connected": workers, "spaces": len(served)}),
            Health("queues", not unserved, {"open": queued, "unserved": len(unserved)}),
        )

    def _store_health(self) -> Health:
        began = time.monotonic()
        self._store.runs.running()
        took_ms = (time.monotonic() - began) * 1000
        return Health("store", took_ms < SLOW_STORE_MS, {"read_ms": round(took_ms, 2)})

    def served(self) -> tuple[Served, ...]:
        """Every space for workers, with its workers and how many requests are open, the longest queue first."""
        return self._fresh("served", FRESH_S, self._read_served)

    def _read_served(self) -> tuple[Served, ...]:
        workers = self._store.presence.workers(now=self._clock())
        found = [
            Served(
                space,
                tuple(worker for worker in workers if worker.space_id == space.id),
                self._store.requests.queue_size(space.id),
            )
            for space in self._store.spaces.all()
            if space.settings.card_type == "websockets"
        ]
        return tuple(sorted(found, key=lambda one: -one.queue_size))

    def minutes(self, count: int = 60) -> tuple[tuple[int, Minute], ...]:
        """The last whole minutes, oldest first: when (s since the epoch), and what happened."""
        until = self._clock() // 60 * 60 + 60
        since = until - count * 60
        found = self._fresh(
            ("minutes", count, until), FRESH_S, lambda: self._store.calls.minutes(since=since, until=until)
        )
        minutes = range(int(since // 60), int(until // 60))
        return tuple((minute * 60, found.get(minute, Minute())) for minute in minutes)

    def reasons(self, window_s: float) -> tuple[Reason, ...]:
        """Why calls and requests failed in the last ``window_s``, the most frequent first."""
        now = self._clock()
        return self._fresh(
            ("reasons", window_s), FRESH_S, lambda: self._store.calls.reasons(since=now - window_s, until=now + 1)
        )

    def recent(self, search: Search, source: str = "") -> tuple[Call | Relayed, ...]:
        """Calls (``rpc``), requests of the relay (``relay``) or both, newest first."""
        found: list[Call | Relayed] = []
        if source != "relay":
            found += self._store.calls.find(search)
        if source != "rpc":
            found += self._store.calls.relayed(search)
        return tuple(sorted(found, key=lambda one: -one.at)[: search.limit])

    def export(self, search: Search, source: str, most: int) -> tuple[Call | Relayed, ...]:
        """``recent`` for a file: more of it, read page by page, so that others read in between."""
        found: list[Call | Relayed] = []
        if source != "relay":
            found += _pages(self._store.calls.find, search, most)
        if source != "rpc":
            found += _pages(self._store.calls.relayed, search, most)
        return tuple(sorted(found, key=lambda one: -one.at)[:most])

    def notices(self, window_s: float) -> tuple[NoticeCount, ...]:
        """How many notices were sent in the last ``window_s``, by kind and type."""
        since = self._clock() - window_s
        return self._fresh(("notices", window_s), FRESH_S, lambda: self._store.inbox.counts(since=since))

    def latest_notices(self, limit: int) -> tuple[Notice, ...]:
        """The newest notices to anybody."""
        return self._store.inbox.latest(limit=limit)

    def methods(self, window_s: float = DAY_S, *, tests: bool = False) -> tuple[Compared, ...]:
        """Every method, called or not: the last ``window_s`` against the week before it."""

        def read(since: float, until: float) -> tuple[Statistics, ...]:
            return self._store.calls.statistics(since=since, until=until, tests=tests)

        compared = {one.now.name: one for one in self._compared(("methods", tests), read, window_s)}
        unused = [Statistics(method.name, 0, 0, 0.0, 0.0, 0.0) for method in METHODS if method.name not in compared]
        return (*compared.values(), *(Compared(one, None, "unknown") for one in unused))

    def spaces(self, window_s: float = DAY_S) -> tuple[Compared, ...]:
        """Spaces by what their requests took as a whole."""
        return self._compared("spaces", lambda a, b: self._store.calls.space_statistics(since=a, until=b), window_s)

    def workers(self, window_s: float = DAY_S) -> tuple[Compared, ...]:
        """Workers by what the work took, the slowest first."""
        found = self._compared("workers", lambda a, b: self._store.calls.worker_statistics(since=a, until=b), window_s)
        return tuple(sorted(found, key=lambda one: -one.now.p95_ms))

    def _compared(
        self, kind: object, read: Callable[[float, float], tuple[Statistics, ...]], window_s: float
    ) -> tuple[Compared, ...]:
        now = self._clock()
        latest = self._fresh((kind, window_s), FRESH_S, lambda: read(now - window_s, now + 1))
        past = self._fresh(
            (kind, window_s, "past"), FRESH_PAST_S, lambda: read(now - window_s - WEEK_S, now - window_s)
        )
        before = {(one.name, one.part): one for one in past}
        return tuple(_compared(one, before.get((one.name, one.part))) for one in latest)

    def _fresh(self, key: object, fresh_s: float, read: Callable[[], T]) -> T:
        """What was read at most ``fresh_s`` ago: many open consoles cost no more than one."""
        kept = self._kept.get(key)
        if kept is None or kept[1] <= self._clock():
            kept = (read(), self._clock() + fresh_s)
            self._kept = {k: v for k, v in self._kept.items() if v[1] > self._clock()} | {key: kept}
        value: T = kept[0]
        return value


def totals(compared: Iterable[Compared]) -> tuple[int, int]:
    """How many, and how many failed."""
    found = list(compared)
    return sum(one.now.count for one in found), sum(one.now.failures for one in found)


def _compared(now: Statistics, before: Statistics | None) -> Compared:
    return Compared(now, before, verdict(now, before))


def _pages(read: Callable[[Search], Sequence[Call | Relayed]], search: Search, most: int) -> list[Call | Relayed]:
    found: list[Call | Relayed] = []
    while len(found) < most:
        page = read(replace(search, limit=min(PAGE, most - len(found))))
        found += page
        if len(page) < PAGE:
            break
        search = replace(search, before=page[-1].seq)
    return found
