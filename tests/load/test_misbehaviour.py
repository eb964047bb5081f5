"""Targets that die, send too much or send nonsense; and what goes wrong in the engine itself."""

from __future__ import annotations

import asyncio
import signal
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from project.load.core import profile
from project.load.core.plan import Plan
from project.load.core.record import RunRecord
from project.load.engine.loops import run_in_loop
from project.load.engine.run import Progress, Run
from project.load.errors import TargetUnreachable
from project.load.output.folder import read_record
from project.load.targets.base import Target
from project.load.targets.http import HttpSession, HttpTarget
from project.load.targets.messages import fixed
from project.load.targets.relay import RelayOptions, RelayTarget
from project.load.targets.socketio import SocketIOTarget
from project.load.targets.uploads import UploadTarget
from project.load.targets.websocket import WebSocketTarget
from tests.load.conftest import Calibration, Command

Load = Callable[..., Command]
Start = Callable[..., Calibration]
QUICK = ("--allow-invalid",)
PART = b"x" * 65_536


def test_a_server_that_dies_shortly_before_the_end_makes_no_good_run(
    load: Callable[..., Command], calibration: Callable[..., Calibration]
) -> None:
    server = calibration()
    command = load("load", "--url", server.http, "--users", "3", "--duration", "4", "--threshold", "error_percent<5:50",
                   *QUICK)  # fmt: skip
    command.process.until(lambda: command.told().get("done", 0) > 1000, what="1000 calls are done")
    server.process.signal(signal.SIGKILL)
    assert command.wait(60) == 4, command.process.output
    record = read_record(command.folder)
    assert (record.outcome, record.verdict.level) == ("target_lost", "good")


def test_what_nobody_expected_ends_a_run_and_is_not_passed_over(echo: Calibration) -> None:
    class Broken(HttpTarget):
        async def session(self, number: int, *, shared: bool) -> HttpSession:
            raise ZeroDivisionError

    for plan in (
        Plan("x", "closed", profile.steady(2, 60)),
        Plan("x", "open", profile.steady(100, 60), connections=1),
    ):
        with pytest.raises(ZeroDivisionError):
            run_in_loop(Run(plan, Broken(echo.http)).go())


def test_a_watcher_that_fails_ends_a_run(echo: Calibration) -> None:
    def watch(progress: Progress) -> None:
        raise ZeroDivisionError

    async def work() -> None:
        async with asyncio.timeout(60):
            await Run(Plan("x", "closed", profile.steady(1, 600)), HttpTarget(echo.http), watchers=(watch,)).go()

    with pytest.raises(ZeroDivisionError):
        run_in_loop(work())


def test_an_answer_larger_than_memory_is_read_and_not_kept() -> None:
    size = 32 * 1024 * 1024

    async def huge(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(size // len(PART)):
            await response.write(PART)
        return response

    async def work() -> tuple[int, int]:
        app = web.Application()
        app.router.add_get("/", huge)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target = HttpTarget(f"http://127.0.0.1:{runner.addresses[0][1]}")
        tracemalloc.start()
        try:
            record = await Run(Plan("x", "closed", profile.steady(1, 60), requests=1), target).go()
            return record.counts.bytes_received, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            await runner.cleanup()

    received, most = asyncio.run(work())
    assert received == size
    assert most < size / 2


SILENT: dict[str, Callable[[str, float], Target]] = {
    "websocket": lambda host, s: WebSocketTarget(f"ws://{host}/", lambda number: fixed(), timeout_s=s),
    "socketio": lambda host, s: SocketIOTarget(f"http://{host}/", lambda number: fixed(), timeout_s=s),
    "relay": lambda host, s: RelayTarget(f"http://{host}", RelayOptions("x"), s),
    "upload": lambda host, s: UploadTarget(f"http://{host}/", timeout_s=s),
}


@pytest.mark.parametrize("kind", SILENT)
def test_a_stop_does_not_wait_for_a_target_that_does_not_answer(kind: str) -> None:
    async def work() -> RunRecord:
        asked = asyncio.Event()

        async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read()
            writer.close()

        async with asyncio.timeout(60), await asyncio.start_server(ask, "127.0.0.1", 0) as server:
            host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            run = Run(Plan("x", "closed", profile.steady(1, 600)), SILENT[kind](host, 600))
            going = asyncio.create_task(run.go())
            await asked.wait()
            run.stop()
            return await going

    record = run_in_loop(work())
    assert (record.outcome, record.counts.done) == ("interrupted", 0)


@pytest.mark.parametrize("kind", ["websocket", "socketio"])
def test_connecting_takes_no_longer_than_it_may(kind: str) -> None:
    async def work() -> None:
        async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async with asyncio.timeout(60), await asyncio.start_server(ask, "127.0.0.1", 0) as server:
            host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await Run(Plan("x", "closed", profile.steady(1, 1)), SILENT[kind](host, 0.2)).go()

    with pytest.raises(TargetUnreachable, match=r"no answer within 0\.2 s"):
        run_in_loop(work())


async def not_whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
    writer.close()


async def not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"nonsense\r\n\r\n")
    writer.close()


@pytest.mark.parametrize("answer", [not_whole, not_http])
def test_a_bad_answer_is_told_apart_from_a_connection_that_failed(answer: Any) -> None:
    async def work() -> dict[str, int]:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            target = HttpTarget(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            return (await Run(Plan("x", "closed", profile.steady(1, 60), requests=3), target).go()).errors

    assert asyncio.run(work()) == {"bad_answer": 3}
