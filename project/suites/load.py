"""A small load suite: so many requests, so many users, and every accepted one must complete."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Final

from rich.progress import track

from project.suites.check import Bench, Check, Unmet, expect_that
from project.suites.client import Visitor
from project.suites.processes import mock_app


def _load(bench: Bench) -> None:
    with _served_space(bench) as space_id:
        users = [bench.user() for _ in range(bench.concurrency)]
        times, problems = _drive(users, space_id, bench.requests)
    if len(times) > 1:
        cuts = statistics.quantiles(times, n=100)
        print(f"  {len(times)} completed; p50 {cuts[49]:.0f} ms, p95 {cuts[94]:.0f} ms, p99 {cuts[98]:.0f} ms")
    if problems:
        raise Unmet(f"{len(problems)} of {bench.requests} did not complete, the first: {problems[0]}")


def _drive(users: list[Visitor], space_id: str, count: int) -> tuple[list[float], list[str]]:
    """Times of completed requests (ms, from submission to result), and what went wrong with the others."""
    times: list[float] = []
    problems: list[str] = []
    free = list(users)
    lock = threading.Lock()

    def one(number: int) -> None:
        with lock:
            user = free.pop()
        began = time.monotonic()
        try:
            answer = user.submit(space_id, data={"prompt": f"Request {number}", "wait": "30"})
            status = answer.json().get("status") if answer.status_code == 200 else answer.status_code
        finally:
            with lock:
                free.append(user)
        with lock:
            if status == "completed":
                times.append((time.monotonic() - began) * 1000)
            else:
                problems.append(f"request {number}: {status}")

    with ThreadPoolExecutor(len(users)) as pool:
        futures = [pool.submit(one, number) for number in range(count)]
        for future in track(as_completed(futures), total=count, description="  Load", transient=True):
            future.result()
    return times, problems


@contextmanager
def _served_space(bench: Bench) -> Iterator[str]:
    """The space that was asked for, or one of our own with a worker of our own."""
    if bench.space:
        expect_that(bench.user().connected(bench.space), f"the space {bench.space} is connected")
        yield bench.space
        return
    name = f"Load_{bench.stamp}"
    space_id = bench.make_space(name)
    with mock_app(bench.host, name, "--min-seconds", "0", "--max-seconds", "0"):
        yield space_id


CHECKS: Final = (Check("every accepted request completes", _load),)
