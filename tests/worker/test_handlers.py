"""Every kind of handler, in a thread and in a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from project.worker import HandlerUnusable, Job, Worker
from tests.conftest import Process, eventually, one_of_trials
from tests.worker import handlers
from tests.worker.conftest import Running, Serve
from tests.worker.site import FakeSite

pytestmark = pytest.mark.slow
Isolation = Literal["thread", "process"]
both = pytest.mark.parametrize("isolation", ["thread", "process"])
Outcome = tuple[str, dict[str, Any]]


def answered(fake: FakeSite, request_id: str = "r1") -> Outcome:
    eventually(lambda: request_id in fake.results())
    message = fake.results()[request_id]
    return message["status"], message["result"]


@both
@pytest.mark.parametrize(
    ("handler", "result"),
    [
        (handlers.later, {"text_output": "ONE TWO"}),
        (handlers.stream, {"text_output": "one two "}),
        (handlers.pieces, {"text_output": "one two ", "words": 2}),
    ],
)
def test_kinds(fake: FakeSite, serve: Serve, isolation: Isolation, handler: Any, result: dict[str, Any]) -> None:
    serve(handler, isolation=isolation)
    fake.give("r1", "one two")
    assert answered(fake) == ("completed", result)
    if handler is not handlers.later:
        assert [(chunk["seq"], chunk["text"]) for chunk in fake.of("inference_chunk")] == [(1, "one "), (2, "two ")]
    if handler is handlers.pieces:
        assert [(upload.name, upload.body) for upload in fake.uploads] == [("words.txt", b"one two")]
        assert fake.of("inference_progress")[-1]["message"] in ("word 1", "word 2")


@both
def test_files_in_and_out(fake: FakeSite, serve: Serve, isolation: Isolation) -> None:
    body = bytes(range(256)) * 1000
    serve(handlers.files, isolation=isolation)
    fake.give("r1", files=[fake.offer("in.bin", body)])
    status, result = answered(fake)
    assert status == "completed", result
    [upload] = fake.uploads
    assert (upload.name, upload.body) == ("copy.bin", body[::-1])
    folder = Path(result["text_output"].removeprefix("in.bin "))
    eventually(lambda: not folder.parent.exists(), what="the folder of the attempt is gone")


@both
@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ("raise", "ValueError: out of memory"),
        ("sys.exit", "SystemExit: 3"),
        ("object", "TypeError: Object of type object is not JSON serializable"),
    ],
)
def test_what_a_handler_raises(fake: FakeSite, serve: Serve, isolation: Isolation, prompt: str, error: str) -> None:
    serve(handlers.fatal, isolation=isolation)
    fake.give("r1", prompt)
    assert answered(fake) == ("failed", {"error": error})
    fake.give("r2", "fine")
    assert answered(fake, "r2")[0] == "completed"
    assert "code" not in fake.results()["r1"]


@pytest.mark.parametrize(
    ("prompt", "how"),
    [("segfault", "SIGSEGV"), ("exit", "exit code 7"), ("kill", "SIGKILL; out of memory, perhaps")],
)
def test_a_process_that_dies_is_a_failure_and_another_takes_its_place(
    fake: FakeSite, serve: Serve, prompt: str, how: str
) -> None:
    serve(handlers.fatal, isolation="process")
    fake.give("r0", "fine")
    first = answered(fake, "r0")[1]["pid"]
    fake.give("r1", prompt)
    assert answered(fake) == ("failed", {"error": f"HandlerCrashed: The handler's process died ({how})"})
    assert fake.results()["r1"]["code"] == "handler_crashed"
    fake.give("r2", "fine")
    assert answered(fake, "r2")[1]["pid"] not in (first, os.getpid())
    assert fake.connects == 1


def test_a_process_stays_for_the_next_request(fake: FakeSite, serve: Serve) -> None:
    serve(handlers.upper, isolation="process", concurrency=2)
    for number in range(8):
        fake.give(f"r{number}", "x")
    eventually(lambda: len(fake.results()) == 8)
    pids = {message["result"]["pid"] for message in fake.results().values()}
    assert len(pids) <= 2
    assert os.getpid() not in pids


def test_one_killed_while_it_waits_is_replaced(fake: FakeSite, serve: Serve) -> None:
    serve(handlers.upper, isolation="process")
    fake.give("r1")
    pid = answered(fake)[1]["pid"]
    os.kill(pid, signal.SIGKILL)
    fake.give("r2")
    status, result = answered(fake, "r2")
    if status == "failed":
        # It was handed over before the death was noticed.
        assert fake.results()["r2"]["code"] == "handler_crashed"
        fake.give("r3")
        status, result = answered(fake, "r3")
    assert (status, result["pid"] != pid) == ("completed", True)


def test_cancel_is_noticed_in_the_process_which_stays(fake: FakeSite, serve: Serve, tmp_path: Path) -> None:
    serve(handlers.attentive, isolation="process")
    fake.give("r1", str(tmp_path / "one"))
    eventually(lambda: any(report["percent"] == 50 for report in fake.of("inference_progress")))
    pid = fake.of("inference_progress")[-1]["message"]
    fake.emit("inference_cancel", {"request_id": "r1", "lease_id": "r1-1", "reason": "by the user"})
    eventually(lambda: (tmp_path / "one").exists())
    fake.give("r2", str(tmp_path / "two"))
    eventually(lambda: fake.of("inference_progress")[-1]["request_id"] == "r2")
    eventually(lambda: fake.of("inference_progress")[-1]["percent"] == 50)
    assert fake.of("inference_progress")[-1]["message"] == pid
    assert fake.results() == {}


def test_cancel_kills_a_handler_that_does_not_listen(fake: FakeSite, serve: Serve, tmp_path: Path) -> None:
    serve(handlers.deaf, isolation="process")
    fake.give("r1", str(tmp_path / "pids"))
    eventually(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().count(" "))
    processes = [psutil.Process(int(pid)) for pid in (tmp_path / "pids").read_text().split()]
    fake.emit("inference_cancel", {"request_id": "r1", "lease_id": "r1-1", "reason": "by the user"})
    eventually(lambda: not any(alive(each) for each in processes), what="it and the program it started are gone")
    fake.give("r2", str(tmp_path / "again"))
    eventually(lambda: (tmp_path / "again").exists(), what="the next request runs")
    assert fake.results() == {}


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_stopping_leaves_no_process(fake: FakeSite, serve: Serve, tmp_path: Path) -> None:
    running = serve(handlers.deaf, isolation="process")
    fake.give("r1", str(tmp_path / "pids"))
    eventually(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().count(" "))
    processes = [psutil.Process(int(pid)) for pid in (tmp_path / "pids").read_text().split()]
    running.worker.stop()
    assert running.ends() is None
    eventually(lambda: not any(alive(each) for each in processes))
    assert fake.results() == {}


PROGRAM = """
import sys
from project.worker import Worker
from tests.worker.handlers import busy, deaf

if __name__ == "__main__":
    Worker(busy if sys.argv[2] == "busy" else deaf, host=sys.argv[1], space="Test", isolation="process").run()
"""


@pytest.fixture
def program(tmp_path: Path, fake: FakeSite) -> Iterator[Any]:
    started: list[Process] = []

    def start(text: str, *arguments: str, **environment: str) -> Process:
        path = tmp_path / "program.py"
        path.write_text(text)
        started.append(Process(str(path), fake.host, *arguments, environment={"PYTHONPATH": ".", **environment}))
        return started[-1]

    yield start
    for process in started:
        process.end()


def test_a_killed_worker_takes_its_handlers_process_along(fake: FakeSite, program: Any, tmp_path: Path) -> None:
    worker = program(PROGRAM, "deaf")
    eventually(lambda: fake.of("register"))
    fake.give("r1", str(tmp_path / "pids"))
    eventually(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().count(" "))
    processes = [psutil.Process(int(pid)) for pid in (tmp_path / "pids").read_text().split()]
    worker.signal(signal.SIGKILL)
    worker.wait()
    eventually(lambda: not any(alive(each) for each in processes))


def test_terminate_reaches_the_group_and_what_runs_is_finished(fake: FakeSite, program: Any) -> None:
    """As a service manager does it: every process of the worker gets the signal."""
    worker = program(PROGRAM, "busy")
    eventually(lambda: fake.of("register"))
    fake.give("r1", "0.7")
    eventually(lambda: fake.of("inference_progress"), what="it runs")
    for process in [*psutil.Process(worker.pid).children(recursive=True), psutil.Process(worker.pid)]:
        process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert answered(fake) == ("completed", {"text_output": "done"})


def test_a_program_without_a_guard_is_told_what_is_missing(fake: FakeSite, program: Any) -> None:
    worker = program(PROGRAM.replace('if __name__ == "__main__":', "if True:"), "busy")
    assert worker.wait() == 1
    assert "put Worker(...).run() under if __name__ == '__main__'" in worker.output
    assert fake.of("register") == []


def test_a_handler_that_cannot_be_loaded_ends_the_run_before_it_registers(fake: FakeSite, serve: Serve) -> None:
    error = serve(handlers.Unloadable(), isolation="process", ready=False).ends()
    assert isinstance(error, HandlerUnusable)
    assert "exit code 1" in error.message
    assert fake.connects == 0


LOADED = """
import os
from pathlib import Path

with Path(os.environ["LOADED"]).open("a") as log:
    log.write(f"{os.getpid()}\\n")


def generate(request):
    return {"pid": os.getpid()}
"""
NAMING = """
import sys
from project.worker import Worker

if __name__ == "__main__":
    Worker("own_model:generate", host=sys.argv[1], space="Test", isolation="process").run()
"""


def test_a_handler_that_is_named_is_loaded_in_its_process_only(fake: FakeSite, program: Any, tmp_path: Path) -> None:
    (tmp_path / "own_model.py").write_text(LOADED)
    worker = program(NAMING, LOADED=str(tmp_path / "loaded"))
    eventually(lambda: fake.of("register"))
    fake.give("r1")
    pid = answered(fake)[1]["pid"]
    assert pid != worker.pid
    assert (tmp_path / "loaded").read_text().split() == [str(pid)]


def test_a_named_handler_runs_in_a_thread_as_well(fake: FakeSite, serve: Serve) -> None:
    serve("tests.worker.handlers:upper")
    fake.give("r1", "hello")
    assert answered(fake)[1]["text_output"] == "HELLO"
    for name in ("tests.worker.handlers", "tests.worker.handlers:none", "no.such.module:upper", ":", ""):
        with pytest.raises(ValueError, match="names no handler"):
            Worker(name, space="Test")


@pytest.mark.parametrize(
    ("options", "match"),
    [({"isolation": "process"}, "another process can import"), ({"isolation": "docker"}, "'thread' or 'process'")],
)
def test_what_cannot_be_isolated_is_refused_at_once(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Worker(lambda request: "x", space="Test", **options)


@one_of_trials
def test_a_busy_process_misses_no_ping() -> None:
    site = FakeSite(ping_s=1)
    site.response["heartbeat_seconds"] = 0.5
    site.start()
    running = Running(Worker(handlers.busy, host=site.host, space="Test", isolation="process"))
    try:
        eventually(lambda: site.of("register"))
        site.give("r1", "3.5")
        assert answered(site) == ("completed", {"text_output": "done"})
        assert (site.connects, site.disconnects) == (1, 0)
        assert len(site.of("heartbeat")) >= 5
    finally:
        running.worker.stop()
        running.ends()
        site.stop()


def test_an_async_handler_is_cancelled_at_its_next_await(fake: FakeSite, serve: Serve) -> None:
    told: list[str] = []

    async def handler(request: Job) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise
        return "late"

    serve(handler)
    fake.give("r1")
    fake.give("r2")
    eventually(lambda: fake.of("inference_progress"))
    # The waiting one first: it would begin as soon as the other has ended.
    for request_id in ("r2", "r1"):
        fake.emit("inference_cancel", {"request_id": request_id, "lease_id": f"{request_id}-1", "reason": "x"})
    eventually(lambda: told == ["cancelled"])
    assert fake.results() == {}


def test_async_handlers_share_one_loop(fake: FakeSite, serve: Serve) -> None:
    met: list[asyncio.Event] = []

    async def handler(request: Job) -> str:
        met.append(asyncio.Event())
        while len(met) < 2:
            await asyncio.sleep(0.01)
        met[0].set()
        await met[0].wait()
        return "met"

    serve(handler, concurrency=2)
    fake.give("r1")
    fake.give("r2")
    assert answered(fake) == answered(fake, "r2") == ("completed", {"text_output": "met"})


def test_generators_are_closed_when_nobody_waits_any_more(fake: FakeSite, serve: Serve) -> None:
    closed: list[str] = []
    go = threading.Event()

    def plain(request: Job) -> Iterator[str]:
        try:
            while True:
                yield "x"
                request.sleep(0.01)
        finally:
            closed.append("plain")

    async def asynchronous(request: Job) -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
                await asyncio.sleep(0.01)
        finally:
            closed.append("async")

    serve(lambda request: plain(request) if request.prompt == "plain" else asynchronous(request), concurrency=2)
    fake.give("r1", "plain")
    fake.give("r2", "async")
    eventually(lambda: {chunk["request_id"] for chunk in fake.of("inference_chunk")} == {"r1", "r2"})
    for request_id in ("r1", "r2"):
        fake.emit("inference_cancel", {"request_id": request_id, "lease_id": f"{request_id}-1", "reason": "x"})
    eventually(lambda: sorted(closed) == ["async", "plain"])
    go.set()


def test_listeners_hear_of_a_cancel_early_and_late() -> None:
    heard: list[str] = []
    job = Job({"request_id": "r1"}, lambda *_: None)
    job.when_cancelled(lambda: heard.append("before"))
    assert job.wait_cancelled(0) is False
    job.cancel()
    job.when_cancelled(lambda: heard.append("after"))
    job.cancel()
    assert heard == ["before", "after"]
    assert job.wait_cancelled(0) is True


def test_numbers_in_keys_arrive_as_the_site_reads_them(fake: FakeSite, serve: Serve) -> None:
    serve(lambda request: {1: "a", "b": (1, 2)})
    fake.give("r1")
    assert answered(fake) == ("completed", {"1": "a", "b": [1, 2]})
    assert re.fullmatch(r"[0-9.e-]+", str(fake.results()["r1"]["run_s"]))
