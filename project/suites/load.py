"""A load suite on the load engine: so many requests by so many users, and every one must be accepted and complete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from project.load.core.plan import Plan
from project.load.core.profile import steady
from project.load.core.record import RESPONSE, STAGES, RunRecord
from project.load.engine.loops import run_in_loop
from project.load.engine.run import Progress, Run
from project.load.errors import TargetUnreachable
from project.load.targets.base import Answer
from project.load.targets.relay import WRONG_RESULT, RelayOptions, RelayTarget
from project.suites.bench import Bench
from project.suites.check import Check
from project.suites.expect import Unmet, body_of, expect, expect_refusal, part_of
from project.suites.processes import mock_app

INSTANT: Final = ("--min-seconds", "0", "--max-seconds", "0")
MOST_S: Final = 86_400.0
SLOWEST_RATE_S: Final = 60
ENDS: Final = ("completed", "failed", "lost", "refused", "mixed up")
ALWAYS_TOLD: Final = ENDS[:3]


@dataclass
class Ends:
    """How many requests ended how, one of ENDS, and what the first that went wrong says."""

    counts: Counter[str] = field(default_factory=Counter)
    first_problem: str = ""

    def take(self, intended_us: int, sent_us: int | None, done_us: int, answer: Answer) -> None:
        """Take one request's end from the engine."""
        self.counts[_end_of(answer)] += 1
        if answer.failure and not self.first_problem:
            self.first_problem = answer.message or answer.failure

    @property
    def told(self) -> str:
        """In words."""
        return ", ".join(f"{self.counts[end]} {end}" for end in ENDS if end in ALWAYS_TOLD or self.counts[end])


def _end_of(answer: Answer) -> str:
    if not answer.failure:
        return "completed"
    if answer.failure == WRONG_RESULT:
        return "mixed up"
    # The engine keeps HTTP's status only of an answer that settles it: of the result, or of a refusal.
    return "failed" if answer.status == 200 else "refused" if answer.status else "lost"


def _load(bench: Bench) -> None:
    ends = Ends()
    with _served_space(bench) as space_id:
        bench.user()  # whose account is made if there is none
        record = _driven(bench, space_id, ends)
    _tell(bench, record, ends)
    if ends.counts["completed"] != bench.requests:
        raise Unmet(f"expected {bench.requests} completed, got {ends.told}; the first: {_first(record, ends)}")


def _first(record: RunRecord, ends: Ends) -> str:
    return ends.first_problem or f"the run was {record.outcome.replace('_', ' ')}"


def _driven(bench: Bench, space_id: str, ends: Ends) -> RunRecord:
    """Let every user send one request after another until all are sent."""
    options = RelayOptions(space_id, bench.username, bench.password, echoed=not bench.space)
    plan = Plan("load", "closed", steady(bench.concurrency, MOST_S), requests=bench.requests)

    def say(progress: Progress) -> None:
        bench.say(ends.told, progress.done, bench.requests)

    target = RelayTarget(bench.host, options, timeout_s=bench.patience_s)
    run = Run(plan, target, watchers=(say,), sinks=(ends.take,))
    try:
        record = run_in_loop(run.go())
    except TargetUnreachable as error:
        raise Unmet(error.message) from error
    return record


def _tell(bench: Bench, record: RunRecord, ends: Ends) -> None:
    """A summary for people."""
    rate = ends.counts["completed"] / record.duration_s if record.duration_s else 0.0
    bench.notes.append(f"{ends.told} in {record.duration_s:.1f} s ({rate:.0f} completed per second)")
    for name, metric in (("submit to result", RESPONSE), *((f"of that, {stage}", stage) for stage in STAGES)):
        times = record.histogram(metric)
        if times.count:
            cuts = zip((50, 95, 99), times.percentiles_us((50, 95, 99)), strict=True)
            bench.notes.append(f"{name}: " + ", ".join(f"p{share} {cut_us / 1000:.0f} ms" for share, cut_us in cuts))
    for kind, count in record.errors.items():
        bench.notes.append(f"{count} x {kind}")
    if not record.validity.valid:
        doubts = "; ".join(finding.text for finding in record.validity.findings if finding.level == "critical")
        bench.notes.append(f"read the times with care, this tool was too busy itself: {doubts}")


@contextmanager
def _served_space(bench: Bench) -> Iterator[str]:
    """The space that was asked for, or one of our own with a worker of our own."""
    if bench.space:
        space_id = bench.find_space(bench.space)
        expect(bench.is_connected(space_id), True, f"the space {bench.space} is connected")
        yield space_id
        return
    name = bench.name("Load")
    space_id = bench.make_space(name)
    bench.say("waiting for the mock app")
    with mock_app(bench, space_id, name, *INSTANT):
        yield space_id


def _rate_limit(bench: Bench) -> None:
    name = bench.name("Rate")
    space_id = bench.make_space(name, ws_rate_limit_seconds=str(SLOWEST_RATE_S))
    user = bench.user()
    with mock_app(bench, space_id, name, *INSTANT):
        body_of(user.submit(space_id, data={"prompt": "first"}), 200, "the first submit")
        answer = user.submit(space_id, data={"prompt": "second"})
    body = expect_refusal(answer, 429, "rate_limited", "the second submit at once")
    wait_s = part_of(body, "retry_after")
    known = isinstance(wait_s, (int, float)) and not isinstance(wait_s, bool) and 0 < wait_s <= SLOWEST_RATE_S
    expect(known, True, f"retry_after ({wait_s!r}) is a number of seconds up to {SLOWEST_RATE_S}")
    expect(answer.headers.get("Retry-After", "").isdigit(), True, "the header Retry-After is a number of seconds")


CHECKS: Final = (
    Check("every request is accepted and completes", _load),
    Check("too soon is refused with the time to wait", _rate_limit),
)
