"""Collects what happens in a run into the record's shapes. The clock is the caller's: every time is an argument."""

from __future__ import annotations

from collections import Counter
from typing import Final

from project.load.core.histogram import Histogram, percentile_of_counts
from project.load.core.record import CONNECT, LAG, RESPONSE, SERVICE, Counts, Point

MOST_KINDS: Final = 200
"""Kinds of failure and endpoints told apart; more go under ``other``, so that memory stays bounded."""
_FOLD_AT: Final = 8192


class Recorder:
    """Counts, histograms and the series of one run. ``start_us`` is the moment everything is relative to."""

    def __init__(self, start_us: int, interval_s: float = 1.0):
        self.start_us = start_us
        self.counts = Counts()
        self.histograms: dict[str, Histogram] = {}
        self.series: list[Point] = []
        self.errors: dict[str, int] = {}
        self.users = 0
        self.response_total_us = 0
        self.timed = 0
        """Calls that make up the total."""
        self.in_flight_mean = 0.0
        self.trouble = ""
        """Why the run must end at once, an outcome; set by whoever finds it, looked at ten times a second."""
        self._in_flight_looks = 0
        self._interval_us = int(interval_s * 1_000_000)
        self._opened_us = start_us
        self._raw: list[tuple[int, int, int, str, str]] = []
        self._response: Counter[int] = Counter()
        self._service: Counter[int] = Counter()
        self._lag: Counter[int] = Counter()
        self._before = Counts()
        self._endpoints: dict[str, tuple[Histogram, list[int]]] = {}

    def begin(self, start_us: int) -> None:
        """Set the moment everything is relative to, once what comes before (connecting) is over."""
        self.start_us = self._opened_us = start_us

    def in_flight_seen(self, calls: int) -> None:
        """Take one look at how many calls are under way; their mean is what Little's law speaks of."""
        self._in_flight_looks += 1
        self.in_flight_mean += (calls - self.in_flight_mean) / self._in_flight_looks

    def ended(self, intended_us: int, sent_us: int, done_us: int, failure: str = "", endpoint: str = "") -> None:
        """One call ended. Failed ones count in the times too: a timeout is a time a user waited."""
        self._count(done_us, failure)
        # Only kept here, and counted by the thousand: several times faster, where most of the engine's time goes.
        self._raw.append((intended_us, sent_us, done_us, failure, endpoint))
        if len(self._raw) >= _FOLD_AT:
            self._fold()

    def refused(self, at_us: int, failure: str) -> None:
        """One call failed without being sent. It has no time: nothing would be faster than a server that is gone."""
        self._count(at_us, failure)

    def _count(self, at_us: int, failure: str) -> None:
        if at_us - self._opened_us >= self._interval_us:
            self.roll(at_us)
        counts = self.counts
        counts.done += 1
        if failure:
            counts.failed += 1
            self._failed(failure)
        else:
            counts.succeeded += 1

    def _fold(self) -> None:
        """Count what was kept."""
        raw, self._raw = self._raw, []
        if not raw:
            return
        self.timed += len(raw)
        self._response.update([done - intended for intended, _, done, _, _ in raw])
        self._service.update([done - sent for _, sent, done, _, _ in raw])
        self._lag.update([sent - intended for intended, sent, _, _, _ in raw])
        self.response_total_us += sum(done - intended for intended, _, done, _, _ in raw)
        by_endpoint: dict[str, list[int]] = {}
        for _, sent, done, failure, endpoint in raw:
            if endpoint:
                by_endpoint.setdefault(endpoint, []).append(done - sent)
                if failure:
                    self._endpoint(endpoint)[1][0] += 1
        for endpoint, times in by_endpoint.items():
            self._endpoint(endpoint)[0].record_counts(Counter(times))

    def _endpoint(self, endpoint: str) -> tuple[Histogram, list[int]]:
        name = endpoint if endpoint in self._endpoints or len(self._endpoints) < MOST_KINDS else "other"
        found = self._endpoints.get(name)
        if found is None:
            found = self._endpoints[name] = (Histogram(), [0])
        return found

    def observe(self, metric: str, value_us: int) -> None:
        """One time of any other metric: a stage, the loop's lag."""
        histogram = self.histograms.get(metric)
        if histogram is None:
            histogram = self.histograms[metric] = Histogram()
        histogram.record(value_us)

    def connected(self, took_us: int) -> None:
        """A connection was opened."""
        self.counts.connections_opened += 1
        self.observe(CONNECT, took_us)

    def connection_failed(self, failure: str) -> None:
        """A connection could not be opened."""
        self.counts.connections_failed += 1
        self._failed(failure)

    def roll(self, now_us: int) -> None:
        """Close every interval that is over by now. Empty ones are kept: a silent second is a finding."""
        while now_us - self._opened_us >= self._interval_us:
            self._close(self._opened_us + self._interval_us)

    def finish(self, now_us: int) -> None:
        """Close the last interval, however short, unless nothing happened in it."""
        self.roll(now_us)
        if now_us > self._opened_us and self.counts != self._before:
            self._close(now_us)

    def endpoints(self) -> dict[str, dict[str, float]]:
        """Per endpoint: calls, failed, mean and p95 of the service time (ms)."""
        self._fold()
        return {
            name: {
                "calls": histogram.count,
                "failed": failed[0],
                "mean_ms": histogram.mean_us / 1000,
                "p95_ms": histogram.percentile_us(95) / 1000,
            }
            for name, (histogram, failed) in sorted(self._endpoints.items())
        }

    def latest_us(self) -> Counter[int]:
        """Response times (µs) of the open interval, for a live view."""
        self._fold()
        return self._response

    def _failed(self, failure: str) -> None:
        kind = failure if failure in self.errors or len(self.errors) < MOST_KINDS else "other"
        self.errors[kind] = self.errors.get(kind, 0) + 1

    def open_point(self, now_us: int) -> list[Point]:
        """The interval that is still open, as far as it has come; none when it has only begun."""
        return [self._point(now_us)] if now_us > self._opened_us else []

    def whole_histograms(self) -> dict[str, Histogram]:
        """Copies of all histograms, with what the open interval has."""
        whole: dict[str, Histogram] = {}
        for metric, histogram in self.histograms.items():
            whole.setdefault(metric, Histogram()).merge(histogram)
        for metric, times in self._times():
            whole.setdefault(metric, Histogram()).record_counts(times)
        return whole

    def _times(self) -> tuple[tuple[str, Counter[int]], ...]:
        self._fold()
        return ((RESPONSE, self._response), (SERVICE, self._service), (LAG, self._lag))

    def _close(self, end_us: int) -> None:
        self.series.append(self._point(end_us))
        for metric, times in self._times():
            if metric not in self.histograms:
                self.histograms[metric] = Histogram()
            self.histograms[metric].record_counts(times)
            times.clear()
        self._before = self.counts.copy()
        self._opened_us = end_us

    def _point(self, end_us: int) -> Point:
        self._fold()
        response, service = self._response, self._service
        now, before = self.counts, self._before
        timed = response.total()
        cuts = percentile_of_counts(response, (50, 95, 99))
        return Point(
            at_s=(self._opened_us - self.start_us) / 1e6,
            length_s=(end_us - self._opened_us) / 1e6,
            users=self.users,
            sent=now.sent - before.sent,
            received=now.received - before.received,
            succeeded=now.succeeded - before.succeeded,
            failed=now.failed - before.failed,
            mean_ms=_mean_ms(response, timed),
            p50_ms=cuts[0] / 1000,
            p95_ms=cuts[1] / 1000,
            p99_ms=cuts[2] / 1000,
            service_p50_ms=percentile_of_counts(service, (50,))[0] / 1000,
            service_mean_ms=_mean_ms(service, timed),
            bytes_sent=now.bytes_sent - before.bytes_sent,
            bytes_received=now.bytes_received - before.bytes_received,
            timed=timed,
        )


def _mean_ms(counts: Counter[int], timed: int) -> float:
    return sum(value * count for value, count in counts.items()) / timed / 1000 if timed else 0.0


def interval_for(duration_s: float) -> float:
    """Seconds an interval of the series should have, so that a run has at most an hour's worth of points."""
    return max(1.0, float(-(-int(duration_s) // 3600)))
