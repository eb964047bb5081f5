"""The search for the highest rate that meets the thresholds: doubling, then bisection, then confirmation of both ends.

Feed it what each trial gave; it says what to try next, until it is done. The answer is an interval: the highest rate
that was confirmed, and the lowest above it that failed, twice: one bad moment of a machine is no limit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from project.load.errors import BadUsage

Phase = Literal["doubling", "bisecting", "confirming", "doubting", "done"]


@dataclass(slots=True)
class CapacitySearch:
    """``first`` is the rate to begin with, ``most`` the highest to try, ``precision`` the share that is near enough."""

    first: float
    most: float
    precision: float = 0.05
    confirmations: int = 2
    passed: float = 0.0
    """The highest rate that passed and was not refuted since."""
    failed: float | None = None
    """The lowest that failed; None while none did."""
    phase: Phase = "doubling"
    trials: list[tuple[float, bool]] = field(default_factory=list)
    _confirmed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.most:
            raise BadUsage("the first rate is above 0 and at most the highest")
        if not 0 < self.precision < 1:
            raise BadUsage("the precision is a share above 0 and below 1")

    def next_rate(self) -> float | None:
        """What to try; None when the search is over."""
        if self.phase == "done":
            return None
        if self.phase == "doubling":
            return self.first if not self.trials else min(self.most, self.trials[-1][0] * 2)
        if self.phase == "bisecting":
            assert self.failed is not None
            return (self.passed + self.failed) / 2
        return self.failed if self.phase == "doubting" else self.passed

    def tried(self, rate: float, passed: bool) -> None:
        """Take a trial's outcome."""
        self.trials.append((rate, passed))
        if self.phase == "confirming":
            self._confirm(rate, passed)
            return
        if self.phase == "doubting":
            self._doubt(rate, passed)
            return
        if passed:
            self.passed = max(self.passed, rate)
        else:
            self.failed = rate if self.failed is None else min(self.failed, rate)
        if self.phase == "doubling" and (self.failed is not None or rate >= self.most):
            self.phase = "bisecting"
        self._narrow()

    def _narrow(self) -> None:
        """End the bisection where the interval is small enough, or there is nothing to bisect."""
        if self.phase != "bisecting":
            return
        if self.failed is None:
            self.phase = "confirming"  # even the highest rate passed
        elif self.passed and self.failed - self.passed <= self.precision * self.failed:
            self.phase = "confirming"
        elif not self.passed and self.failed <= self.first * self.precision:
            self.phase = "done"  # nothing passes
        if self.phase == "confirming" and not self.confirmations:
            self.phase = "done"

    def _confirm(self, rate: float, passed: bool) -> None:
        if passed:
            self._confirmed += 1
            if self._confirmed >= self.confirmations:
                failed_once = self.failed is not None and self.trials.count((self.failed, False)) == 1
                self.phase = "doubting" if failed_once else "done"
            return
        # It passed by luck: it is a rate that fails, and the next lower one that passed is tried again.
        self.failed = rate
        self._confirmed = 0
        lower = [tried for tried, good in self.trials if good and tried < rate * (1 - self.precision / 2)]
        self.passed = max(lower, default=0.0)
        self.phase = "bisecting"
        if not self.passed and rate <= self.first * self.precision:
            self.phase = "done"
        else:
            self._narrow()

    def _doubt(self, rate: float, passed: bool) -> None:
        if not passed:
            self.phase = "done"
            return
        # It failed by bad luck: the search goes on above it.
        self.passed, self._confirmed = rate, 0
        self.failed = min((tried for tried, good in self.trials if not good and tried > rate), default=None)
        self.phase = "doubling" if self.failed is None and rate < self.most else "bisecting"
        self._narrow()

    @property
    def interval(self) -> tuple[float, float | None]:
        """The highest rate that held, and the lowest that did not (None: none was found)."""
        return self.passed, self.failed
