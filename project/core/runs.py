"""Load runs: what is run, how it went, and whether it went worse than the run it is measured against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

MOST_REQUESTS: Final = 10_000
MOST_CONCURRENT: Final = 100
Mode = Literal["load", "stress"]
State = Literal["running", "finished", "stopped", "failed"]
STRESS_STEPS: Final = (1, 2, 5, 10, 20, 40, 70, 100)
"""Concurrency of a stress run's steps."""
_SLOWER: Final = 1.25
_FEWER: Final = 0.8
_MORE_FAILURES: Final = 0.01


@dataclass(frozen=True, slots=True)
class LoadTarget:
    """What a run calls, how often and how many at once; ``timeout_s`` is of one call."""

    method: str
    params: Mapping[str, Any]
    total: int
    concurrency: int
    timeout_s: float = 10.0
    mode: Mode = "load"

    @property
    def key(self) -> str:
        """What can be compared with it: runs of the same mode, method and space."""
        space_id = self.params.get("space_id") if self.method == "space.infer" else None
        return ":".join(filter(None, (self.mode, self.method, str(space_id or ""))))[:200]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run as it was measured. Durations are in ms, ``rps`` is requests a second, ``errors`` by kind."""

    concurrency: int
    total: int
    done: int = 0
    success: int = 0
    failed: int = 0
    avg_ms: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    rps: float = 0.0
    elapsed_s: float = 0.0
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadRun:
    """A run of the load tester. ``pid`` is of its process just now; ``steps`` are more than one in a stress run."""

    id: str
    target: LoadTarget
    state: State
    started_by: str
    started_at: float
    finished_at: float | None = None
    pid: int | None = None
    steps: tuple[Step, ...] = ()
    schedule_id: str | None = None
    baseline: bool = False
    alerts: tuple[str, ...] = ()
    compared_to: str | None = None
    error: str | None = None
    code: str | None = None
    """What ``error`` is, for those who read another language: ``generator_not_started`` or ``generator_ended``."""


@dataclass(frozen=True, slots=True)
class LoadSchedule:
    """A run that begins by itself every ``every_s``, next at ``next_at``."""

    id: str
    name: str
    target: LoadTarget
    every_s: float
    next_at: float
    created_by: str
    last_run_id: str | None = None
    last_error: str | None = None
    last_code: str | None = None

    def moved_on(self, now: float) -> LoadSchedule:
        """The same, next after ``now``. Turns that were missed are not made up for."""
        missed = max(0, int((now - self.next_at) // self.every_s))
        return replace(self, next_at=self.next_at + (missed + 1) * self.every_s)


@dataclass(frozen=True, slots=True)
class Template:
    """Parameters of a method kept under a name."""

    id: str
    name: str
    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    created_by: str = ""
    created_at: float = 0.0


def whole(run: LoadRun) -> Step:
    """All steps of a run as one. Percentiles of several steps are those of the slowest."""
    steps = run.steps
    if len(steps) == 1:
        return steps[0]
    done = sum(step.done for step in steps)
    elapsed_s = sum(step.elapsed_s for step in steps)
    errors: Counter[str] = Counter()
    for step in steps:
        errors.update(step.errors)
    return Step(
        concurrency=max((step.concurrency for step in steps), default=run.target.concurrency),
        total=run.target.total,
        done=done,
        success=sum(step.success for step in steps),
        failed=sum(step.failed for step in steps),
        avg_ms=sum(step.avg_ms * step.done for step in steps) / done if done else 0.0,
        p50_ms=max((step.p50_ms for step in steps), default=0.0),
        p95_ms=max((step.p95_ms for step in steps), default=0.0),
        p99_ms=max((step.p99_ms for step in steps), default=0.0),
        rps=done / elapsed_s if elapsed_s else 0.0,
        elapsed_s=elapsed_s,
        errors=dict(errors),
    )


def planned_steps(target: LoadTarget) -> tuple[Step, ...]:
    """The steps of a run: one, or in a stress run more and more at once, up to the target's concurrency."""
    if target.mode == "load":
        return (Step(target.concurrency, target.total),)
    levels = [*(level for level in STRESS_STEPS if level < target.concurrency), target.concurrency]
    return tuple(Step(level, max(1, target.total // len(levels))) for level in levels)


def is_saturated(steps: tuple[Step, ...]) -> bool:
    """Whether more at once brings nothing more: calls fail, or two steps in a row gained less than a twentieth."""
    if not steps:
        return False
    last = steps[-1]
    if last.done and last.failed / last.done > 0.05:
        return True
    if len(steps) < 3:
        return False
    return all(now.rps < before.rps * 1.05 for before, now in zip(steps[-3:], steps[-2:], strict=False))


def regressions(before: Step, after: Step) -> tuple[str, ...]:
    """In what a run is worse than its baseline: any of ``p95``, ``rps``, ``failures``.

    Worse is: a quarter slower at the 95th percentile, a fifth fewer requests a second, one failure more in a hundred.
    """
    found = []
    if before.p95_ms and after.p95_ms > before.p95_ms * _SLOWER:
        found.append("p95")
    if after.rps < before.rps * _FEWER:
        found.append("rps")
    if _failure_share(after) > _failure_share(before) + _MORE_FAILURES:
        found.append("failures")
    return tuple(found)


def _failure_share(step: Step) -> float:
    return step.failed / step.done if step.done else 0.0
