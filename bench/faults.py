"""``make bench-faults``: how long each misfortune is felt, on real processes, on loopback.

Prints redelivery after a killed worker, notice of a half-open line, the start with a long queue, the return of a crowd
of workers, and how many requests were lost or doubled on the way.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import requests  # noqa: E402

from tests.conftest import LiveSite, eventually  # noqa: E402
from tests.faults.checker import executions, read, violations  # noqa: E402
from tests.faults.proxy import proxy_to  # noqa: E402
from tests.faults.world import World  # noqa: E402


@contextmanager
def world(**settings: str) -> Iterator[tuple[World, requests.Session]]:
    """A site with a space, and somebody to submit."""
    with tempfile.TemporaryDirectory() as folder:
        live = LiveSite(Path(folder) / "data")
        made = World(live, Path(folder))
        try:
            made.begin(**settings)
            yield made, live.login("testuser", "testpass123")
        finally:
            made.end()
            live.end()


def show(what: str, seconds: float, aim: float) -> None:
    """One figure beside what it should stay under."""
    print(f"  {what:<58}{seconds:>8.2f} s   aim < {aim:g} s", flush=True)


def timed(until: Callable[[], object], within_s: float) -> float:
    """Seconds until it is true."""
    began = time.monotonic()
    eventually(until, within_s=within_s)
    return time.monotonic() - began


def begun(made: World) -> int:
    """How many attempts workers have begun."""
    return len(executions(made.log.read_text().splitlines(keepends=True))) if made.log.exists() else 0


def killed_worker() -> None:
    """From kill -9 of the worker to the next one's beginning, with that one already waiting its turn."""
    with world(ws_max_workers="2") as (made, user):
        first = made.worker(name="first", seconds=60)
        made.connected()
        made.submit(user)
        eventually(lambda: begun(made) == 1, within_s=20)
        made.worker(name="second")
        status = f"{made.site.host}/websockets/space/{made.space_id}/status"
        eventually(lambda: requests.get(status, timeout=5).json()["workers"] == 2, within_s=20)
        first.signal(signal.SIGKILL)
        show("redelivered after kill -9 of the worker", timed(lambda: begun(made) == 2, 20), 1)


def half_open() -> None:
    """From the moment nothing gets through any more to the badge's turn."""
    with world() as (made, _), proxy_to(made.site.port) as proxy:
        made.worker(host=proxy.host)
        made.connected()
        proxy.hold("up", "down")
        seconds = timed(lambda: not made.site.connected(made.space_id), 60)
        show("half-open line noticed", seconds, 15)


def long_queue(count: int) -> None:
    """The start with a long queue, by the tests' own means."""
    figures = run("test_20", SPACES_FAULT_QUEUE=str(count))
    show(f"start with {count:,} queued", float(figures["start"]), 3)


def crowd(count: int) -> None:
    """A crowd of workers after a kill of the site."""
    figures = run("test_19", SPACES_FAULT_WORKERS=str(count))
    show(f"{count} workers back after a restart", float(figures["back"]), 5)


def run(name: str, **environment: str) -> dict[str, str]:
    """Run one test of faults, at a larger size, for what it prints."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--timeout=900"]
    done = subprocess.run(
        [*command, "tests/faults/test_site.py", "-k", name],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout[-3000:])
    found = {}
    if match := re.search(r"queued in ([\d.]+) s", done.stdout):
        found["start"] = match[1]
    if match := re.search(r"workers back ([\d.]+) s", done.stdout):
        found["back"] = match[1]
    return found


def rounds(count: int) -> None:
    """Kills at random, and what the checker finds."""
    with world() as (made, user):
        worker = made.worker(seconds=0.01)
        for number in range(count):
            made.connected()
            for _ in range(20):
                made.submit(user)
            worker.signal(signal.SIGKILL)
            worker.wait()
            made.site.kill()
            made.site.start()
            worker = made.worker(name=f"w{number}", seconds=0.01)
            user = made.site.login("testuser", "testpass123")
        made.connected()
        made.drain(user)
        made.site.stop()
        found = violations(made.told(), read(made.site.data_dir))
        lost, doubled = (sum(problem.startswith(word) for problem in found) for word in ("lost", "doubled"))
        accepted = sum(sent.outcome == "ok" for sent in made.sent)
        figures = f"{lost} lost, {doubled} doubled, {len(found)} promises broken"
        print(f"  {count} kills of site and worker, {accepted} accepted: {figures}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    killed_worker()
    half_open()
    rounds(options.rounds)
    crowd(options.workers)
    long_queue(options.queued)


if __name__ == "__main__":
    main()
