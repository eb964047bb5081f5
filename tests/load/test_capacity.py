"""The search for a capacity against servers, and conductors, whose capacity is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from project.load.core.capacity import CapacitySearch
from project.load.core.plan import Plan
from project.load.core.record import RunRecord, Validity
from project.load.scenarios.breaking import CAPACITY
from project.load.scenarios.scenario import Conductor
from tests.conftest import one_of_trials
from tests.load.conftest import Calibration, Ended
from tests.load.test_core import run_of

Start = Callable[..., Calibration]
Here = Callable[..., Ended]


@one_of_trials
def test_a_server_that_takes_200_a_second_is_found_to(here: Here, calibration: Start) -> None:
    server = calibration("--at-most", "200", "--delays", "5")
    done = here("capacity", "--url", server.ws, "--target-latency", "50", "--initial-rate", "100", "--max-rate",
                "1000", "--trial-duration", "0.5", "--clients", "4", "--precision", "0.3", "--confirmations",
                "1")  # fmt: skip
    found = done.record.findings["capacity"]
    # A queue that grows shows by 50 ms within half a second: a tenth above what it takes may pass.
    assert found["rate"] <= 220 <= found["at_most"] <= found["rate"] / 0.69
    assert found["confirmed"]


@one_of_trials
def test_a_server_that_is_slow_but_fast_enough_takes_all(here: Here, calibration: Start) -> None:
    """Most calls of such short trials end after them, and in time all the same."""
    server = calibration("--delays", "700")
    done = here("capacity", "--url", server.ws, "--target-latency", "1000", "--initial-rate", "50", "--max-rate", "50",
                "--trial-duration", "0.5", "--clients", "2", "--confirmations", "1")  # fmt: skip
    found = done.record.findings["capacity"]
    assert (found["rate"], found["at_most"], found["confirmed"]) == (50, "not found", True)


@dataclass
class Known(Conductor):
    """Answers every plan with the record of a target that takes 800 a second, by a generator that can send 500."""

    rates: list[float] = field(default_factory=list)
    sends: float = 1e9
    takes: float = 800.0

    async def run(self, plan: Plan, **_: Any) -> RunRecord:
        rate = plan.profile.highest
        self.rates.append(rate)
        slow = rate > self.takes
        if rate > self.sends:  # what it does not send in time it never sends; what it sends is answered well
            record = run_of(lambda number: 10_000, rate=int(self.sends), seconds=2)
            record.counts.never_started = int(2 * (rate - self.sends))
        else:
            record = run_of(lambda number: 2_000_000 if slow else 10_000, rate=int(rate), seconds=2)
        record.counts.planned = record.counts.done
        record.in_flight_mean = 7.0
        record.validity = Validity(rate <= self.sends)
        return record


def searched(conductor: Known, **options: Any) -> RunRecord:
    return asyncio.run(CAPACITY.play(conductor, CAPACITY.checked({"trial_duration": 2.0, **options})))


def known(**values: float) -> Known:
    return Known(make_target=lambda number: pytest.fail("no target is needed"), **values)  # type: ignore[arg-type]


def test_trials_follow_one_another_in_the_series() -> None:
    record = searched(known())
    assert record.findings["capacity"]["rate"] <= 800 < record.findings["capacity"]["at_most"] <= 845
    ends = [point.at_s + point.length_s for point in record.series]
    assert all(end <= later.at_s + 1e-6 for end, (_, later) in zip(ends, pairwise(record.series), strict=False))
    assert record.in_flight_mean == pytest.approx(7)


def test_a_limit_of_the_generator_is_not_called_the_targets() -> None:
    record = searched(known(sends=500))
    assert record.findings["capacity"]["rate"] <= 500
    assert not record.validity.valid


def test_a_trial_far_from_both_ends_does_not_make_the_search_invalid() -> None:
    record = searched(known(sends=1200))
    assert {event["rate"]: (event["valid"], bool(event["because"])) for event in record.events}[1600] == (False, True)
    assert record.findings["capacity"]["at_most"] < 900
    assert record.validity.valid


def test_nothing_at_all_is_nothing() -> None:
    record = searched(known(takes=0.0))
    assert record.findings["capacity"]["rate"] == 0
    assert not record.findings["capacity"]["confirmed"]


class TestSearch:
    @settings(deadline=None)
    @given(st.floats(1, 90_000), st.floats(1, 500))
    def test_the_search_ends_with_an_interval_around_the_truth(self, true: float, first: float) -> None:
        search = CapacitySearch(first, 100_000, precision=0.05, confirmations=2)
        for _ in range(200):
            rate = search.next_rate()
            if rate is None:
                break
            search.tried(rate, rate <= true)
        low, high = search.interval
        assert search.phase == "done"
        assert len(search.trials) < 60
        assert low <= true
        if low:
            assert high is not None
            assert true < high <= low / 0.94
        else:
            assert true < first * 0.06

    def test_a_rate_that_passed_by_luck_is_not_confirmed(self) -> None:
        search = CapacitySearch(100, 10_000, precision=0.05, confirmations=2)
        lucky = True
        while (rate := search.next_rate()) is not None:
            passed = rate <= 800 or (lucky and rate <= 1600)
            if search.phase == "confirming" and rate > 800:
                lucky = passed = False
            search.tried(rate, passed)
        low, high = search.interval
        assert 750 <= low <= 800 < (high or 0) <= 850

    @pytest.mark.parametrize("place", range(12))
    def test_one_bad_moment_is_no_limit(self, place: int) -> None:
        """Whichever trial fails by accident, and be it the first: the truth is 800."""
        search = CapacitySearch(100, 10_000, precision=0.05, confirmations=2)
        while (rate := search.next_rate()) is not None:
            search.tried(rate, rate <= 800 and len(search.trials) != place)
        low, high = search.interval
        assert (low <= 800 < (high or 0) <= low / 0.94, search.phase) == (True, "done"), search.trials
        assert len(search.trials) < 30

    def test_even_the_highest_rate_may_pass(self) -> None:
        search = CapacitySearch(100, 1000)
        while (rate := search.next_rate()) is not None:
            search.tried(rate, True)
        assert search.interval == (1000, None)
