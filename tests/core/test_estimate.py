"""The estimate: a range that holds what really happens, and nothing where nothing is known."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from project.core.estimate import LEAST_RUNS, expected_s

runs_of = st.lists(st.floats(0.01, 100.0), min_size=LEAST_RUNS, max_size=50)


def test_nothing_is_known_of_too_few_runs_or_without_a_worker() -> None:
    assert expected_s([1.0] * (LEAST_RUNS - 1)) is None
    assert expected_s([1.0] * LEAST_RUNS, workers=0) is None
    assert expected_s([1.0] * LEAST_RUNS, elapsed_s=1.1) is None


def test_even_runs_leave_no_doubt() -> None:
    assert expected_s([2.0] * 10) == (2.0, 2.0)
    assert expected_s([2.0] * 10, elapsed_s=1.5) == (0.5, 0.5)
    assert expected_s([2.0] * 10, ahead=(3, 4)) == (8.0, 10.0)
    assert expected_s([2.0] * 10, ahead=(3, 4), workers=2) == (4.0, 6.0)


@given(runs_of, st.integers(0, 50), st.integers(0, 5), st.integers(1, 4), st.floats(0.0, 200.0))
def test_it_is_a_range_within_what_runs_can_take(
    runs: list[float], ahead: int, more: int, workers: int, elapsed_s: float
) -> None:
    found = expected_s(runs, ahead=(ahead, ahead + more), workers=workers, elapsed_s=elapsed_s)
    if found is None:
        assert elapsed_s > max(runs)
        return
    low, high = found
    assert 0 <= low <= high + 1e-6
    assert high <= (ahead + more + 1) * max(runs) + 1e-6
    assert low >= ahead // workers * min(runs) - 1e-6


@pytest.mark.parametrize("ahead", [0, 3, 20])
def test_most_waits_end_within_it(ahead: int) -> None:
    rng = random.Random(ahead)
    within = 0
    for _ in range(300):
        runs = [rng.lognormvariate(0.0, 0.5) for _ in range(50)]
        found = expected_s(runs, ahead=(ahead, ahead))
        assert found is not None
        real = sum(rng.lognormvariate(0.0, 0.5) for _ in range(ahead + 1))
        within += found[0] <= real <= found[1]
    assert within >= 300 * 0.8
