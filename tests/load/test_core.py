"""The engine's pure parts: profiles, arrivals, histograms, accounting, series, thresholds."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from project.load.core import profile
from project.load.core.arrivals import arrivals
from project.load.core.histogram import DIGITS, HIGHEST_US, Histogram, percentile_of_counts
from project.load.core.ledger import Ledger, Receipt
from project.load.core.merging import merge_records
from project.load.core.plan import Plan
from project.load.core.profile import Profile, Stage
from project.load.core.record import LAG, LOOP, RESPONSE, SERVICE, Counts, OwnCost, RunRecord
from project.load.core.recorder import MOST_KINDS, Recorder
from project.load.core.steps import drift_per_hour, recovery_s
from project.load.core.thresholds import PROFILES, Threshold, judge, parse_threshold, thresholds_from
from project.load.core.validity import validate
from project.load.errors import BadUsage

TIMES = st.lists(st.integers(0, 10_000_000), min_size=1, max_size=300)
STAGES = st.lists(
    st.builds(Stage, st.floats(0.1, 20), st.floats(0, 200), st.floats(0, 200)), min_size=1, max_size=5
).map(lambda stages: Profile(tuple(stages)))


def record_of(recorder: Recorder, seconds: float, name: str = "run") -> RunRecord:
    recorder.finish(int(seconds * 1e6))
    return RunRecord(
        name, "steady", "http", "http://x", {}, 1, "2026-01-01T00:00:00+00:00", seconds, recorder.counts.done,
        counts=recorder.counts, histograms=recorder.histograms, series=recorder.series, errors=recorder.errors,
    )  # fmt: skip


def run_of(latency_us: Callable[[int], int], *, rate: int = 50, seconds: int = 30, name: str = "run") -> RunRecord:
    recorder = Recorder(0)
    ends = []
    for number in range(rate * seconds):
        start = number * 1_000_000 // rate
        ends.append((start, start + latency_us(number)))
    for start, end in sorted(ends, key=lambda pair: pair[1]):
        recorder.ended(start, start, end)
    return record_of(recorder, seconds, name)


@given(STAGES)
def test_constant_arrivals_follow_the_area_under_any_profile(shape: Profile) -> None:
    times = list(arrivals(shape, "constant", 1))
    assert len(times) == pytest.approx(shape.area, abs=1)
    assert all(0 <= earlier <= later < shape.duration_s + 1e-6 for earlier, later in pairwise(times))
    half = [at for at in times if at < shape.duration_s / 2]
    expected = sum(shape.level_at((step + 0.5) * shape.duration_s / 2000) for step in range(1000))
    assert len(half) == pytest.approx(expected * shape.duration_s / 2000, abs=2 + 0.02 * len(times))


def test_poisson_arrivals_have_the_rate_and_exponential_gaps_and_depend_on_the_seed_alone() -> None:
    shape = profile.steady(100, 100)
    times = list(arrivals(shape, "poisson", 7))
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == pytest.approx(10_000, rel=0.05)
    longer = sum(gap > 0.01 for gap in gaps) / len(gaps)
    assert longer == pytest.approx(math.exp(-1), abs=0.02)
    assert times == list(arrivals(shape, "poisson", 7))
    assert times != list(arrivals(shape, "poisson", 8))


def test_shapes_have_the_levels_their_names_promise() -> None:
    assert [s.start for s in profile.ramp(10, 100, 10, 5).stages] == [10 * step for step in range(1, 11)]
    burst = profile.burst(1, 50, 3, 6, 20)
    assert [(s.duration_s, s.start) for s in burst.stages] == [(3, 50), (6, 1), (3, 50), (6, 1), (2, 50)]
    spike = profile.spike(5, 500, 10, 2, 10)
    assert [spike.level_at(at) for at in (9.9, 10, 11.9, 12)] == [5, 500, 500, 5]
    assert profile.climb(100, 10, 5).level_at(5) == 50
    assert (spike.level_at(-1), spike.level_at(22)) == (0, 0)


@pytest.mark.parametrize("wrong", [(math.nan, 1, 1), (1, -1, 1), (math.inf, 1, 1)])
def test_impossible_stages_are_refused(wrong: tuple[float, float, float]) -> None:
    with pytest.raises(BadUsage):
        Stage(*wrong)


@given(TIMES, TIMES)
def test_histograms_merge_and_are_read_back_without_loss(first: list[int], second: list[int]) -> None:
    a, b, both = Histogram(), Histogram(), Histogram()
    for value in first:
        a.record(value)
        both.record(value)
    for value in second:
        b.record(value)
        both.record(value)
    a.merge(b)
    again = Histogram.from_dict(json.loads(json.dumps(a.as_dict())))
    assert a.summary() == both.summary() == again.summary()
    assert (a.lowest_us, a.highest_us) == (min(first + second), max(first + second))
    assert a.mean_us == pytest.approx(sum(first + second) / len(first + second))


@given(st.lists(st.integers(0, HIGHEST_US) | st.sampled_from([2**bit + by for bit in range(31) for by in (-1, 0)])))
def test_times_lie_where_the_library_would_have_them(values: list[int]) -> None:
    own, its = Histogram(), HdrHistogram(1, HIGHEST_US, DIGITS)
    for value in values:
        own.record(value)
        its.record_value(value)
    assert own.count == its.total_count
    assert list(own._hdr.counts) == list(its.counts)
    assert (own._hdr.min_value, own._hdr.max_value) == (its.min_value, its.max_value)


@given(TIMES, st.sampled_from([0.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0]))
def test_percentiles_are_within_a_tenth_of_a_percent(values: list[int], percent: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    place = max(1, math.ceil(Fraction(str(percent)) * len(values) / 100))
    exact = sorted(values)[place - 1]
    assert histogram.percentile_us(percent) == pytest.approx(exact, rel=0.001, abs=1)
    assert percentile_of_counts({value: values.count(value) for value in values}, (percent,))[0] == pytest.approx(
        exact, rel=0.001, abs=1
    )


def test_an_hour_is_the_longest_time() -> None:
    histogram = Histogram()
    histogram.record(10**12)
    assert (histogram.overflowed, histogram.count) == (1, 1)
    assert histogram.summary()["max_ms"] == 3_600_000
    histogram.record(-5)  # a clock that is set back makes no time negative
    assert (histogram.overflowed, histogram.lowest_us, histogram.count) == (1, 0, 2)


@pytest.mark.parametrize("damage", [{}, {"hdr": "x", "total_us": 5, "lowest_us": 1, "highest_us": 1, "overflowed": 0}])
def test_a_damaged_histogram_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(BadUsage):
        Histogram.from_dict(damage)


class TestLedger:
    def test_answers_are_matched_whatever_their_order(self) -> None:
        counts = Counts()
        ledger = Ledger(counts)
        numbers = [ledger.sent(10) for _ in range(3)]
        assert [ledger.received(numbers[place], 5) for place in (0, 2, 1)] == [Receipt.ANSWER] * 3
        assert (counts.sent, counts.received, counts.out_of_order, counts.bytes_received) == (3, 3, 1, 15)

    def test_a_late_answer_is_late_and_no_longer_lost_and_its_double_is_a_double(self) -> None:
        counts = Counts()
        ledger = Ledger(counts)
        number = ledger.sent()
        ledger.give_up(number)
        ledger.give_up(number)
        assert counts.lost == 1
        assert ledger.received(number) is Receipt.LATE
        assert ledger.received(number) is Receipt.DUPLICATE
        assert (counts.lost, counts.late, counts.duplicated) == (0, 1, 1)

    @pytest.mark.parametrize("number", [None, 0, -1, 2])
    def test_what_answers_nothing_is_unknown(self, number: int | None) -> None:
        counts = Counts()
        ledger = Ledger(counts)
        ledger.sent()
        assert ledger.received(number) is Receipt.UNKNOWN
        assert counts.unknown == 1

    def test_memory_is_bounded(self) -> None:
        ledger = Ledger(Counts(), remembered=100)
        for _ in range(10_000):
            ledger.give_up(ledger.sent())
        assert len(ledger._given_up) == 100
        assert not ledger.waiting

    @given(st.lists(st.sampled_from(["answer", "lose", "double", "late"]), max_size=200), st.randoms())
    def test_any_fate_of_any_message_is_counted_once(self, fates: list[str], chance: random.Random) -> None:
        counts = Counts()
        ledger = Ledger(counts)
        deliveries: list[int] = []
        for fate in fates:
            number = ledger.sent()
            if fate in ("lose", "late"):
                ledger.give_up(number)
            deliveries += [number] * {"answer": 1, "lose": 0, "double": 2, "late": 1}[fate]
        chance.shuffle(deliveries)
        for number in deliveries:
            ledger.received(number)
        assert counts.lost == fates.count("lose")
        assert counts.duplicated == fates.count("double")
        assert counts.late == fates.count("late")
        assert counts.sent == counts.received - counts.duplicated + counts.lost


class TestRecorder:
    def test_response_counts_from_the_intended_start_and_service_from_the_sending(self) -> None:
        recorder = Recorder(0)
        recorder.ended(intended_us := 1_000, sent_us := 501_000, 511_000)
        record = record_of(recorder, 1)
        assert record.histogram(RESPONSE).highest_us == 511_000 - intended_us
        assert record.histogram(SERVICE).highest_us == 511_000 - sent_us
        assert record.histogram(LAG).highest_us == sent_us - intended_us

    def test_series_has_every_second_also_the_silent_ones_and_adds_up(self) -> None:
        recorder = Recorder(0)
        for at_s in (0.1, 0.2, 3.5):
            recorder.ended(0, 0, int(at_s * 1e6), failure="timeout" if at_s > 3 else "")
        record = record_of(recorder, 4)
        assert [point.succeeded for point in record.series] == [2, 0, 0, 0]
        assert [point.failed for point in record.series] == [0, 0, 0, 1]
        assert [point.at_s for point in record.series] == [0, 1, 2, 3]
        assert record.errors == {"timeout": 1}

    def test_kinds_of_failures_are_bounded(self) -> None:
        recorder = Recorder(0)
        for number in range(10_000):
            recorder.ended(0, 0, 1, failure=f"strange {number}", endpoint=f"GET /{number}")
        assert len(recorder.errors) == MOST_KINDS + 1
        assert recorder.errors["other"] == 10_000 - MOST_KINDS
        assert len(recorder.endpoints()) == MOST_KINDS + 1

    def test_record_is_read_back_as_it_was(self) -> None:
        record = run_of(lambda number: 1000 + number)
        record.validity, record.verdict = validate(record), judge(record, PROFILES["services"], "services")
        again = RunRecord.from_dict(json.loads(json.dumps(record.as_dict())))
        assert again.as_dict() == record.as_dict()

    @pytest.mark.parametrize("damage", [None, [], {}, {"format": 99}, {"format": 1}, {"format": 1, "counts": 3}])
    def test_what_is_no_record_is_refused(self, damage: object) -> None:
        with pytest.raises(BadUsage):
            RunRecord.from_dict(damage)  # type: ignore[arg-type]

    def test_merged_records_are_the_whole(self) -> None:
        first, second = run_of(lambda number: 1000), run_of(lambda number: 9000)
        whole = merge_records([first, second])
        assert whole.counts.done == first.counts.done + second.counts.done
        assert whole.histogram(RESPONSE).mean_us == pytest.approx(5000)
        assert whole.rate == pytest.approx(first.rate + second.rate)
        assert whole.series[3].succeeded == 100
        assert whole.series[3].mean_ms == pytest.approx(5)

    def test_intervals_of_different_length_are_joined_in_the_longest(self) -> None:
        short, long = run_of(lambda number: 1000, seconds=6), run_of(lambda number: 1000, seconds=6)
        pairs = zip(long.series[::2], long.series[1::2], strict=True)
        long.series = [replace(a, length_s=2.0, succeeded=a.succeeded + b.succeeded) for a, b in pairs]
        for record, users in ((short, 3), (long, 4)):
            record.series = [replace(point, users=users) for point in record.series]
        whole = merge_records([short, long])
        assert [(p.at_s, p.length_s, p.users, p.rate) for p in whole.series] == [
            (0, 2, 7, 100),
            (2, 2, 7, 100),
            (4, 2, 7, 100),
        ]

    def test_a_part_that_was_lost_is_what_became_of_the_whole(self) -> None:
        first, second = run_of(lambda number: 1000), run_of(lambda number: 9000)
        second.outcome = "target_lost"
        assert merge_records([first, second]).outcome == "target_lost"


class TestThresholds:
    @pytest.mark.parametrize(
        ("profile_name", "metric", "value", "level"),
        [
            ("services", "error_percent", 0.99, "good"),
            ("services", "error_percent", 1, "warning"),
            ("services", "error_percent", 5, "critical"),
            ("services", "mean_ms", 999, "good"),
            ("services", "mean_ms", 3000, "critical"),
            ("services", "p95_ms", 2000, "warning"),
            ("services", "rate", 10.1, "good"),
            ("services", "rate", 10, "warning"),
            ("services", "rate", 1, "critical"),
            ("uploads", "error_percent", 5, "warning"),
            ("uploads", "error_percent", 5.1, "critical"),
            ("uploads", "mean_ms", 30_000, "warning"),
            ("uploads", "mean_ms", 30_001, "critical"),
            ("uploads", "p95_ms", 1e9, "warning"),
            ("uploads", "p99_ms", 29_999, "good"),
        ],
    )
    def test_limits_are_the_documents(self, profile_name: str, metric: str, value: float, level: str) -> None:
        (rule,) = [rule for rule in PROFILES[profile_name] if rule.metric == metric]
        assert rule.level(value) == level

    def test_the_worst_finding_is_the_verdict(self) -> None:
        record = run_of(lambda number: 50_000)
        rules = (Threshold("mean_ms", 100, 200), Threshold("p95_ms", 10, 60), Threshold("rate", 10, 1))
        assert [finding.level for finding in judge(record, rules).findings] == ["good", "warning", "good"]
        assert judge(record, rules).level == "warning"
        assert judge(record, ()).level == "none"

    def test_a_run_in_which_nothing_ended_is_critical(self) -> None:
        assert judge(record_of(Recorder(0), 1), (Threshold("mean_ms", 100, 200),)).level == "critical"

    def test_rules_are_read_from_a_flag_and_from_a_file(self) -> None:
        assert parse_threshold("p95_ms<200") == Threshold("p95_ms", 200, 200)
        assert parse_threshold(" rate > 10 : 1 ") == Threshold("rate", 10, 1)
        assert thresholds_from({"p95_ms": {"good": 2, "warning": 5}, "lost": 1}) == (
            Threshold("p95_ms", 2, 5),
            Threshold("lost", 1, 1),
        )

    @pytest.mark.parametrize("wrong", ["", "p95", "p95_ms>3", "rate<3", "p95_ms<x", "nope<3", "p95_ms<5:2", "rate>1:5"])
    def test_wrong_rules_are_refused(self, wrong: str) -> None:
        with pytest.raises(BadUsage):
            parse_threshold(wrong)


@pytest.mark.parametrize(
    ("change", "metric"),
    [
        (lambda run: run.histograms[LAG].record_counts({900_000: 100}), "schedule_lag_p99_ms"),
        (lambda run: run.histograms.setdefault(LOOP, Histogram()).record_counts({500_000: 9}), "loop_lag_p99_ms"),
        (lambda run: setattr(run, "own", OwnCost(cpu_share=0.99)), "own_cpu_share"),
        (lambda run: setattr(run, "own", OwnCost(fds_peak=1020, fds_limit=1024)), "open_files_share"),
        (lambda run: run.errors.update(too_many_files=3), "too_many_files"),
    ],
)
def test_a_generator_that_was_the_bottleneck_says_so(change: Callable[[RunRecord], object], metric: str) -> None:
    record = run_of(lambda number: 20_000)
    assert validate(record).valid
    change(record)
    judged = validate(record)
    assert not judged.valid
    assert [finding.metric for finding in judged.findings if finding.level == "critical"] == [metric]


def test_recovery_is_when_it_is_good_for_good() -> None:
    # Calls of the peak (10 s to 12 s) wait; the queue is worked off until 15 s.
    record = run_of(lambda number: 500_000 if 10 <= number / 50 < 15 else 10_000, rate=50, seconds=30)
    assert recovery_s(record.series, 10, 12) == pytest.approx(4, abs=1)
    assert recovery_s(run_of(lambda number: 10_000).series, 10, 12) == 0
    assert recovery_s(run_of(lambda number: 10_000 if number < 500 else 90_000).series, 10, 12) is None


def test_drift_is_the_slope_of_the_medians() -> None:
    drift = drift_per_hour(run_of(lambda number: 10_000 + number, rate=10, seconds=100).series)
    assert drift["per_hour"] == pytest.approx(3.6, rel=0.1)
    assert drift_per_hour(run_of(lambda number: 10_000, seconds=10).series) == {}
    # A bad moment at the beginning is no drift.
    bad = drift_per_hour(run_of(lambda number: 900_000 if number < 100 else 10_000, rate=10, seconds=100).series)
    assert (bad["per_hour"], bad["last_ms"]) == (0, pytest.approx(10, rel=0.01))


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "ajar"},
        {"profile": profile.steady(0, 1)},
        {"profile": profile.steady(1e7, 1)},
        {"connections": 0},
        {"requests": 0},
        {"rate_limit": 0},
        {"think_s": -1},
        {"drain_s": math.nan},
        {"thinks": (1.0, math.inf)},
    ],
)
def test_impossible_plans_are_refused(wrong: dict[str, object]) -> None:
    given_: dict[str, object] = {"scenario": "x", "model": "open", "profile": profile.steady(1, 1)}
    with pytest.raises(BadUsage):
        Plan(**(given_ | wrong))  # type: ignore[arg-type]
