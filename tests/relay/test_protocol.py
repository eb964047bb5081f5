"""The worker protocol on a real socket: version 1 untouched, version 2 with leases, fencing and acknowledgements."""

from __future__ import annotations

import queue
from typing import Any

import pytest
import requests
import socketio

from tests.conftest import LiveSite, eventually
from tests.relay.socket_client import Connect, held, v2

pytestmark = pytest.mark.slow


def test_version_1_knows_nothing_else(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("V1")
    worker = connect()
    response = worker.register("V1")
    assert response["success"] is True
    assert response["space_id"] == space_id
    assert response["message"] == 'Successfully connected to space "V1"'
    assert response["connection_id"]
    session = site.login("testuser", "testpass123")
    submitted = site.submit(session, space_id, prompt="hello", params='{"temperature": 0.5}')
    request = worker.next()
    assert request["request_id"] == submitted["request_id"]
    assert request["username"] == "testuser"
    assert request["payload"]["prompt"] == "hello"
    assert request["payload"]["params"] == {"temperature": 0.5}
    assert request["payload"]["timestamp"].endswith("Z")
    assert request["queue_size"] == 1
    result = {"request_id": request["request_id"], "status": "completed", "result": {"text_output": "hi"}}
    worker.socket.emit("inference_result", result)
    status = site.status(session, submitted["request_id"], wait=10)
    assert status["status"] == "completed"
    assert status["result"] == {"text_output": "hi"}


def test_version_1_gets_a_small_window(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("V1window")
    worker = connect()
    worker.register("V1window")
    session = site.login()
    ids = [site.submit(session, space_id, prompt=str(n))["request_id"] for n in range(4)]
    first, second = worker.next(), worker.next()
    assert [first["request_id"], second["request_id"]] == ids[:2]
    assert worker.requests.empty()
    worker.socket.emit("inference_result", {"request_id": ids[0], "status": "completed", "result": {}})
    assert worker.next()["request_id"] == ids[2]


def test_failure_of_the_model(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Fails")
    worker = connect()
    worker.register("Fails")
    session = site.login()
    submitted = site.submit(session, space_id, prompt="x")
    request = worker.next()
    failed = {"request_id": request["request_id"], "status": "failed", "result": {"error": "out of memory"}}
    worker.socket.emit("inference_result", failed)
    status = site.status(session, submitted["request_id"], wait=10)
    assert (status["status"], status["code"], status["error"]) == ("failed", "worker_error", "out of memory")


def test_version_2_acknowledges_and_fences(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("V2")
    worker = connect()
    response = worker.register("V2", **v2("w1"))
    assert response["protocol"] == 2
    assert response["lease_seconds"] > response["heartbeat_seconds"] > 0
    assert response["keep"] == []
    session = site.login()
    submitted = site.submit(session, space_id, prompt="x")
    request = worker.next()
    assert request["attempt"] == 1
    ids = {"request_id": request["request_id"], "lease_id": request["lease_id"]}
    assert worker.call("inference_progress", {**ids, "seq": 1, "percent": 40, "message": "warm"}) == {"ok": True}
    assert worker.call("inference_chunk", {**ids, "seq": 1, "text": "once "}) == {"ok": True}
    assert worker.call("inference_chunk", {**ids, "seq": 1, "text": "once "}) == {"ok": True}
    assert worker.call("inference_chunk", {**ids, "seq": 2, "text": "more"}) == {"ok": True}
    status = site.status(session, submitted["request_id"])
    assert (status["progress"], status["progress_message"], status["partial"]) == (40, "warm", "once more")
    wrong = {**ids, "lease_id": "made-up", "status": "completed", "result": {"text_output": "forged"}}
    assert worker.call("inference_result", wrong)["code"] == "stale_lease"
    beat = worker.call("heartbeat", {"in_flight": [ids, {"request_id": "other", "lease_id": "x"}]})
    assert beat == {"ok": True, "keep": [ids["request_id"]], "stop": ["other"]}
    right = {**ids, "status": "completed", "result": {"text_output": "true"}}
    assert worker.call("inference_result", right) == {"ok": True}
    assert worker.call("inference_result", {**right, "result": {"text_output": "again"}}) == {
        "ok": True,
        "duplicate": True,
    }
    assert site.status(session, submitted["request_id"])["result"] == {"text_output": "true"}


def test_a_space_that_takes_two_workers_says_so_to_the_third(site: LiveSite, connect: Connect) -> None:
    site.make_space("Two at once", ws_max_workers="2")
    for worker_id in ("first", "second"):
        assert connect().register("Two at once", **v2(worker_id))["success"]
    refused = connect().register("Two at once", **v2("third"))
    assert refused["code"] == "space_occupied"
    assert refused["message"] == '"Two at once" already has 2 connected workers, as many as it takes'


def test_worker_of_another_space_is_refused(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Mine")
    site.make_space("Theirs")
    mine, theirs = connect(), connect()
    mine.register("Mine", **v2("m"))
    theirs.register("Theirs", **v2("t"))
    session = site.login()
    submitted = site.submit(session, space_id, prompt="secret")
    request = mine.next()
    forged = {"request_id": request["request_id"], "lease_id": request["lease_id"], "status": "completed", "result": {}}
    assert theirs.call("inference_result", forged)["code"] == "request_not_found"
    assert site.status(session, submitted["request_id"])["status"] == "processing"


def test_broken_connection_requeues_and_the_same_worker_resumes(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Resume")
    worker = connect()
    worker.register("Resume", **v2("w"))
    session = site.login()
    submitted = site.submit(session, space_id, prompt="x")
    request = worker.next()
    worker.close()
    eventually(lambda: site.status(session, submitted["request_id"])["status"] == "queued")
    back = connect()
    lease = {"request_id": request["request_id"], "lease_id": request["lease_id"], "started": True}
    response = back.register("Resume", **v2("w", in_flight=[lease]))
    assert response["keep"] == [request["request_id"]]
    status = site.status(session, submitted["request_id"])
    assert (status["status"], status["attempt"]) == ("processing", 1)
    done = {"request_id": request["request_id"], "lease_id": request["lease_id"], "status": "completed", "result": {}}
    assert back.call("inference_result", done) == {"ok": True}


def test_new_boot_owns_nothing(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Reboot")
    worker = connect()
    worker.register("Reboot", **v2("w"))
    session = site.login()
    submitted = site.submit(session, space_id, prompt="x")
    first = worker.next()
    again = connect()
    again.register("Reboot", **v2("w", boot_id="other"))
    second = again.next()
    assert second["request_id"] == submitted["request_id"]
    assert (second["attempt"], second["lease_id"] != first["lease_id"]) == (2, True)
    late = {"request_id": first["request_id"], "lease_id": first["lease_id"], "status": "completed", "result": {}}
    assert again.call("inference_result", late)["code"] == "stale_lease"


def test_poison_request_ends_and_the_next_proceeds(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Poison")
    session = site.login()
    worker = connect()
    worker.register("Poison")
    poison = site.submit(session, space_id, prompt="poison")["request_id"]
    for attempt in (1, 2, 3):
        assert worker.next()["attempt"] == attempt
        worker.close()
        worker = connect()
        eventually(lambda: not site.connected(space_id))
        worker.register("Poison")
    status = site.status(session, poison, wait=10)
    assert (status["status"], status["code"], status["attempt"]) == ("failed", "worker_lost", 3)
    healthy = site.submit(session, space_id, prompt="healthy")["request_id"]
    assert worker.next()["request_id"] == healthy


def test_cancel_reaches_the_worker_and_its_late_result_is_dropped(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Cancel")
    worker = connect()
    worker.register("Cancel", **v2("w"))
    session = site.login("testuser", "testpass123")
    submitted = site.submit(session, space_id, prompt="x")
    request = worker.next()
    answer = session.post(f"{site.host}/websockets/cancel/{submitted['request_id']}")
    assert (answer.json()["status"], answer.json()["code"]) == ("cancelled", "cancelled_by_user")
    assert worker.cancels.get(timeout=60)["request_id"] == submitted["request_id"]
    late = {"request_id": request["request_id"], "lease_id": request["lease_id"], "status": "completed", "result": {}}
    assert worker.call("inference_result", late)["code"] == "stale_lease"
    assert site.status(session, submitted["request_id"])["status"] == "cancelled"


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        (None, "invalid_message", "inference_result"),
        ([], "invalid_message", "inference_result"),
        ({}, "invalid_message", "request_id"),
        ({"request_id": "x", "status": "maybe"}, "invalid_message", "status"),
        ({"request_id": "x", "status": "completed", "result": "text"}, "invalid_message", "result"),
        ({"request_id": "x", "status": "completed", "result": {"t": "x" * 300_000}}, "message_too_large", "result"),
        ({"request_id": "nope", "status": "completed", "result": {}}, "request_not_found", None),
    ],
)
def test_bad_results_get_an_answer(
    site: LiveSite, connect: Connect, message: Any, code: str, field: str | None
) -> None:
    site.make_space(f"Bad{abs(hash(repr(message)))}")
    worker = connect()
    worker.register(f"Bad{abs(hash(repr(message)))}", **v2("w"))
    answer = worker.call("inference_result", message)
    assert (answer["ok"], answer["code"], answer.get("field")) == (False, code, field)
    assert worker.call("heartbeat", {"in_flight": []})["ok"] is True


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"space_name": "No such space"}, "space_name_unknown"),
        ({"space_name": "LinkOnly"}, "space_not_websockets"),
        ({"space_name": "LinkOnly", "protocol": 2}, "invalid_message"),
        ({}, "invalid_message"),
        ("LinkOnly", "invalid_message"),
    ],
)
def test_refused_registrations(site: LiveSite, connect: Connect, message: Any, code: str) -> None:
    if not any(True for _ in [0] if "LinkOnly" in requests.get(site.host).text):
        site.make_space("LinkOnly", card_type="link")
    worker = connect()
    worker.socket.emit("register", message)
    response = worker.responses.get(timeout=60)
    assert (response["success"], response["code"]) == (False, code)
    eventually(lambda: not worker.socket.connected)


def test_unregistered_connection_may_do_nothing(site: LiveSite, connect: Connect) -> None:
    worker = connect()
    result = {"request_id": "x", "status": "completed", "result": {}}
    assert worker.call("inference_result", result)["code"] == "not_registered"
    assert worker.call("heartbeat", {"in_flight": []})["code"] == "not_registered"
    assert worker.call("no_such_event", {})["code"] == "unknown_event"


def test_a_proxy_in_front_means_a_token_is_needed(site: LiveSite) -> None:
    site.make_space("Proxied")
    session = requests.Session()
    session.headers["X-Forwarded-For"] = "203.0.113.9"
    client = socketio.Client(reconnection=False, http_session=session)
    responses: queue.Queue[dict[str, Any]] = queue.Queue()
    client.on("register_response", responses.put)
    client.connect(site.host, transports=["websocket"], headers={"X-Forwarded-For": "203.0.113.9"})
    try:
        client.emit("register", {"space_name": "Proxied"})
        assert responses.get(timeout=60)["code"] == "token_required"
    finally:
        client.disconnect()


def test_worker_tokens(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Tokened")
    admin = site.login()
    page = admin.post(f"{site.host}/admin/space/{space_id}/tokens", data={"token_name": "lab"}).text
    token = page.split('<code id="token">')[1].split("</code>")[0]
    assert token.startswith("wsp_")
    assert token not in admin.get(f"{site.host}/admin/space/edit/{space_id}").text
    wrong = connect()
    assert wrong.register("Tokened", token=token + "x")["code"] == "bad_token"
    right = connect()
    assert right.register("Tokened", token=token)["success"] is True


def test_a_worker_says_that_it_was_not_the_model(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Whose fault")
    worker = connect()
    worker.register("Whose fault", **v2("w1"))
    session = site.login()
    for told, recorded in (("handler_crashed", "handler_crashed"), ("made up", "worker_error"), ([1], "worker_error")):
        submitted = site.submit(session, space_id, prompt="x")
        message = {**held(worker.next()), "status": "failed", "result": {"error": "SIGSEGV"}, "code": told}
        assert worker.call("inference_result", message) == {"ok": True}
        status = site.status(session, submitted["request_id"])
        assert (status["status"], status["code"], status["error"]) == ("failed", recorded, "SIGSEGV")


def test_a_probe_tells_whether_it_might_register_and_changes_nothing(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Probed")
    worker = connect()
    worker.register("Probed", **v2("w1"))
    other = connect()
    told = other.register("Probed", **v2("w2"), probe=True)
    assert (told["success"], told["probe"], told["workers"], told["max_workers"]) == (True, True, 1, 1)
    assert told["space_id"] == space_id
    submitted = site.submit(site.login(), space_id, prompt="x")
    assert worker.next()["request_id"] == submitted["request_id"]
    refused = other.register("Nowhere", **v2("w2"), probe=True)
    assert (refused["success"], refused["code"]) == (False, "space_name_unknown")
    stranger = connect()
    refused = stranger.register("Probed", **v2("w2"), token="wsp_1_wrong", probe=True)
    assert refused["code"] == "bad_token"
    alone = connect()
    alone.register("Probed", **v2("w1"), probe=True)
    assert site.connected(space_id), "its own name does not take its own place over"
    assert alone.call("heartbeat", {"in_flight": []})["code"] == "not_registered"
