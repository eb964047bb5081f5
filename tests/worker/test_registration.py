"""How a worker comes to a site, is refused, and comes back."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import pytest

from project.worker import Job, RegistrationRefused, Worker, WorkerEvents
from project.worker.backoff import MOST_RETRY_S, retries
from project.worker.errors import ConnectionFailed
from tests.conftest import eventually
from tests.worker.conftest import Running, Serve
from tests.worker.site import HELD, FakeSite


class Diary(WorkerEvents):
    """Notes what a worker tells, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def registered(self, response: Mapping[str, Any]) -> None:
        self.lines.append("registered")

    def connection_failed(self, reason: str, retry_s: float) -> None:
        self.lines.append(f"failed: {reason}")

    def refused(self, message: str, code: str) -> None:
        self.lines.append(f"refused: {code}")

    def disconnected(self) -> None:
        self.lines.append("disconnected")

    def received(self, job: Job, queue_size: int) -> None:
        self.lines.append(f"received {job.id}")

    def started(self, job: Job) -> None:
        self.lines.append(f"started {job.id}")


def test_registration_names_the_worker(fake: FakeSite, serve: Serve) -> None:
    serve(lambda request: "x", token="wsp_1_secret", capacity=7)
    [message] = fake.of("register")
    assert message["space_name"] == "Test"
    assert (message["token"], message["protocol"], message["capacity"]) == ("wsp_1_secret", 2, 7)
    assert message["in_flight"] == []
    assert message["worker_id"]
    assert message["boot_id"]
    assert message["sdk"]


def test_two_workers_of_one_machine_are_two(fake: FakeSite, serve: Serve) -> None:
    serve(lambda request: "x")
    serve(lambda request: "x")
    first, second = fake.of("register")
    assert first["worker_id"] != second["worker_id"]
    assert first["boot_id"] != second["boot_id"]


def test_a_worker_may_be_given_its_name(fake: FakeSite, serve: Serve) -> None:
    serve(lambda request: "x", worker_id="lab-gpu-1")
    assert fake.of("register")[0]["worker_id"] == "lab-gpu-1"


def test_requests_right_behind_the_registration_are_served(fake: FakeSite, serve: Serve) -> None:
    fake.at_once = [("inference_request", fake.request(f"r{n}")) for n in range(16)]
    diary = Diary()
    serve(lambda request: "done", watcher=diary)
    eventually(lambda: len(fake.results()) == 16, what="every request of the first moment has its result")
    assert diary.lines[0] == "registered"
    for n in range(16):
        assert diary.lines.index(f"received r{n}") < diary.lines.index(f"started r{n}")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("space_name_unknown", "No space with that name was found"),
        ("space_name_ambiguous", 'Multiple spaces with name found: "Test"'),
        ("space_not_websockets", "not a websockets space"),
        ("bad_token", "The worker's token is wrong"),
        ("token_required", "This space needs a worker token"),
        ("space_occupied", "That space already has a connected worker"),
        ("", "a site of version 1 sends no code"),
    ],
)
def test_refusals_for_good_end_the_run(fake: FakeSite, serve: Serve, code: str, message: str) -> None:
    fake.refusals = [{"code": code, "message": message}]
    error = serve(lambda request: "x").ends()
    assert isinstance(error, RegistrationRefused)
    assert (error.reason, error.message) == (code, message)
    eventually(lambda: fake.disconnects == 1, what="the connection is closed")
    assert len(fake.of("register")) == 1


def test_a_site_in_trouble_is_asked_again(fake: FakeSite, serve: Serve) -> None:
    fake.refusals = [{"code": "storage_unavailable", "message": "The database cannot be written just now"}]
    diary = Diary()
    serve(lambda request: "x", watcher=diary)
    eventually(lambda: "registered" in diary.lines)
    assert diary.lines[0] == "failed: The database cannot be written just now"


def test_its_own_dead_connection_does_not_keep_a_worker_out(fake: FakeSite, serve: Serve) -> None:
    diary = Diary()
    serve(lambda request: "x", watcher=diary)
    eventually(lambda: diary.lines == ["registered"])
    fake.refusals = [{"code": "space_occupied", "message": "occupied"}] * 2
    fake.drop()
    eventually(lambda: diary.lines.count("registered") == 2)
    assert diary.lines == ["registered", "disconnected", "failed: occupied", "failed: occupied", "registered"]


def test_a_restarted_site_gets_its_worker_back(fake: FakeSite, serve: Serve) -> None:
    diary = Diary()
    serve(lambda request: request.prompt.upper(), watcher=diary)
    eventually(lambda: "registered" in diary.lines)
    fake.stop()
    eventually(lambda: "failed: Connection refused" in diary.lines)
    fake.start()
    eventually(lambda: len(fake.of("register")) == 2)
    first, second = fake.of("register")
    assert (first["worker_id"], first["boot_id"]) == (second["worker_id"], second["boot_id"])
    fake.give("r1", "again")
    eventually(lambda: fake.results().get("r1"))
    assert fake.results()["r1"]["result"] == {"text_output": "AGAIN"}


def test_a_connection_that_is_cut_each_time_is_not_opened_in_a_rush(fake: FakeSite, serve: Serve) -> None:
    waits = retries()
    first = [next(waits) for _ in range(12)]
    assert 0.1 <= first[0] <= 0.3
    assert max(first) <= MOST_RETRY_S
    assert first[8] > 5


def test_without_retry_an_absent_site_ends_the_run() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        worker = Worker(lambda request: "x", host=f"http://127.0.0.1:{port}", space="Test", retry=False)
        error = Running(worker).ends()
    assert isinstance(error, ConnectionFailed)
    assert error.message == "Connection refused"


def test_stopping_while_the_site_is_absent(fake: FakeSite, serve: Serve) -> None:
    diary = Diary()
    worker = serve(lambda request: "x", watcher=diary)
    fake.stop()
    eventually(lambda: "failed: Connection refused" in diary.lines)
    worker.worker.stop()
    assert worker.ends() is None
    fake.start()


def test_a_worker_registers_by_websocket_only(fake: FakeSite, serve: Serve) -> None:
    serve(lambda request: "x")
    assert fake.transports == ["websocket"]


def test_numbers_out_of_range_are_refused_at_once() -> None:
    for options in ({"capacity": 0}, {"capacity": 1025}, {"concurrency": 0}):
        with pytest.raises(ValueError, match=r"capacity|concurrency"):
            Worker(lambda request: "x", space="Test", **options)  # type: ignore[arg-type]


def test_draining_site_keeps_its_worker(fake: FakeSite, serve: Serve) -> None:
    serve(lambda request: "done")
    fake.emit("site_draining", {"reason": "restart"})
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert fake.disconnects == 0


def test_a_return_lists_what_is_held_and_ends_what_is_lost(fake: FakeSite, serve: Serve) -> None:
    ended: list[str] = []

    def handler(request: Job) -> str:
        request.sleep(30)
        ended.append(request.id)
        return "late"

    fake.answers["inference_result"] = lambda message: HELD
    serve(handler)
    fake.give("r1")
    fake.give("r2")
    eventually(lambda: any(beat["in_flight"] and beat["in_flight"][0]["started"] for beat in fake.of("heartbeat")))
    fake.response["keep"] = ["r2"]
    fake.drop()
    eventually(lambda: len(fake.of("register")) == 2)
    assert fake.of("register")[1]["in_flight"] == [
        {"request_id": "r1", "lease_id": "r1-1", "started": True},
        {"request_id": "r2", "lease_id": "r2-1", "started": False},
    ]
    eventually(lambda: ended == ["r1"], what="the lost one is interrupted")
    eventually(
        lambda: fake.of("heartbeat")[-1]["in_flight"] == [{"request_id": "r2", "lease_id": "r2-1", "started": True}]
    )
    assert fake.results() == {}
