"""How fast one address may ask: refusing costs a fraction of answering, so that nobody keeps the site busy alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from project.core.throttling import network

BURST_S: Final = 10.0
"""So many seconds' worth may come at once: a page with its files, or a script that catches up."""
MOST_KEPT: Final = 50_000


class Pace:
    """A bucket of tokens for each address; ``per_s`` 0: nobody is too fast."""

    def __init__(self, per_s: int, clock: Callable[[], float] = time.monotonic):
        self._per_s = per_s
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, address: str) -> float:
        """Count one request; the seconds until the next would be taken, 0 if this one is."""
        if not self._per_s:
            return 0.0
        now, key = self._clock(), network(address)
        with self._lock:
            most = self._per_s * BURST_S
            left, at = self._left.get(key, (most, now))
            left = min(most, left + (now - at) * self._per_s)
            if left < 1:
                return (1 - left) / self._per_s
            if len(self._left) >= MOST_KEPT:
                self._forget(now)
            self._left[key] = (left - 1, now)
            return 0.0

    def _forget(self, now: float) -> None:
        """Those who have been quiet for long have full buckets anyway; if all are busy, everybody begins anew."""
        self._left = {key: kept for key, kept in self._left.items() if now - kept[1] < BURST_S}
        if len(self._left) >= MOST_KEPT:
            self._left.clear()
