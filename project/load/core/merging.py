"""Several records as one: runs that were driven together from several machines or processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from itertools import groupby

from project.load.core.histogram import Histogram
from project.load.core.record import Counts, OwnCost, Point, RunRecord, Validity, Verdict
from project.load.errors import BadUsage


def merge_records(records: list[RunRecord]) -> RunRecord:
    """One record of runs that were driven together from several machines: counts and histograms add up.

    Points that begin in the same second are joined; their percentiles are means weighted by calls, those of the whole
    run are exact. The merged record has no verdict of its own: judge it again.
    """
    if not records:
        raise BadUsage("nothing to merge")
    first = records[0]
    whole = replace(
        first,
        counts=Counts(),
        histograms={},
        series=merge_series([record.series for record in records]),
        errors={},
        events=sorted((event for record in records for event in record.events), key=lambda event: event["at_s"]),
        done_in_time=sum(record.done_in_time for record in records),
        in_flight_mean=sum(record.in_flight_mean for record in records),
        duration_s=max(record.duration_s for record in records),
        outcome=next((record.outcome for record in records if record.outcome != "finished"), first.outcome),
        validity=Validity(
            all(record.validity.valid for record in records),
            tuple(finding for record in records for finding in record.validity.findings),
        ),
        verdict=Verdict(),
        endpoints=_endpoints(records),
        own=OwnCost(
            *(max(getattr(record.own, item.name) for record in records) for item in fields(OwnCost)),
        ),
        findings={},
    )
    for record in records:
        whole.counts.add(record.counts)
        for metric, histogram in record.histograms.items():
            whole.histograms.setdefault(metric, Histogram()).merge(histogram)
        for kind, count in record.errors.items():
            whole.errors[kind] = whole.errors.get(kind, 0) + count
    return whole


def _endpoints(records: list[RunRecord]) -> dict[str, dict[str, float]]:
    """Per endpoint, calls and failures added up; times are means weighted by calls."""
    whole: dict[str, dict[str, float]] = {}
    for record in records:
        for name, figures in record.endpoints.items():
            into = whole.setdefault(name, dict.fromkeys(figures, 0.0))
            calls = into["calls"] + figures["calls"]
            for key in ("mean_ms", "p95_ms"):
                into[key] = (into[key] * into["calls"] + figures[key] * figures["calls"]) / (calls or 1)
            into["calls"], into["failed"] = calls, into["failed"] + figures["failed"]
    return whole


def merge_series(several: list[list[Point]]) -> list[Point]:
    """Series of runs that began together, as one."""
    longest_s = max((series[0].length_s for series in several if series), default=1.0)  # longer runs have longer ones
    by_start: dict[int, list[Point]] = {}
    for series in several:
        for start, points in groupby(series, key=lambda point: int(point.at_s / longest_s + 1e-6)):
            by_start.setdefault(start, []).append(_joined(list(points), users=max))
    return [_joined(by_start[start], users=sum) for start in sorted(by_start)]


def _joined(points: list[Point], users: Callable[[Iterable[int]], int]) -> Point:
    """Points of the same time, or one after another, as one; ``users``: whether theirs are others or the same."""
    timed = [point.timed for point in points]
    total = sum(timed) or 1

    def mean(values: list[float]) -> float:
        return sum(value * count for value, count in zip(values, timed, strict=True)) / total

    return Point(
        at_s=(begin_s := min(point.at_s for point in points)),
        length_s=max(point.at_s + point.length_s for point in points) - begin_s,
        users=users(point.users for point in points),
        sent=sum(point.sent for point in points),
        received=sum(point.received for point in points),
        succeeded=sum(point.succeeded for point in points),
        failed=sum(point.failed for point in points),
        mean_ms=mean([point.mean_ms for point in points]),
        p50_ms=mean([point.p50_ms for point in points]),
        p95_ms=mean([point.p95_ms for point in points]),
        p99_ms=mean([point.p99_ms for point in points]),
        service_p50_ms=mean([point.service_p50_ms for point in points]),
        service_mean_ms=mean([point.service_mean_ms for point in points]),
        bytes_sent=sum(point.bytes_sent for point in points),
        bytes_received=sum(point.bytes_received for point in points),
        timed=sum(timed),
    )
