"""One run from beginning to end: prepare, drive, drain, record. What was measured is kept, however it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from project.load.core.histogram import percentile_of_counts
from project.load.core.plan import Plan
from project.load.core.record import LOOP, RESPONSE, Point, RunRecord
from project.load.core.recorder import Recorder, interval_for
from project.load.core.validity import validate
from project.load.engine.clock import Sleeper, now_us
from project.load.engine.closed import ClosedDriver
from project.load.engine.gauge import Gauge
from project.load.engine.opened import OpenDriver
from project.load.engine.state import Sink, State
from project.load.engine.waits import unless_stopped
from project.load.errors import CallFailed, TargetUnreachable
from project.load.targets.base import Target

PULSE_S = 0.1
TELL_EVERY = 5
LOOK_EVERY = 10
GONE_AT_END_S = 1.0
"""A target that has been gone for so long when the run ends has died, though nobody waits to see whether it returns."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A run as it stands. Times in ms; ``total`` is None where only the time is planned."""

    status: str
    total: int | None
    done: int
    success: int
    failed: int
    avg_ms: float
    p50: float
    p95: float
    p99: float
    rps: float
    elapsed_s: float
    planned_s: float
    users: int
    in_flight: int
    errors: dict[str, int]


Watcher = Callable[[Progress], None]


class Driver(Protocol):
    """Decides what is called when."""

    async def prepare(self) -> None:
        """What comes before the clock starts. Raises CallFailed when the run cannot begin."""

    async def drive(self) -> None:
        """Call until the plan is done or the run is stopped."""

    async def drain(self, seconds: float | None) -> None:
        """Wait so long (None: however long) for calls under way, unless the run is broken off; then end everything."""


DriverMaker = Callable[[State], Driver]


class Run:
    """One run of a plan against a target. ``stop`` may be called at any time, from the loop's own thread."""

    def __init__(
        self,
        plan: Plan,
        target: Target,
        *,
        watchers: Sequence[Watcher] = (),
        sinks: Sequence[Sink] = (),
        name: str = "",
        driver: DriverMaker | None = None,
    ):
        self.plan = plan
        self._target = target
        self._watchers = watchers
        self._sinks = tuple(sinks)
        self._name = name or plan.scenario
        self._driver = driver or (OpenDriver if plan.model == "open" else ClosedDriver)
        self._state: State | None = None
        self._stopped_as = ""
        self.started_at = 0.0
        """Epoch seconds of the moment that is 0 in the series."""
        self.start_us = 0

    def stop(self, outcome: str = "interrupted") -> None:
        """End the run early and keep what was measured."""
        self._stopped_as = self._stopped_as or outcome
        if self._state is not None:
            self._state.stop(outcome)

    @property
    def series(self) -> list[Point]:
        """The intervals that are over."""
        return self._state.recorder.series if self._state is not None else []

    @property
    def recorder(self) -> Recorder | None:
        """Where the run's figures are; None before it began."""
        return self._state.recorder if self._state is not None else None

    async def go(self) -> RunRecord:
        """Run. Raises TargetUnreachable when it cannot even begin."""
        recorder = Recorder(now_us(), interval_for(self.plan.profile.duration_s))
        async with Sleeper() as sleeper:
            state = self._state = State(self.plan, self._target, recorder, sleeper, self._sinks)
            if self._stopped_as:
                state.stop(self._stopped_as)
            try:
                if await unless_stopped(state.stopping, self._target.open(recorder)):
                    return await self._through(state)
                self._begin(recorder)
                return self._record(state, Gauge(), now_us(), 0)
            finally:
                await self._target.close()

    def _begin(self, recorder: Recorder) -> None:
        recorder.begin(now_us())
        self.start_us, self.started_at = recorder.start_us, time.time()

    async def _through(self, state: State) -> RunRecord:
        driver = self._driver(state)
        try:
            await unless_stopped(state.stopping, driver.prepare())
        except CallFailed as error:
            raise TargetUnreachable(f"Cannot reach {self._target.url}: {error.message}") from error
        gauge = Gauge()
        recorder = state.recorder
        self._begin(recorder)
        if self.plan.model == "open":
            recorder.users = self.plan.connections
        pulse = asyncio.create_task(self._pulse(state, gauge))
        pulse.add_done_callback(state.watch)
        try:
            await driver.drive()
        except BaseException:
            state.stop("interrupted")
            raise
        finally:
            driven_us, done_in_time = now_us(), recorder.counts.done
            state.draining = True
            await driver.drain(self.plan.drain_s)
            pulse.cancel()
            await asyncio.gather(pulse, return_exceptions=True)
        if state.broken is not None:
            raise state.broken
        if state.is_lost(min(GONE_AT_END_S, self.plan.give_up_s)):
            state.stop("target_lost")
        recorder.finish(now_us())
        self._tell(state, state.outcome)
        return self._record(state, gauge, driven_us, done_in_time)

    def _record(self, state: State, gauge: Gauge, driven_us: int, done_in_time: int) -> RunRecord:
        recorder = state.recorder
        record = RunRecord(
            name=self._name,
            scenario=self.plan.scenario,
            kind=self._target.kind,
            url=self._target.url,
            config={},
            seed=self.plan.seed,
            started_at=datetime.fromtimestamp(self.started_at, UTC).isoformat(timespec="milliseconds"),
            duration_s=(driven_us - recorder.start_us) / 1e6,
            done_in_time=done_in_time,
            in_flight_mean=recorder.in_flight_mean,
            outcome=state.outcome,
            counts=recorder.counts,
            histograms=recorder.histograms,
            series=recorder.series,
            errors=dict(sorted(recorder.errors.items(), key=lambda item: -item[1])),
            endpoints=recorder.endpoints(),
            own=gauge.cost(),
        )
        record.validity = validate(record)
        return record

    async def _pulse(self, state: State, gauge: Gauge) -> None:
        """The run's heart: measures the loop's lag, closes intervals, tells watchers, sees that a target is gone."""
        beat = 0
        while True:
            due_us = now_us() + int(PULSE_S * 1e6)
            await state.sleeper.until(due_us)
            now = now_us()
            if state.in_flight or not state.draining:  # closing connections afterwards delays nothing measured
                state.recorder.observe(LOOP, max(0, now - due_us))
            if not state.draining:
                state.recorder.in_flight_seen(state.in_flight)
            state.recorder.roll(now)
            beat += 1
            if beat % LOOK_EVERY == 0:
                gauge.look()
            if beat % TELL_EVERY == 0:
                self._tell(state, "running")
            if state.is_lost(state.plan.give_up_s):
                state.stop("target_lost")
            if state.recorder.trouble:
                state.stop(state.recorder.trouble)

    def _tell(self, state: State, status: str) -> None:
        if not self._watchers:
            return
        recorder, counts = state.recorder, state.recorder.counts
        latest = recorder.latest_us()
        histogram = recorder.histograms.get(RESPONSE)
        if histogram is not None and histogram.count:
            cuts = histogram.percentiles_us((50, 95, 99))
        else:
            cuts = percentile_of_counts(latest, (50, 95, 99))
        elapsed_s = (now_us() - recorder.start_us) / 1e6
        progress = Progress(
            status=status,
            total=self.plan.planned,
            done=counts.done,
            success=counts.succeeded,
            failed=counts.failed,
            avg_ms=recorder.response_total_us / recorder.timed / 1000 if recorder.timed else 0.0,
            p50=cuts[0] / 1000,
            p95=cuts[1] / 1000,
            p99=cuts[2] / 1000,
            rps=counts.done / elapsed_s if elapsed_s > 0 else 0.0,
            elapsed_s=elapsed_s,
            planned_s=self.plan.profile.duration_s,
            users=recorder.users,
            in_flight=state.in_flight,
            errors=dict(recorder.errors),
        )
        for watcher in self._watchers:
            watcher(progress)
