"""Whether two runs differ, and by how much: a block bootstrap over the intervals of their series.

A million calls make any difference "significant", because calls of the same second are not independent. So the unit
is the interval: blocks of neighbouring intervals are drawn anew many times, and the ratio B / A of a figure is taken of
each drawing. The middle 95 % of the ratios is the interval of the effect. A difference counts when it is more than
``least`` and the interval keeps away from "no difference" as well, by a quarter of ``least``, and by all of it for the
high percentiles, which neighbours on the machine move more than a build does: two runs of the same build always differ
by a few per cent, and so certainly that an interval which merely leaves out "no difference" would flag them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from project.load.core.record import Point, RunRecord
from project.load.errors import BadUsage

DRAWS: Final = 2000
LEAST_INTERVALS: Final = 5
LEAST_EFFECT: Final = 0.05
"""Smaller differences than this share are never flagged."""
Change = Literal["same", "better", "worse", "unclear"]


@dataclass(frozen=True, slots=True)
class Effect:
    """B beside A. ``ratio`` is B / A, with the bounds of its 95 % interval."""

    metric: str
    unit: str
    a: float
    b: float
    ratio: float
    low: float
    high: float
    change: Change
    """``unclear``: the effect would matter, but not for sure; or its interval is too wide to say that it is none."""

    @property
    def text(self) -> str:
        """For people."""
        percent = f"{100 * (self.ratio - 1):+.1f} % (95 %: {100 * (self.low - 1):+.1f} to {100 * (self.high - 1):+.1f})"
        return f"{self.metric}: {self.a:.4g} -> {self.b:.4g} {self.unit} {percent}: {self.change}"


@dataclass(frozen=True, slots=True)
class _Figure:
    metric: str
    unit: str
    read: Callable[[Point], float]
    weight: Callable[[Point], float]
    higher_is_better: bool = False
    distance: float = 0.25
    """How far from "no difference" the interval must keep, as a share of ``least``."""


def _timed(point: Point) -> float:
    return point.timed


FIGURES: Final = (
    _Figure("mean_ms", "ms", lambda point: point.mean_ms, _timed),
    _Figure("p50_ms", "ms", lambda point: point.p50_ms, _timed),
    _Figure("p95_ms", "ms", lambda point: point.p95_ms, _timed, distance=1.0),
    _Figure("p99_ms", "ms", lambda point: point.p99_ms, _timed, distance=1.0),
    _Figure("service_mean_ms", "ms", lambda point: point.service_mean_ms, _timed),
    _Figure("rate", "/s", lambda point: point.rate, lambda point: point.length_s, higher_is_better=True),
)
"""Percentiles are means of the intervals' own, weighted by calls: the effect, not the level, is what is compared."""

CAPACITY: Final = _Figure("capacity", "/s", lambda point: point.rate, _timed, higher_is_better=True)
"""Of two searches for it; judged as a rate is."""


def compare(a: RunRecord, b: RunRecord, *, seed: int = 1, least: float = LEAST_EFFECT) -> list[Effect]:
    """Every figure of ``b`` beside that of ``a``. Raises BadUsage when there is too little of either."""
    if "capacity" in a.findings and "capacity" in b.findings:
        return [_capacities(a, b, least)]
    first, second = _usable(a), _usable(b)
    effects = [_effect(figure, first, second, seed, least) for figure in FIGURES]
    return [*effects, _errors(a, b, least)]


def _capacities(a: RunRecord, b: RunRecord, least: float) -> Effect:
    """What both searches found, with their intervals; their trials differ, and with them all other figures.

    Where a search met no upper end, the highest rate that passed stands for it.
    """
    ends = []
    for record in (a, b):
        rate, at_most = record.findings["capacity"]["rate"], record.findings["capacity"]["at_most"]
        if not rate:
            raise BadUsage(f"{record.name} found no capacity to compare")
        ends.append((rate, max(rate, at_most) if isinstance(at_most, (int, float)) else rate))
    (low_a, high_a), (low_b, high_b) = ends
    ratio, low, high = low_b / low_a, low_b / high_a, high_b / low_a
    change = _change(CAPACITY, ratio, low, high, least)
    return Effect(CAPACITY.metric, CAPACITY.unit, low_a, low_b, ratio, low, high, change)


def _usable(record: RunRecord) -> list[Point]:
    """The series of the driving without its first and last interval, which are seldom whole.

    Silent ones stay: they have no times, but they are part of the rate.
    """
    driven = [point for point in record.series if point.at_s < record.duration_s]
    points = driven[1:-1] if len(driven) > LEAST_INTERVALS + 1 else driven
    busy = sum(point.timed > 0 for point in points)
    if busy < LEAST_INTERVALS:
        raise BadUsage(
            f"{record.name} has {busy} intervals with calls; at least {LEAST_INTERVALS} are needed to compare"
        )
    return points


def _effect(figure: _Figure, a: Sequence[Point], b: Sequence[Point], seed: int, least: float) -> Effect:
    of_a, of_b = _weighted(figure, a), _weighted(figure, b)
    ratio = of_b / of_a if of_a else math.nan
    chance = random.Random(f"{seed}-{figure.metric}")
    ratios = sorted(
        drawn_b / drawn_a
        for drawn_a, drawn_b in zip(_drawings(figure, a, chance), _drawings(figure, b, chance), strict=True)
        if drawn_a
    )
    if not ratios:
        return Effect(figure.metric, figure.unit, of_a, of_b, 1.0, 1.0, 1.0, "same")
    low, high = ratios[int(0.025 * len(ratios))], ratios[min(len(ratios) - 1, int(0.975 * len(ratios)))]
    change = _change(figure, ratio, low, high, least)
    return Effect(figure.metric, figure.unit, of_a, of_b, ratio, low, high, change)


def _change(figure: _Figure, ratio: float, low: float, high: float, least: float) -> Change:
    above, below, away = 1 + least, 1 / (1 + least), 1 + least * figure.distance
    if ratio > above and low > away:
        return "better" if figure.higher_is_better else "worse"
    if ratio < below and high < 1 / away:
        return "worse" if figure.higher_is_better else "better"
    narrow = below / (1 + least) < low and high < above * (1 + least)
    return "same" if narrow and below <= ratio <= above else "unclear"


def _weighted(figure: _Figure, points: Sequence[Point]) -> float:
    weights = [figure.weight(point) for point in points]
    total = sum(weights)
    values = zip(points, weights, strict=True)
    return sum(figure.read(point) * weight for point, weight in values) / total if total else 0.0


def _drawings(figure: _Figure, points: Sequence[Point], chance: random.Random) -> list[float]:
    """The figure of ``DRAWS`` series made of blocks of this one; neighbours stay together, for they resemble."""
    pairs = [(figure.read(point) * figure.weight(point), figure.weight(point)) for point in points]
    count = len(pairs)
    length = max(1, round(count ** (1 / 3)))
    sums = [
        (sum(pairs[(start + step) % count][0] for step in range(length)),
         sum(pairs[(start + step) % count][1] for step in range(length)))
        for start in range(count)
    ]  # fmt: skip
    blocks = -(-count // length)
    drawn = []
    for _ in range(DRAWS):
        chosen = chance.choices(sums, k=blocks)
        weight = sum(item[1] for item in chosen)
        drawn.append(sum(item[0] for item in chosen) / weight if weight else 0.0)
    return drawn


def _errors(a: RunRecord, b: RunRecord, least: float) -> Effect:
    """The error shares, by the normal interval of their difference."""
    first, second = a.error_share, b.error_share
    spread = 1.96 * math.sqrt(
        first * (1 - first) / max(1, a.counts.done) + second * (1 - second) / max(1, b.counts.done)
    )
    difference = second - first
    change: Change = "same"
    # Half a per cent of errors matters where five per cent of latency do.
    if abs(difference) - spread > least / 10:
        change = "worse" if difference > 0 else "better"
    return Effect(
        "error_share", "", first, second, 1 + difference, 1 + difference - spread, 1 + difference + spread, change
    )
