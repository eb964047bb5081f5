"""Every face of a run says the same: the JSON for programs, the report, the suite's summary, the merged whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from project.load.core.histogram import Histogram
from project.load.core.merging import merge_records
from project.load.core.record import SERVICE, RunRecord
from project.load.core.recorder import Recorder
from project.load.output.report import report_html
from project.load.output.shapes import metrics_shape
from project.load.output.suite import summary_of
from tests.load.test_core import record_of, run_of
from tests.load.test_report import Checked

P50, P95, P99 = 500.0, 950.0, 990.0
"""ms, of calls that took 1, 2, ... 1000 ms."""


def plain() -> RunRecord:
    recorder = Recorder(0)
    for took_ms in range(1, 1001):
        recorder.ended(0, 0, took_ms * 1000)
    record = record_of(recorder, 2)
    record.histograms[SERVICE] = Histogram()
    record.histograms[SERVICE].record_counts({7_000: 1000})
    return record


def near(value_ms: float) -> object:
    return pytest.approx(value_ms, rel=0.002)


def test_programs_read_each_percentile_in_its_unit() -> None:
    shape = metrics_shape(plain())
    assert [shape[f"{name}_response_time"] for name in ("median", "p95", "p99")] == [
        near(P50 / 1000),
        near(P95 / 1000),
        near(P99 / 1000),
    ]
    latency = shape["latency_metrics"]
    assert [latency[f"{name}_ms"] for name in ("p50", "p95", "p99")] == [near(P50), near(P95), near(P99)]
    assert (latency["min_ms"], latency["avg_ms"], latency["max_ms"]) == (1, 500.5, 1000)
    assert shape["service_time"]["p95_ms"] == near(7)
    summary = summary_of(plain())["latency_ms"]
    assert (summary["average"], summary["p95"], summary["p99"]) == (500.5, near(P95), near(P99))


def test_people_read_the_same() -> None:
    words = [word for word in Checked(report_html(plain())).words if word.strip()]

    def after(word: str) -> str:
        return words[words.index(word) + 1]

    cards = [float(after(name).removesuffix(" ms")) for name in ("p50", "p95", "p99")]
    assert cards == [near(P50), near(P95), near(P99)]
    response = words.index("response")
    assert [float(value) for value in words[response + 2 : response + 8]] == [
        near(500.5),
        near(P50),
        near(900),
        near(P95),
        near(P99),
        near(999),
    ]
    assert float(words[words.index("service") + 2]) == near(7)


def test_a_merged_whole_weighs_its_parts_by_their_calls() -> None:
    small, large = run_of(lambda number: 10_000, rate=10), run_of(lambda number: 40_000, rate=30)
    for record, calls, value_ms, errors in ((small, 10.0, 10.0, 2), (large, 30.0, 40.0, 5)):
        record.endpoints = {"GET /": {"calls": calls, "failed": 1.0, "mean_ms": value_ms, "p95_ms": value_ms}}
        record.errors, record.in_flight_mean = {"timeout": errors}, calls
        record.series = [replace(point, p99_ms=value_ms, service_p50_ms=value_ms) for point in record.series]
    whole = merge_records([small, large])
    assert whole.errors == {"timeout": 7}
    assert whole.in_flight_mean == 40
    assert whole.endpoints == {"GET /": {"calls": 40, "failed": 2, "mean_ms": 32.5, "p95_ms": 32.5}}
    point = whole.series[5]
    assert (point.timed, point.rate) == (40, 40)
    for figure in (point.mean_ms, point.p50_ms, point.p95_ms, point.p99_ms, point.service_p50_ms):
        assert figure == near(32.5)
