"""Results reach the site: sent again until they are acknowledged, and never in a form it cannot take."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any

import pytest

from project.worker import Job, WorkerEvents
from project.worker.outbox import Outbox
from tests.conftest import eventually
from tests.worker.conftest import Serve
from tests.worker.site import HELD, FakeSite

LARGE = {"text_output": "x" * 400_000}


class Fates(WorkerEvents):
    """Notes what became of results."""

    def __init__(self) -> None:
        self.recorded_ids: list[str] = []
        self.rejected_codes: list[str] = []

    def recorded(self, request_id: str) -> None:
        self.recorded_ids.append(request_id)

    def rejected(self, request_id: str, code: str, message: str) -> None:
        self.rejected_codes.append(code)


def hold(_message: Any) -> Any:
    return HELD


def test_results_do_not_wait_for_each_others_acknowledgements(fake: FakeSite, serve: Serve) -> None:
    fake.answers["inference_result"] = hold
    fates, outbox = Fates(), Outbox()
    serve(lambda request: "done", watcher=fates, outbox=outbox)
    for n in range(20):
        fake.give(f"r{n}")
    eventually(lambda: len(fake.results()) == 20)
    assert fates.recorded_ids == []
    assert len(outbox) == 20
    for acknowledge in reversed(fake.held):
        acknowledge({"ok": True})
    eventually(lambda: len(fates.recorded_ids) == 20)
    assert len(outbox) == 0


def test_unacknowledged_results_are_handed_in_after_a_break(fake: FakeSite, serve: Serve) -> None:
    fake.answers["inference_result"] = hold
    outbox = Outbox()
    serve(lambda request: "done", outbox=outbox)
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    del fake.answers["inference_result"]
    fake.drop()
    eventually(lambda: len(fake.of("inference_result")) == 2)
    first, second = fake.of("inference_result")
    assert first == second
    assert fake.of("register")[1]["in_flight"] == [{"request_id": "r1", "lease_id": "r1-1", "started": True}]
    eventually(lambda: len(outbox) == 0)


def test_results_of_an_absent_sites_time_are_handed_in(fake: FakeSite, serve: Serve) -> None:
    begun, go = threading.Event(), threading.Event()

    def handler(request: Job) -> str:
        begun.set()
        go.wait(60)
        return "computed while the site was away"

    outbox = Outbox()
    serve(handler, outbox=outbox)
    fake.give("r1")
    assert begun.wait(60)
    fake.stop()
    go.set()
    eventually(lambda: len(outbox) == 1)
    fake.start()
    eventually(lambda: "r1" in fake.results())
    eventually(lambda: len(outbox) == 0)


def test_a_result_without_an_answer_is_sent_again(fake: FakeSite, serve: Serve) -> None:
    fake.answers["inference_result"] = hold
    serve(lambda request: "done", outbox=Outbox(resend_s=0.1))
    fake.give("r1")
    eventually(lambda: len(fake.of("inference_result")) >= 3)
    assert fake.connects == 1


def test_trouble_at_the_site_is_no_final_answer(fake: FakeSite, serve: Serve) -> None:
    answers = [{"ok": False, "code": "storage_unavailable", "message": "not now"}, {"ok": True}]
    fake.answers["inference_result"] = lambda message: answers.pop(0)
    fates, outbox = Fates(), Outbox(resend_s=0.1)
    serve(lambda request: "done", watcher=fates, outbox=outbox)
    fake.give("r1")
    eventually(lambda: fates.recorded_ids == ["r1"])
    assert fates.rejected_codes == []
    assert len(outbox) == 0


@pytest.mark.parametrize("code", ["stale_lease", "request_not_found"])
def test_a_result_nobody_wants_is_let_go(fake: FakeSite, serve: Serve, code: str) -> None:
    fake.answers["inference_result"] = lambda message: {"ok": False, "code": code, "message": "too late"}
    fates, outbox = Fates(), Outbox(resend_s=0.1)
    serve(lambda request: "done", watcher=fates, outbox=outbox)
    fake.give("r1")
    eventually(lambda: fates.rejected_codes == [code])
    beats = len(fake.of("heartbeat"))
    eventually(lambda: len(fake.of("heartbeat")) > beats + 1)
    assert len(fake.of("inference_result")) == 1
    assert len(outbox) == 0


@pytest.mark.parametrize("code", ["invalid_message", "message_too_large"])
def test_a_result_the_site_cannot_take_becomes_a_failure_that_says_so(fake: FakeSite, serve: Serve, code: str) -> None:
    fake.answers["inference_result"] = lambda message: (
        {"ok": True}
        if message["status"] == "failed"
        else {"ok": False, "code": code, "message": "result is nested more than 32 levels deep"}
    )
    outbox = Outbox()
    serve(lambda request: "done", outbox=outbox)
    fake.give("r1")
    eventually(lambda: fake.results().get("r1", {}).get("status") == "failed")
    assert fake.results()["r1"]["lease_id"] == "r1-1"
    assert "nested more than 32 levels deep" in fake.results()["r1"]["result"]["error"]
    eventually(lambda: len(outbox) == 0)


def test_a_failure_the_site_cannot_take_either_is_let_go(fake: FakeSite, serve: Serve) -> None:
    fake.answers["inference_result"] = lambda message: {"ok": False, "code": "invalid_message", "message": "no"}
    fates, outbox = Fates(), Outbox()
    serve(lambda request: "done", watcher=fates, outbox=outbox)
    fake.give("r1")
    eventually(lambda: fates.rejected_codes == ["invalid_message"] * 2)
    assert len(outbox) == 0
    assert len(fake.of("inference_result")) == 2


def test_a_large_result_travels_as_a_file(fake: FakeSite, serve: Serve) -> None:
    serve(lambda request: LARGE)
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    [upload] = fake.uploads
    assert (upload.name, upload.content_type, upload.lease) == ("result.json", "application/json", "r1-1")
    assert json.loads(upload.body) == LARGE
    assert upload.sha256 == hashlib.sha256(upload.body).hexdigest()
    message = fake.results()["r1"]
    assert message["status"] == "completed"
    assert message["result"]["result_file"] == "result.json"
    assert fake.disconnects == 0


def test_the_site_says_what_is_large(fake: FakeSite, serve: Serve) -> None:
    fake.response["max_payload_bytes"] = 6000
    serve(lambda request: "x" * 3000)
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert [upload.name for upload in fake.uploads] == ["result.json"]


def test_a_large_result_without_a_place_for_files_fails_with_a_reason(fake: FakeSite, serve: Serve) -> None:
    serve(lambda request: LARGE)
    fake.emit("inference_request", {**fake.request("r1"), "upload_url": ""})
    eventually(lambda: "r1" in fake.results())
    message = fake.results()["r1"]
    assert message["status"] == "failed"
    assert message["result"]["error"].startswith("TransferFailed: result.json cannot be returned")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def entry(request_id: str = "r1", lease_id: str = "l1", **more: Any) -> dict[str, Any]:
    return {"request_id": request_id, "lease_id": lease_id, **more}


def test_outbox_tells_what_is_due() -> None:
    clock = Clock()
    outbox = Outbox(resend_s=10, clock=clock)
    outbox.put(entry("r1"))
    clock.now = 6
    outbox.put(entry("r2"))
    assert outbox.due() == []
    clock.now = 10
    assert outbox.due() == [entry("r1")]
    assert outbox.due() == []
    assert outbox.due(everything=True) == [entry("r1"), entry("r2")]
    assert outbox.leases() == {"r1": "l1", "r2": "l1"}


def test_outbox_does_not_mistake_one_attempt_for_another() -> None:
    outbox = Outbox()
    outbox.put(entry(lease_id="l1"))
    outbox.put(entry(lease_id="l2"))
    assert outbox.settle(entry(lease_id="l1")) is False
    assert outbox.leases() == {"r1": "l2"}
    assert outbox.settle(entry(lease_id="l2")) is True
    assert outbox.settle(entry(lease_id="l2")) is False
    assert len(outbox) == 0
