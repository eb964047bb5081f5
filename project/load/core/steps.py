"""Reading a series: what a step of a run was like, when it broke, whether it drifts, how long it took to recover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

from project.load.core.record import Point

LEAST_FOR_DRIFT: Final = 30
"""Intervals; the noise of fewer looks like a slope."""
MOST_FOR_SLOPES: Final = 200
"""Groups of intervals; every two give a slope."""


@dataclass(frozen=True, slots=True)
class Step:
    """Several intervals together; percentiles are means of theirs, weighted by calls."""

    at_s: float
    users: int
    done: int
    error_share: float
    rate: float
    mean_ms: float
    p95_ms: float


def step_of(points: Sequence[Point]) -> Step:
    """What some intervals were like together."""
    done, timed = sum(point.ended for point in points), sum(point.timed for point in points)
    length_s = sum(point.length_s for point in points)

    def weighted(values: Sequence[float]) -> float:
        counts = [point.timed for point in points]
        return sum(value * count for value, count in zip(values, counts, strict=True)) / timed if timed else 0.0

    return Step(
        at_s=points[0].at_s if points else 0.0,
        users=max((point.users for point in points), default=0),
        done=done,
        error_share=sum(point.failed for point in points) / done if done else 0.0,
        rate=done / length_s if length_s else 0.0,
        mean_ms=weighted([point.mean_ms for point in points]),
        p95_ms=weighted([point.p95_ms for point in points]),
    )


def drift_per_hour(series: Sequence[Point]) -> dict[str, float]:
    """The straight line through the medians: ``first_ms``, ``last_ms``, and ``per_hour`` as a share of the first.

    By Theil and Sen, the median of the slopes between any two: a bad minute of the machine is no drift.
    """
    points = [point for point in series if point.timed]
    if len(points) < LEAST_FOR_DRIFT:
        return {}
    size = -(-len(points) // MOST_FOR_SLOPES)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    marks = [
        (median(point.at_s for point in group) / 3600, median(point.p50_ms for point in group)) for group in groups
    ]
    slope = median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(marks, 2))
    base = median(value - slope * at for at, value in marks)
    first, last = base + slope * points[0].at_s / 3600, base + slope * points[-1].at_s / 3600
    return {"first_ms": first, "last_ms": last, "per_hour": slope / first if first > 0 else 0.0}


def recovery_s(series: Sequence[Point], peak_from_s: float, peak_to_s: float, factor: float = 1.5) -> float | None:
    """Seconds from the end of a peak until the 95th percentile is back within ``factor`` of what it was before.

    Back means for good: no later interval may be worse. None when it never was, or there was nothing before.
    """
    before = [p for p in series if p.at_s + p.length_s <= peak_from_s and p.ended]
    after = [p for p in series if p.at_s >= peak_to_s and p.ended]
    if not before or not after:
        return None
    limit_ms = factor * step_of(before).p95_ms
    bad = [point for point in after if point.p95_ms > limit_ms or point.failed > point.succeeded]
    if not bad:
        return 0.0
    worst = bad[-1]
    return None if worst is after[-1] else worst.at_s + worst.length_s - peak_to_s
