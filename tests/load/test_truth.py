"""The engine against a server whose delays, freezes and losses are known: what it says must be what was planted."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import requests

from project.load.calibration.truth import Truth, parse_delays
from project.load.core import profile
from project.load.core.comparing import compare
from project.load.core.little import little
from project.load.core.plan import Plan
from project.load.core.record import RESPONSE, SERVICE, RunRecord
from project.load.engine.loops import run_in_loop
from project.load.engine.run import Run
from project.load.targets.base import Target
from project.load.targets.http import HttpTarget
from project.load.targets.messages import fixed
from project.load.targets.socketio import SocketIOTarget
from project.load.targets.websocket import WebSocketTarget
from tests.conftest import one_of_trials
from tests.load.conftest import Calibration, calibrated

# Long, so that what a busy machine adds is little; mixed, so that its bad moment falls upon few of a kind; and
# the percentiles that are asked for lie in the middle of a group of equal delays, where noise moves them least.
DELAYS = ",".join(random.Random(1).sample(["2000"] * 80 + ["3000"] * 17 + ["5000"] * 3, 100))
WITHIN = 0.02
Start = Callable[..., Calibration]
TARGETS: dict[str, Callable[[Calibration, float], Target]] = {
    "websocket": lambda server, timeout: WebSocketTarget(server.ws, lambda number: fixed(), timeout_s=timeout),
    "socketio": lambda server, timeout: SocketIOTarget(server.http, lambda number: fixed(), timeout_s=timeout),
    "http": lambda server, timeout: HttpTarget(server.http, timeout_s=timeout),
}


def driven(plan: Plan, server: Calibration, kind: str = "websocket", timeout_s: float = 30.0) -> RunRecord:
    return run_in_loop(Run(plan, TARGETS[kind](server, timeout_s)).go())


PERCENTILES = Plan("truth", "open", profile.steady(100, 4), connections=8)
BUILD = Plan("build", "open", profile.steady(40, 9), connections=4)
SLOWLY = {
    "websocket": ("websocket", ("--delays", DELAYS), PERCENTILES),
    "socketio": ("socketio", ("--delays", DELAYS), PERCENTILES),
    "http": ("http", ("--delays", DELAYS), PERCENTILES),
    "freeze": (
        "websocket",
        ("--freeze-at", "4", "--freeze", "1"),
        Plan("freeze", "open", profile.steady(100, 10), connections=4),
    ),
    "build": ("websocket", ("--delays", "400*3,410"), BUILD),
    "again": ("websocket", ("--delays", "400*3,410"), BUILD),
    "slower": ("websocket", ("--delays", "440*3,451"), BUILD),
}
"""Runs that wait more than they work, all at once: what, the server's flags, the plan."""


@dataclass(frozen=True)
class Measured:
    """A run's record, and what its server says it did: on a busy machine it, too, is late."""

    record: RunRecord
    told: dict[str, float]


def measured(names: Iterable[str]) -> dict[str, Measured]:
    """Those of ``SLOWLY``, at the same time."""

    async def together(servers: dict[str, Calibration]) -> list[RunRecord]:
        runs = [Run(SLOWLY[name][2], TARGETS[SLOWLY[name][0]](server, 30.0)) for name, server in servers.items()]
        return await asyncio.gather(*(run.go() for run in runs))

    with ExitStack() as stack:
        servers = {name: stack.enter_context(calibrated(*SLOWLY[name][1])) for name in names}
        records = dict(zip(servers, run_in_loop(together(servers)), strict=True))
        told = {name: requests.get(s.http + "/_calibration", timeout=60).json() for name, s in servers.items()}
    return {name: Measured(records[name], told[name]) for name in servers}


Slow = Callable[..., list[Measured]]


@pytest.fixture(scope="module")
def slow() -> Slow:
    """The measurements of some runs: the first time of all runs together, then of these alone, whole, once more."""
    waiting = measured(SLOWLY)

    def measure(*names: str) -> list[Measured]:
        if not waiting.keys() >= set(names):
            waiting.update(measured(names))
        return [waiting.pop(name) for name in names]

    return measure


@pytest.mark.parametrize("kind", TARGETS)
@one_of_trials
def test_percentiles_are_within_two_percent_of_the_truth(slow: Slow, kind: str) -> None:
    (seen,) = slow(kind)
    assert seen.record.counts.succeeded == 400
    for percent, planned_ms in ((50, 2000), (95, 3000), (99, 5000)):
        measured_ms = seen.record.histogram(RESPONSE).percentile_us(percent) / 1000
        assert measured_ms == pytest.approx(seen.told[f"p{percent}_ms"], rel=WITHIN), percent
        assert seen.told[f"p{percent}_ms"] == pytest.approx(planned_ms, rel=0.1)


@one_of_trials
def test_a_freeze_of_one_second_in_ten_shows_in_a_tenth_of_the_samples(slow: Slow) -> None:
    (seen,) = slow("freeze")
    times = seen.record.histogram(RESPONSE)
    assert seen.record.counts.succeeded == 1000
    assert times.highest_us == pytest.approx(1_000_000, rel=0.15)
    # Those meant for the freeze waited for the rest of it: evenly between nothing and a second.
    assert times.share_above(100_000) == pytest.approx(0.09, abs=0.03)
    assert times.share_above(500_000) == pytest.approx(0.05, abs=0.02)


@one_of_trials
def test_a_planted_slowdown_of_a_tenth_is_found_and_the_same_build_is_not_flagged(slow: Slow) -> None:
    build, again, slower = (seen.record for seen in slow("build", "again", "slower"))
    assert [effect.text for effect in compare(build, again) if effect.change == "worse"] == []
    changes = {effect.metric: effect.change for effect in compare(build, slower)}
    assert (changes["mean_ms"], changes["p50_ms"], changes["rate"]) == ("worse", "worse", "same")


def test_the_truth_of_a_server_is_its_plan() -> None:
    truth = Truth(parse_delays("20*90,50*9,200"))
    assert [truth.percentile_ms(percent) for percent in (50, 90, 91, 99, 99.5)] == [20, 20, 50, 50, 200]


@one_of_trials
def test_three_lost_of_ten_thousand_are_three(calibration: Start) -> None:
    server = calibration("--lose", "100,5000,9999")
    plan = Plan("loss", "closed", profile.steady(20, 60), requests=10_000)
    record = driven(plan, server, timeout_s=2.0)
    counts = record.counts
    assert (counts.sent, counts.received, counts.lost) == (10_000, 9_997, 3)
    assert (counts.late, counts.duplicated, counts.out_of_order, counts.unknown) == (0, 0, 0, 0)
    assert record.errors == {"timeout": 3}


@one_of_trials
def test_doubled_swapped_and_late_messages_are_told_apart(calibration: Start) -> None:
    delays = ["5"] * 100
    delays[29] = "700"  # the 30th comes after its timeout
    server = calibration("--delays", ",".join(delays), "--double", "10,20", "--swap", "50")
    record = driven(Plan("order", "open", profile.steady(100, 1), drain_s=2), server, timeout_s=0.5)
    counts = record.counts
    assert (counts.sent, counts.received, counts.lost, counts.duplicated) == (100, 102, 0, 2)
    assert (counts.late, record.errors) == (1, {"timeout": 1})
    assert counts.out_of_order == 2, "the swapped one, and the late one"


@one_of_trials
def test_littles_law_holds_in_a_closed_run(calibration: Start) -> None:
    plan = Plan("little", "closed", profile.steady(20, 3))
    law = little(driven(plan, calibration("--delays", "50")))
    assert law["ratio"] == pytest.approx(1.0, abs=0.05), law
    assert law["in_flight"] == pytest.approx(20, rel=0.05)


@one_of_trials
def test_a_limit_of_the_rate_is_kept_and_waiting_for_it_is_not_the_targets_fault(calibration: Start) -> None:
    plan = Plan("limit", "closed", profile.steady(10, 2), rate_limit=50)
    record = driven(plan, calibration("--delays", "10"), "http")
    assert record.counts.done == pytest.approx(100, abs=3)
    assert record.histogram(RESPONSE).percentile_us(50) < 60_000


def test_failed_calls_are_counted_by_what_they_are(calibration: Start) -> None:
    server = calibration("--fail", "3,7", "--lose", "5")
    plan = Plan("kinds", "closed", profile.steady(1, 30), requests=20)
    record = driven(plan, server, "http")
    assert (record.counts.succeeded, record.counts.failed, record.counts.lost) == (17, 3, 1)
    assert record.errors == {"http_500": 2, "connection_reset": 1}
    assert record.endpoints["GET /"]["failed"] == 3


@one_of_trials
def test_service_time_leaves_out_what_the_generator_was_late(calibration: Start) -> None:
    record = driven(Plan("both", "open", profile.steady(50, 1)), calibration("--delays", "20"))
    response, service = record.histogram(RESPONSE), record.histogram(SERVICE)
    assert response.count == service.count == 50
    assert response.mean_us >= service.mean_us >= 20_000


@one_of_trials
def test_a_frozen_server_that_never_answers_leaves_failures_not_silence(calibration: Start) -> None:
    lost = ",".join(str(number) for number in range(11, 101))
    server = calibration("--lose", lost)
    record = driven(Plan("dead", "open", profile.steady(100, 1), drain_s=0.3), server)
    assert (record.counts.succeeded, record.counts.failed) == (10, 90)
    assert record.errors == {"unfinished": 90}


@one_of_trials
def test_a_server_that_is_gone_is_not_asked_a_thousand_times_a_second(calibration: Start) -> None:
    server = calibration("--delays", "5")
    plan = Plan("gone", "closed", profile.steady(3, 30), give_up_s=1.5)
    run = Run(plan, TARGETS["http"](server, 30.0), watchers=(lambda progress: server.process.signal(signal.SIGKILL),))
    record = run_in_loop(run.go())
    assert record.outcome == "target_lost"
    assert record.counts.succeeded > 20
    assert record.counts.failed < 100
    # Where nobody accepts a connection nothing is sent, and nothing has a time: a dead server is no fast one.
    refused = record.errors["connection_refused"]
    assert refused > 0
    assert record.histogram(RESPONSE).count == record.counts.sent == record.counts.done - refused
