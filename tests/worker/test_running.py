"""How a handler is run: one request after another, off the socket's thread, told when nobody waits any more."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from project.worker import Job, Worker, WorkerEvents
from tests.conftest import eventually, one_of_trials
from tests.worker.conftest import Running, Serve
from tests.worker.site import FakeSite


class Steps:
    """A handler that waits to be let go, and notes what runs."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.jobs: dict[str, Job] = {}
        self.go = threading.Semaphore(0)

    def __call__(self, request: Job) -> dict[str, Any]:
        self.begun.append(request.id)
        self.jobs[request.id] = request
        while not request.cancelled and not self.go.acquire(timeout=0.01):
            pass
        self.ended.append(request.id)
        return {"text_output": request.id}


def test_request_as_the_handler_sees_it(fake: FakeSite, serve: Serve) -> None:
    seen: list[Job] = []

    def handler(request: Job) -> dict[str, Any]:
        seen.append(request)
        return {"text_output": "ok"}

    serve(handler)
    fake.give("r1", "hello", attempt=2, params={"steps": 4}, audio={"field": "audio_url", "url": "https://a.example/b"})
    eventually(lambda: "r1" in fake.results())
    [request] = seen
    assert (request.id, request.prompt, request.username, request.attempt) == ("r1", "hello", "testuser", 2)
    assert (request.params, request.audio_url, request.queue_size, request.files) == (
        {"steps": 4},
        "https://a.example/b",
        1,
        (),
    )
    message = fake.results()["r1"]
    assert (message["lease_id"], message["status"], message["result"]) == ("r1-2", "completed", {"text_output": "ok"})
    assert message["run_s"] >= 0


def test_one_after_another_in_order(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    serve(steps)
    for name in ("r1", "r2", "r3"):
        fake.give(name)
    eventually(lambda: len(fake.of("heartbeat")) and len(fake.of("heartbeat")[-1]["in_flight"]) == 3)
    assert steps.begun == ["r1"]
    for _ in range(3):
        steps.go.release()
    eventually(lambda: len(fake.results()) == 3)
    assert steps.begun == ["r1", "r2", "r3"]
    assert [message["request_id"] for message in fake.of("inference_result")] == ["r1", "r2", "r3"]


def test_as_many_at_once_as_asked(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    serve(steps, concurrency=2)
    for name in ("r1", "r2", "r3"):
        fake.give(name)
    eventually(lambda: sorted(steps.begun) == ["r1", "r2"])
    steps.go.release()
    eventually(lambda: len(steps.begun) == 3)


def test_the_same_attempt_twice_runs_once(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    serve(steps)
    fake.give("r1")
    fake.give("r1")
    eventually(lambda: steps.begun == ["r1"])
    steps.go.release()
    fake.give("r2")
    steps.go.release()
    eventually(lambda: "r2" in fake.results())
    assert steps.begun == ["r1", "r2"]


def test_a_new_attempt_ends_the_old_one(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    serve(steps)
    fake.give("r1", attempt=1)
    eventually(lambda: steps.begun == ["r1"])
    fake.give("r1", attempt=2)
    eventually(lambda: steps.begun == ["r1", "r1"])
    steps.go.release()
    eventually(lambda: fake.results())
    assert [message["lease_id"] for message in fake.of("inference_result")] == ["r1-2"]


def test_progress_is_sent_newest_first_and_not_too_often(fake: FakeSite, serve: Serve) -> None:
    go = threading.Event()

    def handler(request: Job) -> str:
        for percent in range(101):
            request.progress(percent / 100, "m" * 2000)
        go.wait(60)
        return "done"

    serve(handler)
    fake.give("r1")
    eventually(lambda: fake.of("inference_progress") and fake.of("inference_progress")[-1]["percent"] == 100)
    go.set()
    eventually(lambda: "r1" in fake.results())
    sent = fake.of("inference_progress")
    assert [message["seq"] for message in sent] == list(range(1, len(sent) + 1))
    assert len(sent) < 50, "not each of the hundred"
    assert all(message["lease_id"] == "r1-1" and len(message["message"]) == 1000 for message in sent)


def test_progress_stays_between_0_and_100(fake: FakeSite, serve: Serve) -> None:
    go = threading.Event()

    def handler(request: Job) -> str:
        request.progress(float(request.prompt))
        go.wait(60)
        return "done"

    serve(handler, concurrency=3)
    for name, fraction in (("r1", "-1"), ("r2", "7"), ("r3", "nan")):
        fake.give(name, fraction)
    eventually(lambda: len(fake.of("inference_progress")) >= 3)
    go.set()
    found = {message["request_id"]: message["percent"] for message in fake.of("inference_progress")}
    assert found == {"r1": 0, "r2": 100, "r3": 0}


@one_of_trials
def test_a_long_run_is_noticed_and_an_instant_one_costs_no_message(fake: FakeSite, serve: Serve) -> None:
    fake.frames.clear()
    steps = Steps()
    serve(lambda request: "quick" if request.prompt == "quick" else steps(request))
    fake.give("r1", "quick")
    fake.give("r2", "slow")
    eventually(lambda: fake.of("inference_progress"))
    steps.go.release()
    eventually(lambda: "r2" in fake.results())
    assert [(message["request_id"], message["percent"]) for message in fake.of("inference_progress")] == [("r2", 0)]


def test_heartbeats_say_what_has_begun(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    serve(steps)
    fake.give("r1")
    fake.give("r2")
    expected = [
        {"request_id": "r1", "lease_id": "r1-1", "started": True},
        {"request_id": "r2", "lease_id": "r2-1", "started": False},
    ]
    eventually(lambda: {"in_flight": expected} in fake.of("heartbeat"))


def test_cancel_ends_a_running_request_and_drops_its_result(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    serve(steps)
    fake.give("r1")
    fake.give("r2")
    fake.give("r3")
    eventually(lambda: steps.begun == ["r1"])
    fake.emit("inference_cancel", {"request_id": "r2", "lease_id": "r2-1", "reason": "by the user"})
    fake.emit("inference_cancel", {"request_id": "r1", "lease_id": "of an earlier attempt", "reason": "late"})
    fake.emit("inference_cancel", {"request_id": "r1", "lease_id": "r1-1", "reason": "by the user"})
    eventually(lambda: steps.begun == ["r1", "r3"], what="the waiting one never began")
    steps.go.release()
    eventually(lambda: "r3" in fake.results())
    assert list(fake.results()) == ["r3"]
    assert steps.jobs["r1"].cancelled


def test_a_lease_that_the_heartbeat_stops_is_dropped(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    fake.answers["heartbeat"] = lambda message: {
        "ok": True,
        "keep": [],
        "stop": [lease["request_id"] for lease in message["in_flight"]],
    }
    serve(steps)
    fake.give("r1")
    eventually(lambda: steps.ended == ["r1"])
    assert steps.jobs["r1"].cancelled
    assert fake.results() == {}


@pytest.mark.parametrize(
    ("returned", "status", "result"),
    [
        ("text", "completed", {"text_output": "text"}),
        ({"a": [1, None]}, "completed", {"a": [1, None]}),
        (7, "failed", {"error": "TypeError: the handler returned int; return a dictionary, a text or a Result"}),
    ],
)
def test_what_a_handler_may_return(
    fake: FakeSite, serve: Serve, returned: Any, status: str, result: dict[str, Any]
) -> None:
    serve(lambda request: returned)
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert (fake.results()["r1"]["status"], fake.results()["r1"]["result"]) == (status, result)


@pytest.mark.parametrize("returned", [{"x": float("nan")}, {"x": object()}, {"x": "\ud800"}])
def test_what_json_cannot_carry_is_a_failure_with_a_reason(fake: FakeSite, serve: Serve, returned: Any) -> None:
    serve(lambda request: returned if request.prompt == "bad" else "fine")
    fake.give("r1", "bad")
    fake.give("r2")
    eventually(lambda: "r2" in fake.results())
    assert fake.results()["r1"]["status"] == "failed"
    assert "Error: " in fake.results()["r1"]["result"]["error"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("out of memory"), "ValueError: out of memory"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
    ],
)
def test_what_a_handler_raises_is_its_answer(fake: FakeSite, serve: Serve, error: BaseException, text: str) -> None:
    def handler(request: Job) -> str:
        if request.prompt == "bad":
            raise error
        return "fine"

    serve(handler)
    fake.give("r1", "bad")
    fake.give("r2")
    eventually(lambda: "r2" in fake.results(), what="the worker serves on")
    assert fake.results()["r1"]["status"] == "failed"
    assert fake.results()["r1"]["result"] == {"error": text}


def test_an_endless_error_text_is_cut(fake: FakeSite, serve: Serve) -> None:
    def handler(request: Job) -> str:
        raise ValueError("x" * 3_000_000)

    serve(handler)
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert len(fake.results()["r1"]["result"]["error"]) == 4000
    assert fake.disconnects == 0


def test_a_generator_is_shown_as_it_comes(fake: FakeSite, serve: Serve) -> None:
    def handler(request: Job) -> Iterator[str]:
        yield "once "
        yield "🐈" * 40_000
        yield ""
        yield "end"

    serve(handler)
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    chunks = fake.of("inference_chunk")
    assert [chunk["seq"] for chunk in chunks] == list(range(1, len(chunks) + 1))
    assert "".join(chunk["text"] for chunk in chunks) == "once " + "🐈" * 40_000 + "end"
    assert max(len(chunk["text"]) for chunk in chunks) <= 16_000
    assert fake.disconnects == 0


def test_quick_pieces_travel_together_in_order_and_before_the_result(fake: FakeSite, serve: Serve) -> None:
    def handler(request: Job) -> Iterator[str]:
        for number in range(5000):
            yield f"{number} "

    serve(handler, concurrency=2)
    fake.give("r1")
    fake.give("r2")
    eventually(lambda: len(fake.results()) == 2)
    text = "".join(f"{number} " for number in range(5000))
    for request_id in ("r1", "r2"):
        chunks = [chunk for chunk in fake.of("inference_chunk") if chunk["request_id"] == request_id]
        assert [chunk["seq"] for chunk in chunks] == list(range(1, len(chunks) + 1))
        assert "".join(chunk["text"] for chunk in chunks) == text
        assert len(chunks) < 1000, "not each of the five thousand"
        names = [(name, data.get("request_id")) for name, data in fake.frames]
        last = len(names) - 1 - names[::-1].index(("inference_chunk", request_id))
        assert last < names.index(("inference_result", request_id))


def test_a_piece_is_shown_at_once_and_none_waits_for_the_next(fake: FakeSite, serve: Serve) -> None:
    go = threading.Event()

    def handler(request: Job) -> Iterator[str]:
        yield "first "
        yield "second "
        go.wait(60)

    serve(handler)
    fake.give("r1")
    eventually(lambda: "".join(chunk["text"] for chunk in fake.of("inference_chunk")) == "first second ")
    assert fake.of("inference_chunk")[0]["text"] == "first "
    go.set()


def test_a_handler_that_hears_no_cancel_is_told_of_once(
    fake: FakeSite, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project.worker.worker.DEAF_S", 0.1)
    go, told = threading.Event(), []

    class Listening(WorkerEvents):
        def deaf(self, job: Job, waited_s: float) -> None:
            told.append(job.id)

    def handler(request: Job) -> str:
        if request.id == "r1":
            go.wait(60)
        return "done"

    serve(handler, watcher=Listening())
    fake.give("r1")
    eventually(lambda: fake.of("inference_progress"))
    fake.emit("inference_cancel", {"request_id": "r1", "lease_id": "r1-1", "reason": "by the user"})
    eventually(lambda: told == ["r1"])
    go.set()
    fake.give("r2")
    eventually(lambda: "r2" in fake.results())
    assert told == ["r1"]


def test_a_broken_watcher_ends_the_run_rather_than_hang_it(fake: FakeSite, serve: Serve) -> None:
    class Broken(WorkerEvents):
        def started(self, job: Job) -> None:
            raise OSError("nobody reads this log any more")

    running = serve(lambda request: "x", watcher=Broken())
    fake.give("r1")
    error = running.ends()
    assert isinstance(error, OSError)


def test_stopping_interrupts_and_hands_in_nothing_half_done(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    running = serve(steps)
    fake.give("r1")
    eventually(lambda: steps.begun == ["r1"])
    running.worker.stop()
    assert running.ends() is None
    eventually(lambda: steps.ended == ["r1"])
    eventually(lambda: fake.disconnects == 1)
    assert fake.results() == {}


def test_finishing_hands_in_what_runs_and_takes_nothing_new(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    running = serve(steps)
    fake.give("r1")
    fake.give("r2")
    eventually(lambda: steps.begun == ["r1"])
    running.worker.stop(finish=True)
    running.worker.stop(finish=True)
    eventually(lambda: fake.of("drain") == [{}])
    fake.give("r3")
    steps.go.release()
    assert running.ends() is None
    assert list(fake.results()) == ["r1"]
    assert steps.begun == ["r1"]


def test_finishing_does_not_stand_in_the_way_of_stopping(fake: FakeSite, serve: Serve) -> None:
    steps = Steps()
    running = serve(steps)
    fake.give("r1")
    eventually(lambda: steps.begun == ["r1"])
    running.worker.stop(finish=True)
    eventually(lambda: fake.of("drain"))
    running.worker.stop()
    assert running.ends() is None
    assert fake.results() == {}


def test_long_text_is_not_looked_through_sign_by_sign(
    fake: FakeSite, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own look at it, in Python, took longer than everything else together."""
    looked: list[int] = []
    monkeypatch.setattr("websocket._abnf.validate_utf8", lambda text: looked.append(len(text)) or True)
    prompts: list[str] = []
    serve(lambda job: prompts.append(job.prompt) or "read")
    fake.give("r1", "\u4f60\u597d" * 50_000)
    eventually(lambda: "r1" in fake.results())
    assert prompts == ["\u4f60\u597d" * 50_000]
    assert not looked


@one_of_trials
def test_a_busy_handler_answers_pings() -> None:
    """Pure Python work, which holds the interpreter, through several ping intervals."""
    # Whole seconds: the handshake announces no others, and the client would wait for less than is meant.
    site = FakeSite(ping_s=1)
    site.response["heartbeat_seconds"] = 60
    site.start()

    def handler(request: Job) -> str:
        text = b"x"
        end = time.monotonic() + 4
        while time.monotonic() < end:
            text = hashlib.sha256(text).digest()
        return "done"

    running = Running(Worker(handler, host=site.host, space="Test"))
    try:
        eventually(lambda: site.of("register"))
        site.give("r1")
        eventually(lambda: "r1" in site.results())
        assert (site.connects, site.disconnects) == (1, 0)
    finally:
        running.worker.stop()
        running.ends()
        site.stop()
