"""What a target does never leads a load to another machine, nor into anybody's database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from project.load import MetricsCollector, WebSocketClientManager
from project.load.core.recorder import Recorder
from project.load.errors import RunRefused, TargetUnreachable
from project.load.scenarios.scenario import Conductor
from project.load.scenarios.upload import UPLOAD
from project.load.targets.base import Target
from project.load.targets.messages import fixed
from project.load.targets.relay import RelayOptions, RelayTarget
from project.load.targets.socketio import SocketIOTarget
from project.load.targets.uploads import UploadOptions
from project.load.targets.websocket import WebSocketTarget
from project.load.verification import verify

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Backend:
    """A real server in the test's own loop, which counts what comes in. An asynchronous context manager."""

    answer: Handler
    rows: list[int] = field(default_factory=list)
    """Lines of every body that came in."""

    async def __aenter__(self) -> Backend:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.rows.append((await request.text()).count("@"))
            return await self.answer(request)

        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", handle)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._runner.cleanup()


async def refuse(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=400)


def redirect(to: str) -> Handler:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": to})

    return answer


TARGETS: dict[str, Callable[[str], Target]] = {
    "websocket": lambda host: WebSocketTarget(f"ws://{host}/", lambda number: fixed()),
    "socketio": lambda host: SocketIOTarget(f"http://{host}/", lambda number: fixed()),
    "relay": lambda host: RelayTarget(f"http://{host}", RelayOptions("x", "", workers=1)),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_no_redirect_leads_a_run_elsewhere(kind: str) -> None:
    async def work() -> list[int]:
        async with Backend(refuse) as elsewhere, Backend(redirect(f"http://{elsewhere.host}/")) as here:
            with pytest.raises(TargetUnreachable):
                await TARGETS[kind](here.host).open(Recorder(0))
            assert here.rows, "it was asked"
            return elsewhere.rows

    assert asyncio.run(work()) == []


def test_no_redirect_leads_clients_of_the_library_elsewhere() -> None:
    async def work() -> list[int]:
        async with Backend(refuse) as elsewhere, Backend(redirect(f"http://{elsewhere.host}/")) as here:
            async with WebSocketClientManager(f"ws://{here.host}", metrics=MetricsCollector()) as manager:
                assert await manager.connect_clients(await manager.create_clients(2)) == 0
                assert len(here.rows) == 2
            return elsewhere.rows

    assert asyncio.run(work()) == []


def test_clients_of_the_library_go_to_other_machines_only_with_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def work() -> None:
        async with WebSocketClientManager("ws://localhost:1", metrics=MetricsCollector()) as manager:
            (client,) = await manager.create_clients(1, url="ws://192.0.2.1:1")
            await client.connect()

    with pytest.raises(RunRefused, match="not among the targets"):
        asyncio.run(work())


def told(after: int, status: int, body: Any) -> Handler:
    """Answers in safe mode, and after so many uploads in another way."""
    count = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        rows = (await request.text()).count("@")
        safe = {"success": True, "load_test_mode": True, "processed_count": rows}
        if count <= after:
            return web.json_response(safe)
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))

    return answer


UNSAFE = {
    "kept": (200, {"success": True, "processed_count": 40}),
    "created": (201, {"success": True, "batch_id": "b1"}),
    "a page": (200, "<h1>Saved</h1>"),
    "after a redirect": (302, ""),
}


@pytest.mark.parametrize("how", UNSAFE)
def test_a_backend_that_ceases_to_be_safe_gets_no_further_upload(how: str) -> None:
    async def work() -> tuple[str, list[int]]:
        async with Backend(told(3, *UNSAFE[how])) as backend:
            conductor = Conductor(lambda number: pytest.fail("no other target"), url=f"http://{backend.host}/upload")
            record = await UPLOAD.play(conductor, UPLOAD.checked({"batch_size": 40, "duration": 60}))
            return record.outcome, backend.rows

    assert asyncio.run(work()) == ("target_unsafe", [1, 40, 40, 40])


@pytest.mark.parametrize("how", UNSAFE)
def test_a_backend_that_keeps_what_it_gets_is_given_one_record(how: str) -> None:
    async def work() -> list[int]:
        async with Backend(told(0, *UNSAFE[how])) as backend:
            conductor = Conductor(lambda number: pytest.fail("no other target"), url=f"http://{backend.host}/upload")
            with pytest.raises(RunRefused, match="without load_test_mode"):
                await UPLOAD.play(conductor, UPLOAD.checked({"batch_size": 40, "concurrency": 5, "duration": 60}))
            return backend.rows

    assert asyncio.run(work()) == [1]


def test_who_may_not_upload_is_told_before_the_run() -> None:
    async def work() -> None:
        async with Backend(told(0, 401, {"error": "Please log in first."})) as backend:
            conductor = Conductor(lambda number: pytest.fail("no other target"), url=f"http://{backend.host}/upload")
            await UPLOAD.play(conductor, UPLOAD.checked({"duration": 60}))

    with pytest.raises(TargetUnreachable, match=r"401.*Please log in first"):
        asyncio.run(work())


def test_errors_are_measured_and_do_not_end_a_run() -> None:
    async def work() -> dict[str, int]:
        async with Backend(told(2, 503, "")) as backend:
            conductor = Conductor(lambda number: pytest.fail("no other target"), url=f"http://{backend.host}/upload")
            record = await UPLOAD.play(conductor, UPLOAD.checked({"batch_size": 5, "requests": 4, "duration": 60}))
            assert (record.outcome, record.counts.succeeded) == ("finished", 1)
            assert record.findings["records"]["per_second"] == pytest.approx(record.rate * 5 / 4, abs=0.1)
            return record.errors

    assert asyncio.run(work()) == {"http_503": 3}


def test_verification_goes_no_further_with_a_backend_that_keeps_what_it_gets() -> None:
    async def work() -> list[int]:
        async with Backend(told(0, 200, {"success": True, "processed_count": 5})) as backend:
            assert not (await verify(f"http://{backend.host}/upload", UploadOptions())).honours
            return [rows for rows in backend.rows if rows]

    assert asyncio.run(work()) == [5]


def test_a_backend_that_makes_its_counts_up_proves_nothing() -> None:
    async def work() -> bool:
        always = {"success": True, "load_test_mode": True, "processed_count": 5}
        async with Backend(told(0, 200, always)) as backend:
            found = await verify(f"http://{backend.host}/upload", UploadOptions())
            assert [step.name for step in found.steps if step.passed is False] == [
                "a bad row is found, so rows are really processed"
            ]
            return found.honours

    assert not asyncio.run(work())
