"""How long a request will take, as a range, judged by how long others took. Seconds throughout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final

from project.core.model import Request
from project.core.states import Status

LEAST_RUNS: Final = 3
"""Fewer say nothing."""
_SPREAD: Final = 1.64
"""How many standard deviations the range goes to either side: nine of ten sums of runs are within."""


def expected_s(
    runs: Sequence[float], *, ahead: tuple[int, int] = (0, 0), workers: int = 1, elapsed_s: float = 0.0
) -> tuple[float, float] | None:
    """The least and the most until a request is done, or None if that is not known.

    ``runs`` is how long recent ones took; ``ahead`` how many must be done before it, at the least and at the most, by
    ``workers`` that each run one at a time; ``elapsed_s`` how long it runs itself. One that runs longer than all
    others did can end at any time or not: that is not known either.
    """
    if len(runs) < LEAST_RUNS or workers < 1 or elapsed_s > max(runs):
        return None
    own = _range(runs, 1)
    before_least, _ = _range(runs, ahead[0] // workers)
    _, before_most = _range(runs, math.ceil(ahead[1] / workers))
    return before_least + max(0.0, own[0] - elapsed_s), before_most + max(0.0, own[1] - elapsed_s)


def eta_of(
    request: Request, position: int | None, runs: Sequence[float], *, workers: int, in_hand: int, now: float
) -> tuple[float, float] | None:
    """In how many seconds a request is done, from and to; None if that is not known, or it is done.

    ``in_hand`` is how many requests the space's workers have: for one that was handed out, its own worker, itself
    included.
    """
    if request.is_over:
        return None
    if request.started_at is not None:
        return expected_s(runs, elapsed_s=max(0.0, now - request.started_at))
    if request.status is not Status.QUEUED:
        return expected_s(runs, ahead=(0, max(0, in_hand - 1)))
    ahead = (position or 1) - 1 + in_hand
    return expected_s(runs, ahead=(max(0, ahead - workers), ahead), workers=workers)


def _range(runs: Sequence[float], count: int) -> tuple[float, float]:
    """The range of the sum of so many runs; never beyond what the shortest and the longest one make of it."""
    mean = fmean(runs)
    # The library's own deviation reckons in exact fractions: a quarter of a millisecond for each look at a request.
    deviation = math.sqrt(fmean((run - mean) ** 2 for run in runs))
    middle, spread = mean * count, _SPREAD * deviation * math.sqrt(count)
    return max(count * min(runs), middle - spread), min(count * max(runs), middle + spread)
