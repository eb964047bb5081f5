"""A load run from the console while other pages are used: do they stay quick? The site, the run and the reader apart.

``python bench/console.py [--requests 10000] [--at-once 100]``; after ``--seconds`` the run is stopped.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict

import requests

from run import start

PAGES = ("/", "/requests", "/inbox", "/cfg/ipc/", "/cfg/ipc/monitor/overview")
PAUSE_S = 0.05


def log_in(host: str) -> requests.Session:
    session = requests.Session()
    session.post(f"{host}/login", data={"username": "admin", "password": "admin123"}).raise_for_status()
    return session


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else values[0]


def watch(host: str, session: requests.Session, seconds: float) -> dict[str, list[float]]:
    """How long each page took (ms) until the run was over."""
    times: dict[str, list[float]] = defaultdict(list)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for page in PAGES:
            began = time.perf_counter()
            session.get(host + page).raise_for_status()
            times[page].append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE_S)
        if not session.get(f"{host}/cfg/ipc/test/load/status").json()["running"]:
            break
    return times


def show(page: str, times: list[float]) -> None:
    p50, p95 = percentile(times, 50), percentile(times, 95)
    print(f"{page:<28} {len(times):>5} times  p50 {p50:6.1f}  p95 {p95:6.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--method", default="notification.send")
    parser.add_argument("--seconds", type=float, default=300.0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process, port = start("run.py", "--port", "0", "--data-dir", folder)
        host = f"http://127.0.0.1:{port}"
        try:
            session = log_in(host)
            target = {"method": wanted.method, "total_requests": wanted.requests, "concurrency": wanted.at_once}
            session.post(f"{host}/cfg/ipc/test/load/start", json=target).raise_for_status()
            times = watch(host, session, wanted.seconds)
            session.post(f"{host}/cfg/ipc/test/load/stop", json={}).raise_for_status()
            print(session.get(f"{host}/cfg/ipc/test/load/status").json())
        finally:
            process.terminate()
            process.wait()
    for page, values in times.items():
        show(page, values)
    show("all pages", [value for values in times.values() for value in values])


if __name__ == "__main__":
    main()
