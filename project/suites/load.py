"""A small load suite: so many requests by so many users, and every one must be accepted and complete."""

from __future__ import annotations

import itertools
import math
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from project.errors import SpacesError
from project.suites.bench import Bench, Say
from project.suites.check import Check
from project.suites.client import Visitor
from project.suites.expect import POLL_S, Unmet, body_of, expect, expect_refusal, part_of
from project.suites.processes import mock_app

WAIT_S: Final = 30.0
"""How long one call waits at the site."""
INSTANT: Final = ("--min-seconds", "0", "--max-seconds", "0")
SLOWEST_RATE_S: Final = 60
OVER: Final = ("completed", "failed", "cancelled")
ENDS: Final = ("completed", "failed", "lost", "refused", "mixed up")
ALWAYS_TOLD: Final = ENDS[:3]


@dataclass
class Run:
    """What became of every request. ``times_ms`` are those of completed ones, from submission to result."""

    total: int
    own_mock: bool
    patience_s: float
    times_ms: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, end: str, problem: str = "", time_ms: float | None = None) -> None:
        """Note how one request ended, one of ENDS."""
        with self.lock:
            self.ends[end] += 1
            if problem:
                self.problems.append(problem)
            if time_ms is not None:
                self.times_ms.append(time_ms)

    def told(self) -> str:
        """How many ended how, in words."""
        with self.lock:
            return ", ".join(f"{self.ends[end]} {end}" for end in ENDS if end in ALWAYS_TOLD or self.ends[end])


def _load(bench: Bench) -> None:
    with _served_space(bench) as space_id:
        run = Run(bench.requests, own_mock=not bench.space, patience_s=bench.patience_s)
        # One login for all: it is the relay that is under load here, not the hashing of passwords.
        user = bench.user()
        users = [user.twin() for _ in range(bench.concurrency)]
        with _pool(bench.concurrency) as pool:
            began = time.monotonic()
            _drive(pool, users, space_id, run, bench.say)
            seconds = time.monotonic() - began
    _tell(bench, run, seconds)
    if run.ends["completed"] != run.total:
        raise Unmet(f"expected {run.total} completed, got {run.told()}; the first: {run.problems[0]}")


def _tell(bench: Bench, run: Run, seconds: float) -> None:
    rate = run.ends["completed"] / seconds
    bench.notes.append(f"{run.told()} in {seconds:.1f} s ({rate:.0f} completed per second)")
    if run.times_ms:
        marks = ", ".join(f"p{share} {_percentile(run.times_ms, share):.0f} ms" for share in (50, 95, 99))
        bench.notes.append(f"submit to result: {marks}")


def _drive(pool: ThreadPoolExecutor, users: Sequence[Visitor], space_id: str, run: Run, say: Say) -> None:
    """Let every user send one request after another until all are sent, and count how they ended."""
    numbers = itertools.count()
    stop = threading.Event()

    def send_on(user: Visitor) -> None:
        # next() on a count is one step, so no two users send the same number.
        while not stop.is_set() and next(numbers) < run.total:
            _one(user, space_id, run)
            say(run.told(), sum(run.ends.copy().values()), run.total)

    futures = [pool.submit(send_on, user) for user in users]
    try:
        for future in futures:
            future.result()
    finally:
        stop.set()


def _one(user: Visitor, space_id: str, run: Run) -> None:
    """One request from its submission to its end. Whatever goes wrong is counted, none is left out."""
    token = secrets.token_hex(6)
    began = time.monotonic()
    try:
        answer = user.submit(space_id, data={"prompt": f"Request {token}", "wait": f"{WAIT_S:g}"})
        if answer.status_code != 200:
            run.count("refused", f"submit was refused: {answer.status_code} {answer.text[:200]}")
            return
        body = _ended(user, body_of(answer, 200, "submit"), began + run.patience_s)
    except (Unmet, SpacesError) as error:
        run.count("lost", str(error))
        return
    status = str(body.get("status"))
    if status not in OVER:
        run.count("lost", f"request {body.get('request_id')}: {status} after {run.patience_s:g} s")
    elif status != "completed":
        run.count("failed", f"request {body.get('request_id')}: {status}, {body.get('error')}")
    elif run.own_mock and token not in str(body.get("result")):
        run.count("mixed up", f"request {body.get('request_id')} got the result of another one: {body.get('result')}")
    else:
        run.count("completed", time_ms=(time.monotonic() - began) * 1000)


def _ended(user: Visitor, body: dict[str, Any], deadline: float) -> dict[str, Any]:
    """The request's status once it is over, or at the deadline."""
    request_id = str(part_of(body, "request_id"))
    while part_of(body, "status") not in OVER and time.monotonic() < deadline:
        wait_s = max(0.1, min(WAIT_S, deadline - time.monotonic()))
        body = body_of(user.status(request_id, wait_s), 200, "status")
        expect(part_of(body, "request_id"), request_id, "request_id of a status")
        if part_of(body, "status") not in OVER:
            # A site that does not wait must not be asked in a busy loop.
            time.sleep(POLL_S)
    return body


@contextmanager
def _pool(size: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(size)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _percentile(values: Sequence[float], share: int) -> float:
    """The nearest-rank percentile: a value that was measured, also when there are few."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]


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
