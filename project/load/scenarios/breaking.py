"""Scenarios that look for a limit: stress until it breaks, and the capacity under thresholds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from project.load.core import profile
from project.load.core.capacity import CapacitySearch
from project.load.core.merging import merge_records
from project.load.core.plan import Plan
from project.load.core.record import Point, RunRecord
from project.load.core.steps import step_of
from project.load.core.thresholds import CRITICAL, Threshold, judge
from project.load.engine.run import Progress
from project.load.errors import BadUsage
from project.load.scenarios.scenario import SPACING, Conductor, Option, Options, Scenario


@dataclass
class _Breaking:
    """Watches a run's steps and ends it when one is past the limits."""

    conductor: Conductor
    step_s: float
    most_ms: float
    most_errors: float
    events: list[dict[str, Any]] = field(default_factory=list)
    broken: dict[str, Any] | None = None

    def tell(self, _progress: Progress) -> None:
        run = self.conductor.current
        series: list[Point] = run.series if run is not None else []
        ended_s = series[-1].at_s + series[-1].length_s if series else 0.0
        while self.broken is None and ended_s >= (len(self.events) + 1) * self.step_s - 1e-6:
            self._judge(series)

    def _judge(self, series: list[Point]) -> None:
        from_s = len(self.events) * self.step_s
        points = [point for point in series if from_s - 1e-6 <= point.at_s < from_s + self.step_s - 1e-6]
        step = step_of(points)
        over = [
            text
            for text, is_over in (
                (f"95th percentile {step.p95_ms:.1f} ms, target {self.most_ms:g} ms", step.p95_ms > self.most_ms),
                (f"errors {step.error_share:.1%}, limit {self.most_errors:.1%}", step.error_share > self.most_errors),
                ("no call ended", not step.done),
            )
            if is_over
        ]
        self.events.append({"what": "step", **asdict(step), "over": over})
        if over and self.conductor.current is not None:
            self.broken = {"users": step.users, "rate": round(step.rate, 2), "because": "; ".join(over)}
            self.conductor.current.stop("finished")


def _stress_plan(options: Options, seed: int) -> Plan:
    most = options["max_clients"]
    if options["ramp_up"]:
        shape = profile.climb(most, options["ramp_up"], options["hold"])
    else:
        initial = min(options["initial_clients"], most)
        shape = profile.ramp(initial, most, options["steps"], options["step_duration"])
    return Plan("stress", "closed", shape, think_s=options["message_interval"], seed=seed)


async def _stress(conductor: Conductor, options: Options) -> RunRecord:
    ramp_up = options["ramp_up"]
    step_s = max(1.0, ramp_up / options["steps"]) if ramp_up else options["step_duration"]
    watch = _Breaking(conductor, step_s, options["target_latency"], options["error_threshold"])
    record = await conductor.run(_stress_plan(options, conductor.seed), watchers=(watch.tell,))
    record.events = watch.events
    good = [event for event in watch.events if not event["over"]]
    record.findings["breaking_point"] = watch.broken or "not reached"
    if good:
        best = max(good, key=lambda event: event["users"])
        record.findings["held"] = {"users": best["users"], "rate": round(best["rate"], 2)}
    return record


def _trial_thresholds(options: Options) -> tuple[Threshold, ...]:
    return (
        Threshold("p95_ms", options["target_latency"], options["target_latency"]),
        Threshold("error_percent", 100 * options["error_threshold"], 100 * options["error_threshold"], inclusive=True),
    )


async def _capacity(conductor: Conductor, options: Options) -> RunRecord:
    search = CapacitySearch(
        options["initial_rate"], options["max_rate"], options["precision"], options["confirmations"]
    )
    records: list[RunRecord] = []
    events: list[dict[str, Any]] = []
    since_s = 0.0
    while (
        (rate := search.next_rate()) is not None and not conductor.stopped_as and len(records) < options["max_trials"]
    ):
        phase = search.phase
        plan = Plan(
            "capacity",
            "open",
            profile.steady(rate, options["trial_duration"]),
            connections=options["clients"],
            spacing=options["arrivals"],
            # An overwhelmed target is not waited for to its end, but what may pass is.
            drain_s=max(min(10.0, options["trial_duration"]), options["target_latency"] / 1000),
            seed=conductor.seed + len(records),
        )
        record = await conductor.run(plan)
        if record.outcome == "target_lost":
            record.outcome = "finished"  # an overwhelmed target is what is looked for
        because = _failings(record, options)
        valid = record.validity.valid
        events.append(
            {"at_s": since_s, "what": phase, "rate": rate, "passed": not because, "valid": valid, "because": because}
        )
        since_s += _length_s(record)
        records.append(record)
        search.tried(rate, not because)
    return _found(search, records, events)


def _failings(record: RunRecord, options: Options) -> list[str]:
    """Why a trial has not passed; nothing when it has.

    A queue that grows shows in the times, which count from when calls were meant to start.
    """
    judged = judge(record, _trial_thresholds(options))
    because = [finding.text for finding in judged.findings if finding.level == CRITICAL]
    if record.counts.never_started:
        because.append(f"Not driven: {record.counts.never_started} calls never started")
    return because


def _length_s(record: RunRecord) -> float:
    """Seconds of a trial with what was waited for at its end."""
    last = record.series[-1] if record.series else None
    return max(record.duration_s, last.at_s + last.length_s if last is not None else 0.0)


def _found(search: CapacitySearch, records: list[RunRecord], events: list[dict[str, Any]]) -> RunRecord:
    if not records:
        raise BadUsage("the search was ended before its first trial")
    whole = merge_records(records)
    # They were driven one after another, not together.
    whole.series = [
        replace(point, at_s=event["at_s"] + point.at_s)
        for record, event in zip(records, events, strict=True)
        for point in record.series
    ]
    whole.duration_s, whole.events = sum(record.duration_s for record in records), events
    whole.in_flight_mean = sum(record.in_flight_mean * record.duration_s for record in records) / whole.duration_s
    whole.outcome = records[-1].outcome
    low, high = search.interval
    # What says how far the target can go are the trials at both ends, and no others.
    ends = [record for record, event in zip(records, events, strict=True) if event["rate"] in (low, high)]
    whole.validity = merge_records(ends or records).validity
    whole.findings["capacity"] = {
        "rate": low,
        "at_most": high if high is not None else "not found",
        "confirmed": search.phase == "done" and low > 0,
        "trials": len(records),
    }
    return whole


TARGET_LATENCY: Final = Option("target_latency", "float", 100.0, "ms the 95th percentile may have.", 0.001, 3.6e6)
ERROR_THRESHOLD: Final = Option("error_threshold", "float", 0.05, "Share of calls that may fail (0-1).", 0, 1)

STRESS: Final = Scenario(
    "stress",
    "More and more clients until the target breaks: too slow, or too many errors.",
    (
        Option("max_clients", "int", 1000, "Clients at most.", 1, 100_000),
        TARGET_LATENCY,
        ERROR_THRESHOLD,
        Option("initial_clients", "int", 10, "Clients of the first step.", 1, 100_000),
        Option("steps", "int", 10, "Steps.", 1, 1000),
        Option("step_duration", "int", 30, "Seconds of a step; whole ones.", 1, 86_400),
        Option("message_interval", "float", 1.0, "Seconds a client pauses after an answer, on average.", 0, 3600),
        Option("ramp_up", "float", None, "Seconds to reach --max-clients in a line, instead of steps.", 1, 86_400),
        Option("hold", "float", 0.0, "Seconds to stay there, with --ramp-up.", 0, 86_400),
    ),
    _stress,
    planner=_stress_plan,
)
CAPACITY: Final = Scenario(
    "capacity",
    "The highest rate that meets the thresholds, by bisection, confirmed, with an interval.",
    (
        Option("clients", "int", 100, "Connections.", 1, 100_000),
        TARGET_LATENCY,
        ERROR_THRESHOLD,
        Option("initial_rate", "float", 50.0, "Calls per second of the first trial.", 0.1, 1_000_000),
        Option("max_rate", "float", 100_000.0, "Calls per second at most.", 0.1, 1_000_000),
        Option("trial_duration", "float", 10.0, "Seconds of a trial.", 0.5, 3600),
        Option("precision", "float", 0.05, "The interval's width as a share that is near enough.", 0.001, 0.5),
        Option("confirmations", "int", 2, "Trials that must pass at the rate that was found.", 0, 100),
        Option("max_trials", "int", 60, "Trials at most.", 1, 10_000),
        SPACING,
    ),
    _capacity,
)
