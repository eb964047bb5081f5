"""A run's figures for Prometheus, served by the run's own loop, so that reading them needs no lock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from project.load.core.histogram import Histogram
from project.load.core.record import RESPONSE, SERVICE
from project.load.core.recorder import Recorder
from project.load.errors import OutputFailed

BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class RunCollector(Collector):
    """Reads the recorder of the run under way whenever Prometheus asks."""

    def __init__(self, recorder: Callable[[], Recorder | None]):
        self._recorder = recorder

    def collect(self) -> Iterator[Metric]:
        """Every metric, as it stands."""
        recorder = self._recorder()
        if recorder is None:
            return
        counts = recorder.counts
        requests = CounterMetricFamily("perf_test_requests", "Calls that ended.", labels=["result"])
        requests.add_metric(["success"], counts.succeeded)
        requests.add_metric(["failure"], counts.failed)
        yield requests
        errors = CounterMetricFamily("perf_test_errors", "Failures, by their kind.", labels=["error_type"])
        for kind, count in list(recorder.errors.items()):
            errors.add_metric([kind], count)
        yield errors
        times = recorder.whole_histograms()
        yield _histogram("perf_test_request_duration_seconds", "Intended start to answer.", times, RESPONSE)
        yield _histogram("perf_test_service_duration_seconds", "Sending to answer.", times, SERVICE)
        messages = CounterMetricFamily("perf_test_messages", "Messages, by what became of them.", labels=["state"])
        for state in ("sent", "received", "lost", "late", "duplicated", "out_of_order"):
            messages.add_metric([state], getattr(counts, state))
        yield messages
        yield GaugeMetricFamily("perf_test_users", "Users or connections at this moment.", value=recorder.users)


def _histogram(name: str, text: str, times: dict[str, Histogram], metric: str) -> HistogramMetricFamily:
    histogram = times.get(metric) or Histogram()
    recorded = histogram.buckets()
    buckets: list[tuple[str, float]] = []
    place, total = 0, 0
    for limit_s in BUCKETS_S:
        while place < len(recorded) and recorded[place][0] <= limit_s * 1e6:
            total += recorded[place][1]
            place += 1
        buckets.append((str(limit_s), total))
    buckets.append(("+Inf", histogram.count))
    family = HistogramMetricFamily(name, text)
    family.add_metric([], buckets, sum_value=histogram.mean_us * histogram.count / 1e6)
    return family


class MetricsPage:
    """``/metrics`` on a port of its own."""

    def __init__(self, recorder: Callable[[], Recorder | None]):
        self._registry = CollectorRegistry()
        self._registry.register(RunCollector(recorder))
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Listen; the port. Raises OutputFailed when it is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            raise OutputFailed(f"Cannot serve metrics on port {port}: {error.strerror}") from error
        return int(self._runner.addresses[0][1])

    async def _answer(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
