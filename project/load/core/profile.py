"""The shape of a load over time: a level (users, or calls per second) constant or in a straight line."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from project.load.errors import BadUsage


@dataclass(frozen=True, slots=True)
class Stage:
    """``duration_s`` seconds, the level going from ``start`` to ``end``."""

    duration_s: float
    start: float
    end: float

    def __post_init__(self) -> None:
        values = (self.duration_s, self.start, self.end)
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise BadUsage("durations and levels of a stage must be numbers from 0")

    @property
    def area(self) -> float:
        """Level times seconds: with a rate, the calls of the stage."""
        return (self.start + self.end) / 2 * self.duration_s

    def level_at(self, seconds: float) -> float:
        """The level that many seconds into the stage."""
        if not self.duration_s:
            return self.end
        return self.start + (self.end - self.start) * seconds / self.duration_s

    def seconds_for(self, area: float) -> float:
        """After how many seconds the stage has covered ``area``, which is at most its own."""
        if area <= 0:
            return 0.0
        slope = (self.end - self.start) / self.duration_s
        if abs(slope) < 1e-12:
            return area / self.start
        # area = start*t + slope*t²/2, solved in the form that stays exact for a start of zero and a small slope
        root = math.sqrt(max(0.0, self.start**2 + 2 * slope * area))
        return 2 * area / (self.start + root)


@dataclass(frozen=True, slots=True)
class Profile:
    """Stages one after another."""

    stages: tuple[Stage, ...]
    _starts: tuple[float, ...] = field(init=False, repr=False, compare=False)
    _areas: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kept = tuple(stage for stage in self.stages if stage.duration_s > 0)
        if not kept:
            raise BadUsage("a load must last longer than 0 seconds")
        object.__setattr__(self, "stages", kept)
        object.__setattr__(self, "_starts", tuple(accumulate((stage.duration_s for stage in kept), initial=0.0)))
        object.__setattr__(self, "_areas", tuple(accumulate((stage.area for stage in kept), initial=0.0)))

    @property
    def duration_s(self) -> float:
        """Seconds of the whole."""
        return self._starts[-1]

    @property
    def area(self) -> float:
        """With a rate, the calls of the whole."""
        return self._areas[-1]

    @property
    def highest(self) -> float:
        """The highest level."""
        return max(max(stage.start, stage.end) for stage in self.stages)

    def level_at(self, seconds: float) -> float:
        """The level at a time from the start; 0 before and after."""
        if not 0 <= seconds < self.duration_s:
            return 0.0
        place = bisect_right(self._starts, seconds) - 1
        return self.stages[place].level_at(seconds - self._starts[place])

    def seconds_for(self, area: float) -> float | None:
        """When the profile has covered ``area``; None when it never does."""
        if area >= self.area:
            return None
        place = bisect_right(self._areas, area) - 1
        return self._starts[place] + self.stages[place].seconds_for(area - self._areas[place])


def steady(level: float, duration_s: float) -> Profile:
    """The same level throughout. Soak is this, for long."""
    return Profile((Stage(duration_s, level, level),))


def burst(low: float, high: float, burst_s: float, idle_s: float, duration_s: float) -> Profile:
    """Bursts with rests between, beginning with a burst, until ``duration_s`` is over."""
    if burst_s <= 0:
        raise BadUsage("a burst must last longer than 0 seconds")
    stages: list[Stage] = []
    left = duration_s
    while left > 1e-9:
        for length, level in ((burst_s, high), (idle_s, low)):
            taken = min(length, left)
            stages.append(Stage(taken, level, level))
            left -= taken
    return Profile(tuple(stages))


def ramp(initial: float, final: float, steps: int, step_s: float) -> Profile:
    """``steps`` equal steps from ``initial`` to ``final``, both included."""
    if steps < 1:
        raise BadUsage("a ramp needs at least 1 step")
    return Profile(tuple(Stage(step_s, level, level) for level in levels(initial, final, steps)))


def levels(initial: float, final: float, steps: int) -> Sequence[float]:
    """Equally spaced levels; one step is the final level alone."""
    if steps == 1:
        return (final,)
    return tuple(initial + (final - initial) * step / (steps - 1) for step in range(steps))


def climb(final: float, ramp_s: float, hold_s: float = 0.0) -> Profile:
    """From 0 in a straight line, then held: the stress test of services."""
    return Profile((Stage(ramp_s, 0.0, final), Stage(hold_s, final, final)))


def spike(base: float, peak: float, before_s: float, peak_s: float, after_s: float) -> Profile:
    """The base level, a sudden peak, and the base level again."""
    return Profile((Stage(before_s, base, base), Stage(peak_s, peak, peak), Stage(after_s, base, base)))
