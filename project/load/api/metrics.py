"""Metrics of a test that is written by hand: what the manager and its clients report, live and in the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from project.load.core.record import Point, RunRecord
from project.load.core.recorder import Recorder
from project.load.core.validity import validate
from project.load.engine.clock import now_us
from project.load.errors import BadUsage, OutputFailed
from project.load.output.folder import series_csv, write_atomically
from project.load.output.prometheus import MetricsPage
from project.load.output.shapes import websocket_shape

WINDOW_S: Final = 5.0
SERIES: Final[dict[str, Callable[[Point], float]]] = {
    "latency_ms": lambda point: point.mean_ms,
    "latency_p95_ms": lambda point: point.p95_ms,
    "latency_p99_ms": lambda point: point.p99_ms,
    "messages_sent_per_second": lambda point: point.sent / point.length_s,
    "messages_received_per_second": lambda point: point.received / point.length_s,
    "bytes_sent_per_second": lambda point: point.bytes_sent / point.length_s,
    "bytes_received_per_second": lambda point: point.bytes_received / point.length_s,
    "error_rate": lambda point: _share(point.failed, point.ended),
    "connections": lambda point: point.users,
}
_latest: ContextVar[MetricsCollector | None] = ContextVar("latest_metrics", default=None)


class MetricsCollector:
    """Counts and times of one test. A manager that was given none reports to the one made last in its context."""

    def __init__(self, interval_s: float = 1.0):
        self.recorder = Recorder(now_us(), interval_s)
        self.started_at = time.time()
        self._ticking: asyncio.Task[None] | None = None
        self._prometheus: MetricsPage | None = None
        _latest.set(self)

    @staticmethod
    def latest() -> MetricsCollector | None:
        """The collector made last in this context."""
        return _latest.get()

    async def start_real_time_stats(self) -> None:
        """Close intervals on time even when nothing happens. Harmless when started already."""
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())

    async def stop_real_time_stats(self) -> None:
        """End it."""
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
            self._ticking = None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self.recorder.roll(now_us())

    def record_connection_attempt(self, success: bool, duration_ms: float = 0.0, error: str = "") -> None:
        """A connection was opened, or could not be."""
        if success:
            self.recorder.connected(int(duration_ms * 1000))
            self.recorder.users += 1
        else:
            self.recorder.connection_failed(error or "connection_failed")

    def record_connection_closed(self, *, lost: bool = False) -> None:
        """A connection ended; ``lost``: without our wanting it."""
        self.recorder.users = max(0, self.recorder.users - 1)
        self.recorder.counts.connections_lost += lost

    def record_message_sent(self, size_bytes: int = 0) -> None:
        """A message went out."""
        self.recorder.counts.sent += 1
        self.recorder.counts.bytes_sent += size_bytes

    def record_message_received(self, size_bytes: int = 0) -> None:
        """A message came in."""
        self.recorder.counts.received += 1
        self.recorder.counts.bytes_received += size_bytes

    def record_latency(self, latency_ms: float) -> None:
        """A message was answered after so long."""
        now = now_us()
        self.record_round_trip(now - int(latency_ms * 1000), now)

    def record_round_trip(self, sent_us: int, done_us: int, failure: str = "") -> None:
        """A message was answered, or given up; times of ``now_us``."""
        self.recorder.ended(sent_us, sent_us, done_us, failure=failure)

    def record_error(self, error_type: str) -> None:
        """Something failed."""
        self.recorder.refused(now_us(), error_type)

    def get_real_time_stats(self) -> dict[str, float]:
        """The last seconds: ``messages_per_second`` (sent), ``current_latency_ms`` (mean), ``error_rate`` (0-1) ..."""
        points = self._points(WINDOW_S)
        length_s = sum(point.length_s for point in points) or 1.0
        ended = sum(point.ended for point in points)
        return {
            "messages_per_second": sum(point.sent for point in points) / length_s,
            "received_per_second": sum(point.received for point in points) / length_s,
            "current_latency_ms": _weighted(points, "mean_ms"),
            "p95_latency_ms": max((point.p95_ms for point in points), default=0.0),
            "error_rate": _share(sum(point.failed for point in points), ended),
            "active_connections": float(self.recorder.users),
            "elapsed_seconds": (now_us() - self.recorder.start_us) / 1e6,
        }

    def get_time_series_data(self, metric: str, duration_seconds: float | None = None) -> list[tuple[float, float]]:
        """``(epoch s, value)`` per interval, of the last ``duration_seconds`` or of all. Raises BadUsage."""
        if metric not in SERIES:
            raise BadUsage(f"there is no series {metric!r}; there are {', '.join(SERIES)}")
        read = SERIES[metric]
        points = self._points(duration_seconds)
        return [(self.started_at + point.at_s, read(point)) for point in points if point.length_s]

    def _points(self, seconds: float | None) -> list[Point]:
        now = now_us()
        self.recorder.roll(now)
        points = [*self.recorder.series, *self.recorder.open_point(now)]
        if seconds is None:
            return points
        since_s = (now - self.recorder.start_us) / 1e6 - seconds
        return [point for point in points if point.at_s + point.length_s > since_s]

    async def start_prometheus(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Serve ``/metrics`` from the running loop; the port. Raises OutputFailed when it is taken."""
        self._prometheus = MetricsPage(lambda: self.recorder)
        return await self._prometheus.start(port, host)

    async def stop_prometheus(self) -> None:
        """End it."""
        if self._prometheus is not None:
            await self._prometheus.stop()
            self._prometheus = None

    def record(self, name: str = "test") -> RunRecord:
        """Everything so far as the record of a run, which reports, comparison and merging read."""
        now = now_us()
        recorder = self.recorder
        recorder.roll(now)
        record = RunRecord(
            name=name,
            scenario="custom",
            kind="websocket",
            url="",
            config={},
            seed=0,
            started_at=datetime.fromtimestamp(self.started_at, UTC).isoformat(timespec="milliseconds"),
            duration_s=(now - recorder.start_us) / 1e6,
            done_in_time=recorder.counts.done,
            counts=recorder.counts.copy(),
            histograms=recorder.whole_histograms(),
            series=[*recorder.series, *recorder.open_point(now)],
            errors=dict(recorder.errors),
        )
        record.validity = validate(record)
        return record

    def get_metrics(self) -> dict[str, Any]:
        """Connections, messages, latency and throughput, in the shape of the metrics' document."""
        return websocket_shape(self.record())

    def generate_summary_report(self) -> str:
        """The same for people."""
        metrics = self.get_metrics()
        connections, messages = metrics["connection_metrics"], metrics["message_metrics"]
        latency, throughput = metrics["latency_metrics"], metrics["throughput_metrics"]
        lines = [
            "WebSocket load test",
            f"  Connections: {connections['successful_connections']} of {connections['total_connections']} opened "
            f"({connections['success_rate']:.1%})",
            f"  Messages: {messages['messages_sent']} sent ({throughput['messages_per_second_sent']:.1f}/s), "
            f"{messages['messages_received']} received ({throughput['messages_per_second_received']:.1f}/s)",
            f"  Bytes: {messages['bytes_sent']} sent, {messages['bytes_received']} received",
            f"  Latency (ms): min {latency['min_ms']:.2f}, avg {latency['avg_ms']:.2f}, p50 {latency['p50_ms']:.2f}, "
            f"p95 {latency['p95_ms']:.2f}, p99 {latency['p99_ms']:.2f}, max {latency['max_ms']:.2f}",
        ]
        errors = self.recorder.errors
        lines.append(f"  Errors: {sum(errors.values())}" + "".join(f", {n} x {kind}" for kind, n in errors.items()))
        return "\n".join(lines)

    def save_metrics(self, path: Path | str) -> Path:
        """Write the metrics: the series for ``.csv``, everything as JSON for any other name. Raises OutputFailed."""
        path = Path(path)
        if path.suffix.lower() == ".csv":
            text = series_csv(self._points(None))
        else:
            series = {name: self.get_time_series_data(name) for name in SERIES}
            errors = {"errors": dict(self.recorder.errors), "time_series": series}
            text = json.dumps(self.get_metrics() | errors, indent=1) + "\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)
        except OSError as error:
            raise OutputFailed(f"Cannot write {path}: {error.strerror}") from error
        return path


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _weighted(points: list[Point], name: str) -> float:
    timed = [point.timed for point in points]
    total = sum(getattr(point, name) * count for point, count in zip(points, timed, strict=True))
    return _share(total, sum(timed))
