"""``make bench``: the relay's speed beside the stack's own, in one run on one machine.

Everything on loopback, bounded in time, in processes of its own that end with it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
from client import Client

ROOT = Path(__file__).resolve().parent.parent
Call = Callable[[Client], Awaitable[None]]
ROUNDS = 7


def start(*command: str, environment: dict[str, str] | None = None) -> tuple[subprocess.Popen[str], int]:
    """Start a server and return its port once it says it runs."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        found = re.search(r"Running on http://\S+?:(\d+) ", line)
        if found:
            return process, int(found[1])
    raise SystemExit(f"{command[0]} did not start")


async def measure(clients: list[Client], call: Call, seconds: float) -> tuple[float, list[float]]:
    """Calls a second, and the time of each (ms), of clients that call again as soon as they are answered."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def go(client: Client) -> None:
        while (began := time.perf_counter()) < end:
            await call(client)
            times.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(go(client) for client in clients))
    return len(times) / (time.perf_counter() - began), times


def show(name: str, rate: float, times: list[float], hello: float) -> None:
    """Print one line of figures; the ratio is to ``hello`` requests a second."""
    cuts = statistics.quantiles(times, n=100)
    print(f"  {name:<38}{rate:>9.0f}/s{cuts[49]:>9.1f} ms{cuts[98]:>9.1f} ms{rate / hello:>9.2f}", flush=True)


async def health(client: Client) -> None:
    """The least that the site answers."""
    await client.call("GET", "/healthz")


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--capacity", type=int, default=100, help="requests the worker keeps at hand")
    parser.add_argument("--ended", type=int, default=100_000, help="requests that ended before, for the last turns")
    parser.add_argument("--queued", type=int, default=10_000, help="requests to queue for the restart test")
    options = parser.parse_args()
    hello, port = start("bench/hello.py", "0")
    clients = [Client(port) for _ in range(50)]

    async def greet(client: Client) -> None:
        await client.call("GET", "/")

    await measure(clients, greet, 1)
    hello_rate, times = await measure(clients, greet, options.seconds)
    hello.terminate()
    print(f"  the worker keeps {options.capacity} requests at hand")
    print(f"  {'':<38}{'rate':>11}{'p50':>12}{'p99':>12}{'ratio':>9}")
    show("a bare Flask hello, 50 connections", hello_rate, times, hello_rate)
    with tempfile.TemporaryDirectory() as folder:
        environment = {"SPACES_DATA_DIR": folder, "SPACES_LOG_FILE": f"{folder}/error.log"}
        site, port = start("run.py", "--port", "0", environment=environment)
        worker: subprocess.Popen[bytes] | None = None
        try:
            space = await make_space(port)
            command = [sys.executable, "bench/worker.py", f"http://127.0.0.1:{port}", "Bench", str(options.capacity)]
            worker = subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
            await connected(port, space)
            own = [Client(port) for _ in range(50)]

            own_rate, times = await measure(own, health, options.seconds)
            show("the site's /healthz, 50 connections", own_rate, times, hello_rate)
            await relay(port, space, own_rate, options.seconds, lambda: age(Path(folder), options.ended))
            worker.terminate()
            worker.wait(10)
            site = await restart(site, port, space, options.queued, environment)
        finally:
            for process in (worker, site):
                if process is not None and process.poll() is None:
                    process.kill()


async def make_space(port: int) -> str:
    """A space to measure in; its id."""
    admin = Client(port)
    await admin.login("admin", "admin123")
    form = {"name": "Bench", "card_type": "websockets", "ws_enable_prompt": "on", "ws_max_queue": "50000"}
    _, headers, _ = await admin.call("POST", "/admin/space/add", form)
    return headers["location"].rsplit("/", 1)[-1]


async def connected(port: int, space: str) -> None:
    """Return when the space has its worker."""
    client = Client(port)
    while not (await client.json("GET", f"/websockets/space/{space}/status"))["connected"]:
        await asyncio.sleep(0.05)


def age(folder: Path, count: int) -> str:
    """Give the site a past: copies of a request that was done, with their histories. What that is, in words."""
    (path,) = folder.glob("*.db")
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as database, database:
        past = "past (id) AS (SELECT 'past-1' UNION ALL SELECT 'past-' || (substr(id, 6) + 1) FROM past LIMIT ?)"
        for table, own, some in (
            ("requests", ("seq", "id"), "status = 'completed' LIMIT 1"),
            ("history", ("id", "request_id"), "request_id = (SELECT request_id FROM history LIMIT 1)"),
        ):
            columns = [f'"{row[1]}"' for row in database.execute(f"PRAGMA table_info({table})") if row[1] not in own]
            names = ", ".join(columns)
            database.execute(
                f"WITH RECURSIVE {past} INSERT INTO {table} ({own[1]}, {names}) "  # noqa: S608  (the tables' own names)
                f"SELECT past.id, {names} FROM past, (SELECT {names} FROM {table} WHERE {some})",
                (count,),
            )
    return f"with {count} requests that ended before"


async def relay(port: int, space: str, hello: float, seconds: float, age: Callable[[], str]) -> None:
    """Requests from submission to result, by waiting and by polling."""
    clients = [Client(port) for _ in range(100)]
    for client in clients:
        await client.login("testuser", "testpass123")

    async def waiting(client: Client) -> None:
        body = await client.json("POST", f"/websockets/submit/{space}", {"prompt": "measure", "wait": "30"})
        assert body["status"] == "completed", body

    async def polling(client: Client) -> None:
        body = await client.json("POST", f"/websockets/submit/{space}", {"prompt": "measure"})
        while body["status"] not in ("completed", "failed"):
            await asyncio.sleep(0.01)
            body = await client.json("GET", f"/websockets/status?request_id={body['request_id']}")

    await measure(clients[:10], waiting, 1)
    for name, call in (("waiting", waiting), ("polling every 10 ms", polling)):
        for users in (1, 10, 100):
            rate, times = await measure(clients[:users], call, seconds)
            show(f"relay, {users} users {name}", rate, times, hello)
    await in_turn("", clients, waiting, seconds / 2)
    await in_turn(age(), clients, waiting, seconds / 2)


async def in_turn(when: str, clients: list[Client], waiting: Call, seconds: float) -> None:
    """The ratio once more, each relay rate beside a hello of the same moment: machines change their speed."""
    ratios = []
    for _ in range(ROUNDS):
        hello, _ = await measure(clients[:50], health, seconds / 2)
        rate, _ = await measure(clients, waiting, seconds)
        ratios.append(rate / hello)
    print(
        f"  100 users waiting to the hello beside them, {ROUNDS} times in turn{when and ', '}{when}: median ratio "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


async def restart(
    site: subprocess.Popen[str], port: int, space: str, count: int, environment: dict[str, str]
) -> subprocess.Popen[str]:
    """Queue many requests behind a worker that takes none, kill the site, and time its return."""
    command = [sys.executable, "mock_app.py", "--host", f"http://127.0.0.1:{port}", "--spaces", "Bench"]
    sleeper = subprocess.Popen(
        [*command, "--capacity", "1", "--min-seconds", "100", "--max-seconds", "100"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        await connected(port, space)
        clients = [Client(port) for _ in range(50)]
        for client in clients:
            await client.login("testuser", "testpass123")
        before = psutil.Process(site.pid).memory_info().rss
        last = ""

        async def fill(client: Client) -> None:
            nonlocal last
            for _ in range(count // len(clients)):
                body = await client.json("POST", f"/websockets/submit/{space}", {"prompt": "wait"})
                last = body["request_id"]

        began = time.perf_counter()
        await asyncio.gather(*(fill(client) for client in clients))
        grown = (psutil.Process(site.pid).memory_info().rss - before) / 1e6
        print(f"  queued {count}: {count / (time.perf_counter() - began):.0f}/s, memory grew by {grown:.0f} MB")

        async def poll(client: Client) -> None:
            await client.json("GET", f"/websockets/status?request_id={last}")

        _, times = await measure(clients[:1], poll, 2)
        print(f"  status with {count} queued: p95 {statistics.quantiles(times, n=20)[18]:.1f} ms")
        site.kill()
        site.wait()
        began = time.perf_counter()
        site, _ = start("run.py", "--port", str(port), environment=environment)
        fresh = Client(port)
        await fresh.login("testuser", "testpass123")
        body = await fresh.json("GET", f"/websockets/status?request_id={last}")
        print(f"  restart with {count} queued: {time.perf_counter() - began:.2f} s; the last is {body['status']}")
    finally:
        sleeper.kill()
    return site


if __name__ == "__main__":
    asyncio.run(main())
