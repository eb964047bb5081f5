"""How much work a worker is given ahead of its need, judged by how long the space's last runs took. Seconds."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final

AHEAD_S: Final = 1.0
"""So much work hides the way to the site and back; more would be kept from a worker that comes later."""
LEAST_RUN_S: Final = 0.001
LEARN_FROM: Final = 20


class Pace:
    """The last runs of a space that several workers share."""

    def __init__(self) -> None:
        self._runs: deque[float] = deque(maxlen=LEARN_FROM)

    def note(self, run_s: float) -> None:
        """One more run is over."""
        self._runs.append(max(LEAST_RUN_S, run_s))

    def window(self, concurrency: int, most: int) -> int:
        """How many requests a worker that runs ``concurrency`` at once has at hand, of ``most`` that it would take.

        As many as it runs, and about a second's work behind them; nothing behind them while no run is known.
        """
        ahead = int(AHEAD_S * concurrency / median(self._runs)) if self._runs else 0
        return min(most, concurrency + ahead)
