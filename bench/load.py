"""``make bench-load``: the load engine's own speed against the calibration server, in one run on one machine.

Beside each figure is that of the least loop of the same library which does the same calls and keeps nothing: the limit.
They are measured in turn, several times, for machines change their speed: shown are the medians.
Locust's FastHttpUser is measured too where it is installed (extra ``bench``). On loopback, in processes of their own,
the engine on one core.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import socketio

from project.load.core.plan import Plan
from project.load.core.profile import steady
from project.load.core.recorder import Recorder
from project.load.engine.clock import now_us
from project.load.engine.gauge import raise_fds_limit
from project.load.engine.loops import run_in_loop
from project.load.engine.run import Run
from project.load.targets.base import Target
from project.load.targets.http import HttpTarget
from project.load.targets.messages import fixed
from project.load.targets.socketio import SocketIOTarget
from project.load.targets.websocket import WebSocketTarget

ROOT = Path(__file__).resolve().parent.parent
USERS = 20
TURNS = 5
Loop = Callable[[str, float], Awaitable[int]]
Figures = tuple[float, float]
"""Calls a second, and processor time per call (µs)."""


async def bare_websocket(url: str, seconds: float) -> int:
    """Send, receive, read; how often."""
    end = time.perf_counter() + seconds
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def one() -> int:
            done = 0
            async with http.ws_connect(url, compress=0) as socket:
                while time.perf_counter() < end:
                    await socket.send_str(json.dumps({"id": done, "type": "ping"}))
                    json.loads((await socket.receive()).data)
                    done += 1
            return done

        return sum(await asyncio.gather(*(one() for _ in range(USERS))))


async def bare_http(url: str, seconds: float) -> int:
    """Get and read; how often."""
    end = time.perf_counter() + seconds
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:

        async def one() -> int:
            done = 0
            while time.perf_counter() < end:
                async with http.get(url) as response:
                    await response.read()
                done += 1
            return done

        return sum(await asyncio.gather(*(one() for _ in range(USERS))))


async def bare_socketio(url: str, seconds: float) -> int:
    """Emit and wait for the acknowledgement; how often."""
    end = time.perf_counter() + seconds

    async def one() -> int:
        done = 0
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(url, transports=["websocket"])
        while time.perf_counter() < end:
            await client.call("message", {"id": done, "type": "ping"})
            done += 1
        await client.disconnect()
        return done

    return sum(await asyncio.gather(*(one() for _ in range(USERS))))


def engine_rate(target: Target, seconds: float) -> Figures:
    """The engine with every statistic on."""
    began = time.process_time()
    record = run_in_loop(Run(Plan("bench", "closed", steady(USERS, seconds)), target).go())
    if record.counts.failed:
        raise SystemExit(f"calls failed: {record.errors}")
    return record.rate, (time.process_time() - began) / record.counts.done * 1e6


def bare_rate(loop: Loop, url: str, seconds: float) -> Figures:
    """The same of a bare loop."""

    async def measured() -> int:
        return await loop(url, seconds)

    began = time.process_time()
    done = run_in_loop(measured())
    return done / seconds, (time.process_time() - began) / done * 1e6


def middle(turns: list[Figures]) -> Figures:
    """The medians of the figures."""
    rates, costs = zip(*turns, strict=True)
    return statistics.median(rates), statistics.median(costs)


def show(name: str, unit: str, engines: list[Figures], bares: list[Figures]) -> None:
    """One line: rates, their ratio, and that of processor times, which other work on the machine disturbs least."""
    engine, bare = middle(engines), middle(bares)
    rates, costs = middle([(e[0] / b[0], b[1] / e[1]) for e, b in zip(engines, bares, strict=True)])
    print(
        f"  {name:<22}{engine[0]:>9.0f} {unit:<10}{bare[0]:>9.0f} {unit:<10}{rates:>6.2f}"
        f"{engine[1]:>9.1f} us{bare[1]:>9.1f} us{costs:>7.2f}",
        flush=True,
    )


async def idle_memory(url: str, count: int) -> float:
    """MB of this process per 1,000 open WebSockets."""
    process = psutil.Process()
    target = WebSocketTarget(url, lambda number: fixed())
    await target.open(Recorder(now_us()))
    before = process.memory_info().rss
    gate = asyncio.Semaphore(200)

    async def one(number: int) -> Any:
        async with gate:
            return await target.session(number, shared=True)

    sessions = await asyncio.gather(*(one(number) for number in range(count)))
    used = process.memory_info().rss - before
    print(f"  {count} idle WebSockets: {used / 1e6:.0f} MB, {process.memory_info().rss / 1e6:.0f} MB with the program")
    await asyncio.gather(*(session.close() for session in sessions))
    await target.close()
    return used / 1e6 / count * 1000


def locust_rate(url: str, seconds: float) -> Figures | None:
    """Requests a second and processor time per request (µs) of Locust's FastHttpUser; None without Locust."""
    if importlib.util.find_spec("locust") is None:
        return None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(ROOT / "bench" / "locust_user.py"),
        "--headless",
        "--host",
        url,
    ]
    command += ["-u", str(USERS), "-r", str(USERS), "-t", f"{seconds:.0f}s", "--only-summary", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    (entry,) = json.loads(done.stdout)
    count = entry["num_requests"]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return count / (entry["last_request_timestamp"] - entry["start_time"]), cpu_s / count * 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
    parser.add_argument("--connections", type=int, default=5000, help="idle connections to hold")
    options = parser.parse_args()
    raise_fds_limit(65_536)
    server = subprocess.Popen(
        [sys.executable, "-m", "project.load.calibration"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", server.stdout.readline())
        assert found
        http, ws = f"http://127.0.0.1:{found[1]}", f"ws://127.0.0.1:{found[1]}/ws"
        measure(http, ws, options.seconds)
        run_in_loop(idle_memory(ws, options.connections))
    finally:
        server.kill()
        server.wait()


def measure(http: str, ws: str, seconds: float) -> None:
    """The three kinds of calls, each beside its bare loop; a short one of each first, to warm up."""
    print(f"  {'':<22}{'engine':>20}{'bare loop':>20}{'ratio':>6}{'engine':>12}{'bare':>12}{'ratio':>7}")
    kinds: list[tuple[str, str, Callable[[], Target], Loop, str]] = [
        ("WebSocket echo", "msg/s", lambda: WebSocketTarget(ws, lambda number: fixed()), bare_websocket, ws),
        ("HTTP", "req/s", lambda: HttpTarget(http), bare_http, http),
        ("Socket.IO round trips", "/s", lambda: SocketIOTarget(http, lambda number: fixed()), bare_socketio, http),
    ]
    for name, unit, make, loop, url in kinds:
        engine_rate(make(), 0.3)
        bare_rate(loop, url, 0.3)
        turns = [(engine_rate(make(), seconds), bare_rate(loop, url, seconds)) for _ in range(TURNS)]
        show(name, unit, [engine for engine, _ in turns], [bare for _, bare in turns])
    others = [found for _ in range(TURNS) if (found := locust_rate(http, max(2.0, seconds))) is not None]
    if not others:
        print("  Locust is not installed (pip install '.[bench]'): not measured")
    else:
        rate, cost = middle(others)
        print(f"  {'Locust FastHttpUser':<22}{rate:>9.0f} req/s{'':>36}{cost:>9.1f} us")


if __name__ == "__main__":
    main()
