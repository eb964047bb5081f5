"""What a sceptic looks for first: figures made better, or worse, than what really happened."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from project.load.api.client import WebSocketClient
from project.load.api.clients import WebSocketClientManager
from project.load.api.metrics import MetricsCollector
from project.load.core import profile
from project.load.core.histogram import Histogram, percentile_of_counts
from project.load.core.ledger import Ledger, Receipt
from project.load.core.little import little
from project.load.core.plan import Plan
from project.load.core.record import LAG, LOOP, RESPONSE, SERVICE, Counts, RunRecord
from project.load.core.recorder import Recorder
from project.load.core.steps import step_of
from project.load.core.thresholds import Threshold, judge
from project.load.core.validity import validate
from project.load.engine.loops import run_in_loop
from project.load.engine.run import Run
from project.load.output.folder import Results, read_record
from project.load.scenarios.losing import Gaps
from project.load.targets.base import Answer
from project.load.targets.messages import bytes_of, fixed
from project.load.targets.socketio import SocketIOTarget
from project.load.targets.websocket import WebSocketTarget
from tests.conftest import one_of_trials
from tests.load.conftest import Calibration, Command, Ended
from tests.load.test_core import record_of, run_of

Start = Callable[..., Calibration]
Load = Callable[..., Command]
Here = Callable[..., Ended]


@pytest.mark.parametrize(("many", "percent", "place"), [(31, 95, 30), (160, 99, 159), (1000, 99.9, 999), (1, 50, 1)])
def test_no_more_calls_exceed_a_percentile_than_it_says(many: int, percent: float, place: int) -> None:
    histogram = Histogram()
    for value in range(1, many + 1):
        histogram.record(value)
    assert histogram.percentile_us(percent) == place
    assert percentile_of_counts(dict.fromkeys(range(1, many + 1), 1), (percent,)) == [place]


def test_no_percentile_is_above_the_longest_time() -> None:
    """Though a cell of the histogram reaches further."""
    histogram = Histogram()
    histogram.record(123_456)
    assert (histogram.percentile_us(50), histogram.percentile_us(99.9)) == (123_456, 123_456)


class TestCallsThatWereNeverSent:
    """They failed; but no server is as fast as one that is gone."""

    @staticmethod
    def record() -> RunRecord:
        recorder = Recorder(0)
        for number in range(100):
            recorder.ended(number * 1000, number * 1000, number * 1000 + 20_000)
        for number in range(900):
            recorder.refused(200_000 + number, "not_connected")
        recorder.in_flight_seen(2)
        record = record_of(recorder, 1)
        record.done_in_time, record.in_flight_mean = record.counts.done, recorder.in_flight_mean
        return record

    def test_they_are_failures_without_a_time(self) -> None:
        record = self.record()
        assert (record.counts.done, record.counts.failed, record.errors) == (1000, 900, {"not_connected": 900})
        for metric in (RESPONSE, SERVICE):
            assert record.histogram(metric).count == 100
            assert record.histogram(metric).percentile_us(50) == pytest.approx(20_000, rel=0.001)

    def test_the_series_is_of_those_that_were_sent(self) -> None:
        record = self.record()
        (point,) = record.series
        assert (point.ended, point.timed, point.mean_ms, point.p50_ms) == (1000, 100, 20, 20)
        assert (step_of(record.series).mean_ms, step_of(record.series).error_share) == (20, 0.9)

    def test_they_are_not_under_way_for_little_either(self) -> None:
        assert little(self.record())["ratio"] == pytest.approx(1)

    def test_a_run_of_nothing_else_is_not_a_fast_one(self) -> None:
        recorder = Recorder(0)
        recorder.refused(1000, "not_connected")
        assert judge(record_of(recorder, 1), (Threshold("p95_ms", 100, 200),)).level == "critical"

    def test_their_times_are_empty_in_the_rows(self, tmp_path: Path) -> None:
        results = Results(tmp_path / "results.csv", lambda at_us: at_us / 1e6)
        results.take(0, None, 5, Answer("not_connected"))
        results.take(0, 1000, 5000, Answer())
        results.close()
        rows = list(csv.DictReader(io.StringIO((tmp_path / "results.csv").read_text(encoding="utf-8"))))
        assert [(row["response_time"], row["service_time"], row["success"]) for row in rows] == [
            ("", "", "False"),
            ("0.005000", "0.004000", "True"),
        ]

    def test_a_record_of_before_is_read_with_a_time_for_every_call(self) -> None:
        data = json.loads(json.dumps(run_of(lambda number: 1000).as_dict()))
        for point in data["series"]:
            del point["timed"]
        assert all(point.timed == point.ended for point in RunRecord.from_dict(data).series)

    def test_an_error_reported_by_hand_has_no_time_but_a_timeout_has(self, calibration: Start) -> None:
        server = calibration("--lose", "1")

        async def ask() -> MetricsCollector:
            manager = WebSocketClientManager(server.ws, metrics=MetricsCollector(), response_timeout_s=0.2)
            (client,) = await manager.create_clients(1)
            assert isinstance(client, WebSocketClient)
            await client.send_message({})  # not connected
            await manager.connect_clients([client])
            with pytest.raises(Exception, match="timeout"):
                await client.request({})
            await manager.disconnect_all()
            return manager.collector

        record = run_in_loop(ask()).record()
        assert record.errors == {"not_connected": 1, "timeout": 1}
        assert record.histogram(RESPONSE).count == 1
        assert record.histogram(RESPONSE).lowest_us >= 200_000


def test_an_answer_after_the_end_of_a_run_is_no_part_of_it() -> None:
    counts = Counts()
    ledger = Ledger(counts)
    number = ledger.sent()
    ledger.abandon(number)
    assert ledger.received(number) is Receipt.AFTER
    assert asdict(counts) == asdict(Counts(sent=1))


@one_of_trials
def test_a_run_that_is_broken_off_says_of_no_answer_that_it_came_twice(calibration: Start) -> None:
    server = calibration("--delays", "20")
    target = WebSocketTarget(server.ws, lambda number: fixed())
    run = Run(Plan("broken off", "open", profile.steady(2000, 10), connections=50), target)

    async def broken_off() -> RunRecord:
        going = asyncio.create_task(run.go())
        while run.recorder is None or run.recorder.counts.done < 500:
            await asyncio.sleep(0.01)
        run.stop()
        return await going

    counts = run_in_loop(broken_off()).counts
    assert counts.unfinished > 0
    assert (counts.duplicated, counts.sent) == (0, counts.received + counts.unfinished)


@one_of_trials
def test_answers_without_an_id_belong_to_the_oldest_message(calibration: Start) -> None:
    target = WebSocketTarget(calibration("--delays", "100").ws, lambda number: fixed(), "order")
    record = run_in_loop(Run(Plan("order", "open", profile.steady(100, 0.5)), target).go())
    assert (record.counts.succeeded, record.counts.out_of_order) == (50, 0)
    assert record.histogram(SERVICE).lowest_us >= 100_000


def test_where_no_answer_is_waited_for_none_is_a_double(calibration: Start) -> None:
    target = WebSocketTarget(calibration().ws, lambda number: fixed(), "none")
    counts = run_in_loop(Run(Plan("none", "open", profile.steady(200, 0.5)), target).go()).counts
    assert (counts.sent, counts.succeeded, counts.duplicated, counts.lost) == (100, 100, 0, 0)
    assert counts.unknown == counts.received > 0


@pytest.mark.parametrize(
    ("ends", "longest_s"),
    [
        ([], 10.0),  # nobody was served at all
        ([(4, ""), (5, "")], 5.0),  # nor after the fifth second
        ([(4, ""), (5, ""), (9, "")], 4.0),
        ([(1, ""), (3, "timeout"), (8, ""), (9, "")], 7.0),
    ],
)
def test_the_longest_gap_reaches_from_the_beginning_to_the_end(ends: list[tuple[int, str]], longest_s: float) -> None:
    gaps = Gaps()
    for at_s, failure in ends:
        gaps.take(0, 0, at_s * 1_000_000, Answer(failure))
    assert gaps.longest_us(0, 10_000_000) == longest_s * 1e6


@one_of_trials
@pytest.mark.parametrize("scenario", [("steady", "--rate", "100"), ("load", "--users", "2", "--think", "0.01")])
def test_a_server_that_is_gone_when_the_run_ends_has_died(
    load: Load, calibration: Start, scenario: tuple[str, ...]
) -> None:
    server = calibration("--delays", "20")
    command = load(*scenario, "--url", server.ws, "--duration", "2.5", "--give-up", "60", "--allow-invalid")
    command.process.until(lambda: command.told().get("done", 0) > 20, what="20 calls are done")
    server.process.signal(signal.SIGKILL)
    assert command.wait(60) == 4, command.process.output
    record = read_record(command.folder)
    assert record.outcome == command.told()["status"] == "target_lost"
    # What could not be sent is none of the times: the median is still that of the answers.
    assert record.histogram(RESPONSE).percentile_us(50) >= 20_000
    # What was under way when it died is lost.
    assert record.counts.sent == record.counts.received + record.counts.lost > record.counts.received


@one_of_trials
def test_losses_and_late_answers_of_socketio_are_told_apart(calibration: Start) -> None:
    delays = ["5"] * 150
    delays[29] = "700"  # the 30th comes after its timeout
    server = calibration("--delays", ",".join(delays), "--lose", "40,60")
    target = SocketIOTarget(server.http, lambda number: fixed(), timeout_s=0.5)
    record = run_in_loop(Run(Plan("fates", "open", profile.steady(100, 1.5), connections=3), target).go())
    counts = record.counts
    assert (counts.sent, counts.received, counts.lost, counts.late, counts.duplicated) == (150, 148, 2, 1, 0)
    assert record.errors == {"timeout": 3}


@one_of_trials
def test_a_storm_counts_from_the_cut(here: Here, calibration: Start) -> None:
    """A client that comes back late, because it spreads its return, was away for as long."""
    done = here(
        "storm", "--url", calibration().ws, "--clients", "20", "--storms", "1", "--hold", "0", "--jitter", "0.4"
    )
    assert done.record.counts.succeeded == 20
    assert done.record.histogram(RESPONSE).mean_us > 80_000
    assert done.record.findings["all_back_s"] > 0.2


@one_of_trials
def test_calls_that_end_after_the_time_are_no_part_of_the_rate(calibration: Start) -> None:
    target = WebSocketTarget(calibration("--delays", "300").ws, lambda number: fixed())
    record = run_in_loop(Run(Plan("rate", "open", profile.steady(20, 1)), target).go())
    assert (record.counts.succeeded, record.done_in_time) == (20, pytest.approx(14, abs=1))
    assert record.rate == pytest.approx(14, abs=1.5)


@one_of_trials
def test_a_run_of_so_many_calls_is_as_long_as_they_are(calibration: Start) -> None:
    target = WebSocketTarget(calibration("--delays", "500").ws, lambda number: fixed())
    record = run_in_loop(Run(Plan("five", "open", profile.steady(10, 30), requests=5), target).go())
    assert record.duration_s == pytest.approx(0.9, abs=0.2)
    assert (record.done_in_time, record.rate) == (5, pytest.approx(5.5, abs=1.5))


@dataclass
class Sluggish:
    """A target, and its session, in this very process: it answers after 20 ms and blocks the loop when it is closed."""

    kind: str = "websocket"
    url: str = "ws://here"
    is_open: bool = True

    async def open(self, recorder: Recorder) -> None:
        """Nothing."""

    async def session(self, number: int, *, shared: bool) -> Sluggish:
        return self

    async def call(self) -> Answer:
        await asyncio.sleep(0.02)
        return Answer()

    async def close(self) -> None:
        time.sleep(0.5)


@one_of_trials
def test_closing_many_connections_is_no_lag_of_the_measurement() -> None:
    record = run_in_loop(Run(Plan("closing", "open", profile.steady(50, 0.5)), Sluggish()).go())
    assert record.counts.succeeded == 25
    assert record.histogram(LOOP).highest_us < 400_000


def test_lateness_is_judged_by_what_the_target_took_and_not_by_itself() -> None:
    """A quarter of what the target takes: more, and a high percentile is as much the generator's as the target's."""
    for late_us, valid in ((20_000, True), (30_000, False)):
        recorder = Recorder(0)
        for number in range(1000):
            at = number * 1000
            late = late_us if number % 20 == 0 else 0
            recorder.ended(at, at + late, at + late + 60_000)
        assert validate(record_of(recorder, 1)).valid is valid


def test_waiting_for_the_last_calls_ends_with_ctrl_c(load: Load, calibration: Start) -> None:
    server = calibration("--lose", ",".join(map(str, range(1, 12))))
    command = load("steady", "--url", server.ws, "--rate", "20", "--duration", "0.5", "--timeout", "3000")
    command.process.until(lambda: command.told().get("elapsed_s", 0) > 1, what="only answers are waited for")
    assert command.interrupt() == 130
    assert "10 unfinished" in command.process.output
    counts = read_record(command.folder).counts
    assert (counts.unfinished, counts.failed) == (10, 0)


@dataclass
class Prompt(Sluggish):
    """Closes at once; its call of a certain number holds up the whole loop for so long."""

    calls: int = 0
    blocks_at: int = 0
    blocks_s: float = 0.4

    async def call(self) -> Answer:
        self.calls += 1
        if self.calls == self.blocks_at:
            time.sleep(self.blocks_s)
        return await super().call()

    async def close(self) -> None:
        """Nothing."""


@one_of_trials
def test_calls_that_start_late_count_from_when_they_were_meant_to() -> None:
    """The generator stands still for 0.4 s of one: what should have started meanwhile was late, for whoever asked."""
    record = run_in_loop(Run(Plan("late", "open", profile.steady(100, 1)), Prompt(blocks_at=30)).go())
    lag, response, service = (record.histogram(metric) for metric in (LAG, RESPONSE, SERVICE))
    assert record.counts.succeeded == 100
    assert lag.share_above(100_000) == pytest.approx(0.3, abs=0.06)
    assert response.share_above(120_000) == pytest.approx(0.3, abs=0.06)
    assert service.share_above(120_000) < 0.1


@one_of_trials
def test_users_who_had_thought_enough_count_from_then() -> None:
    """Whoever is about to ask while the generator stands still is late, as if the target had kept them waiting."""
    plan = Plan("late users", "closed", profile.steady(20, 1), think_s=0.05)
    record = run_in_loop(Run(plan, Prompt(blocks_at=60)).go())
    lag, response = record.histogram(LAG), record.histogram(RESPONSE)
    assert lag.highest_us > 200_000
    assert response.highest_us >= lag.highest_us + 15_000


def test_nobody_who_only_thinks_is_waited_for_at_the_end() -> None:
    plan = Plan("thinking", "closed", profile.steady(20, 0.3), think_s=600, drain_s=600)
    record = run_in_loop(asyncio.wait_for(Run(plan, Prompt()).go(), 60))
    assert (record.counts.succeeded, record.counts.unfinished, record.outcome) == (20, 0, "finished")


def test_bytes_are_bytes_and_not_signs() -> None:
    assert (bytes_of("abc"), bytes_of("空间"), bytes_of(b"\x00\xff")) == (3, 6, 2)
