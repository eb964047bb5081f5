"""What a space takes, over HTTP with real connections: keys, bounds, order, and while no worker is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.conftest import LiveSite, eventually
from tests.relay.socket_client import Client, Connect, held, v2

pytestmark = pytest.mark.slow


@pytest.fixture
def user(site: LiveSite) -> requests.Session:
    return site.login("testuser", "testpass123")


def send(site: LiveSite, session: requests.Session, space_id: str, key: str = "", **more: Any) -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    form = {"prompt": "x", **more.pop("form", {})}
    return session.post(f"{site.host}/websockets/submit/{space_id}", data=form, headers=headers, timeout=60, **more)


def finish(worker: Client, request: dict[str, Any]) -> None:
    done = {**held(request), "status": "completed", "result": {"text_output": "done"}}
    assert worker.call("inference_result", done) == {"ok": True}


def test_sent_again_with_its_key_it_is_the_same_request(
    site: LiveSite, connect: Connect, user: requests.Session
) -> None:
    space_id = site.make_space("Keys", ws_rate_limit_seconds="60")
    worker = connect()
    worker.register("Keys", **v2("w"))
    first = send(site, user, space_id, "order-1").json()
    again = send(site, user, space_id, "order-1").json()
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["request_id"] == first["request_id"]
    other = send(site, user, space_id, "order-1", form={"prompt": "y"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert other.json()["field"] == "Idempotency-Key"
    finish(worker, worker.next())
    waited = send(site, user, space_id, "order-1", form={"wait": "30"}).json()
    assert (waited["request_id"], waited["status"]) == (first["request_id"], "completed")
    worker.close()
    eventually(lambda: not site.connected(space_id))
    offline = send(site, user, space_id, "order-1")
    assert offline.json()["request_id"] == first["request_id"]
    assert send(site, user, space_id, "order-2").json()["code"] == "worker_offline"


def test_keys_are_each_persons_own(site: LiveSite, connect: Connect, user: requests.Session) -> None:
    space_id = site.make_space("Own keys")
    connect().register("Own keys", **v2("w"))
    mine, theirs = send(site, user, space_id, "k").json(), send(site, site.login(), space_id, "k").json()
    assert mine["request_id"] != theirs["request_id"]
    assert theirs["repeated"] is False


@pytest.mark.parametrize("key", ["a" * 201, "with space", "ключ".encode().decode("latin-1")])
def test_bad_keys_are_refused(site: LiveSite, user: requests.Session, key: str) -> None:
    space_id = site.make_space("Bad keys")
    answer = user.post(
        f"{site.host}/websockets/submit/{space_id}",
        data={"prompt": "x"},
        headers={"Idempotency-Key": key.encode("latin-1")},  # type: ignore[dict-item]
    )
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


def test_files_are_part_of_what_a_key_stands_for(site: LiveSite, connect: Connect, user: requests.Session) -> None:
    space_id = site.make_space("Key files", ws_enable_file_upload="on")
    worker = connect()
    worker.register("Key files", **v2("w"))

    def upload(content: bytes) -> requests.Response:
        return send(site, user, space_id, "f", files={"other_file": ("a.txt", content)})

    first = upload(b"one").json()
    assert upload(b"one").json()["request_id"] == first["request_id"]
    assert upload(b"two").json()["code"] == "idempotency_key_reused"
    (file,) = site.status(user, first["request_id"])["files"]
    assert user.get(site.host + file["url"]).content == b"one"
    on_disk = [path for path in (site.data_dir / "files").rglob("*") if path.is_file()]
    assert file["id"] in [path.name for path in on_disk]
    assert [path.name for path in on_disk if path.read_bytes() in (b"one", b"two")] == [file["id"]]


def test_sent_at_once_under_one_key_it_is_one_request(site: LiveSite, connect: Connect, user: requests.Session) -> None:
    space_id = site.make_space("Race")
    worker = connect()
    worker.register("Race", **v2("w", capacity=64))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: send(site, user, space_id, "race"), range(32)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["request_id"] for answer in answers}) == 1
    worker.next()
    assert worker.requests.empty()


def test_parallel_submissions_never_exceed_the_queue(site: LiveSite, user: requests.Session) -> None:
    space_id = site.make_space("Bounded", ws_queue_while_offline="on", ws_max_queue="10", ws_max_queue_per_user="7")
    admin = site.login()
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: send(site, (user, admin)[n % 2], space_id), range(32)))
    taken = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert (len(taken), len(taken) + len(refused)) == (10, 32)
    assert {answer.json()["code"] for answer in refused} <= {"queue_full", "own_queue_full"}
    for answer in refused:
        assert answer.json()["retry_after"] > 0
        assert int(answer.headers["Retry-After"]) >= answer.json()["retry_after"]
    state = requests.get(f"{site.host}/websockets/space/{space_id}/status").json()
    assert state["queue_size"] == 10


def test_one_person_leaves_room_for_the_next(site: LiveSite, user: requests.Session) -> None:
    space_id = site.make_space("Room", ws_queue_while_offline="on", ws_max_queue_per_user="2")
    mine = [send(site, user, space_id) for _ in range(3)]
    assert [answer.status_code for answer in mine] == [200, 200, 429]
    assert mine[2].json()["code"] == "own_queue_full"
    assert send(site, site.login(), space_id).status_code == 200
    user.post(f"{site.host}/websockets/cancel/{mine[0].json()['request_id']}")
    assert send(site, user, space_id).status_code == 200


def test_taken_while_the_worker_is_away_it_runs_when_it_is_back(
    site: LiveSite, connect: Connect, user: requests.Session
) -> None:
    space_id = site.make_space("Away", ws_queue_while_offline="on")

    def state() -> dict[str, Any]:
        body: dict[str, Any] = requests.get(f"{site.host}/websockets/space/{space_id}/status").json()
        return body

    assert (state()["accepting"], state()["connected"], state()["worker_away_since"]) == (True, False, None)
    worker = connect()
    worker.register("Away", **v2("w"))
    assert state()["worker_away_since"] is None
    worker.close()
    eventually(lambda: not state()["connected"])
    away_since = eventually(lambda: state()["worker_away_since"])  # it is noted a moment after it is shown
    assert away_since.endswith("Z")
    submitted = send(site, user, space_id)
    assert (submitted.status_code, submitted.json()["position"]) == (200, 1)
    status = site.status(user, submitted.json()["request_id"])
    assert (status["status"], status["position"], status["worker_away_since"]) == ("queued", 1, away_since)
    assert status["eta_seconds"] is None
    back = connect()
    back.register("Away", **v2("w"))
    request = back.next()
    assert site.status(user, request["request_id"])["worker_away_since"] is None
    finish(back, request)
    assert site.status(user, request["request_id"])["status"] == "completed"


def test_taken_while_the_worker_is_away_it_ends_at_its_deadline(site: LiveSite, user: requests.Session) -> None:
    space_id = site.make_space("Never back", ws_queue_while_offline="on", ws_queue_timeout_seconds="1")
    submitted = send(site, user, space_id).json()
    end = site.status(user, submitted["request_id"], wait=20)
    assert (end["status"], end["code"], end["attempt"]) == ("failed", "queue_timeout", 0)


def test_a_space_without_the_option_refuses(site: LiveSite, user: requests.Session) -> None:
    for name, fields in (("Plain", {}), ("Link", {"card_type": "link", "ws_queue_while_offline": "on"})):
        answer = send(site, user, site.make_space(name, **fields))
        assert (answer.status_code, answer.json()["code"]) == (503, "worker_offline")


def test_fair_serves_people_in_turn(site: LiveSite, connect: Connect, user: requests.Session) -> None:
    space_id = site.make_space("Fair", ws_order="fair", ws_queue_while_offline="on")
    admin = site.login()
    many = [send(site, user, space_id, form={"prompt": f"u{n}"}).json() for n in range(3)]
    few = [send(site, admin, space_id, form={"prompt": f"a{n}"}).json() for n in range(2)]
    assert [answer["position"] for answer in many] == [1, 2, 3]
    assert [answer["position"] for answer in few] == [2, 4]
    eventually(lambda: [site.status(user, answer["request_id"])["position"] for answer in many] == [1, 3, 5])
    worker = connect()
    worker.register("Fair", **v2("w", capacity=1))
    served = []
    for _ in range(5):
        request = worker.next()
        served.append(request["payload"]["prompt"])
        finish(worker, request)
    assert served == ["u0", "a0", "u1", "a1", "u2"]


def test_a_space_bounds_what_a_worker_has_at_hand(site: LiveSite, connect: Connect, user: requests.Session) -> None:
    space_id = site.make_space("Capacity", ws_capacity="1")
    worker = connect()
    worker.register("Capacity", **v2("w", capacity=8))
    for _ in range(5):
        assert send(site, user, space_id).status_code == 200
    worker.next()
    assert worker.call("heartbeat", {"in_flight": []})["ok"]
    assert worker.requests.empty()
    edited = {"name": "Capacity", "ws_enable_prompt": "on", "ws_capacity": "3"}
    site.login().post(f"{site.host}/admin/space/edit/{space_id}", data=edited)
    worker.next()
    worker.next()
    assert worker.call("heartbeat", {"in_flight": []})["ok"]
    assert worker.requests.empty()


def test_an_estimate_is_learnt_from_recent_runs(site: LiveSite, connect: Connect, user: requests.Session) -> None:
    space_id = site.make_space("Estimate", ws_queue_while_offline="on")
    for _ in range(5):
        send(site, user, space_id)
    worker = connect()
    worker.register("Estimate", **v2("w", capacity=1))
    for run_s in (2.0, 2.0, 2.0):
        request = worker.next()
        assert site.status(user, request["request_id"])["eta_seconds"] is None
        done = {**held(request), "status": "completed", "result": {}, "run_s": run_s}
        assert worker.call("inference_result", done) == {"ok": True}
        assert site.status(user, request["request_id"])["run_seconds"] == run_s
    worker.next()
    waiting = send(site, user, space_id).json()["request_id"]

    def eta() -> list[float]:
        status = site.status(user, waiting)
        assert status["position"] == 2
        return status["eta_seconds"] or []

    low, high = eventually(eta, what="the space's runs are looked at again")
    assert 0 <= low <= high


def test_what_was_handed_out_tells_how_many_are_before_it_until_it_begins(
    site: LiveSite, connect: Connect, user: requests.Session
) -> None:
    space_id = site.make_space("At hand")
    worker = connect()
    worker.register("At hand", **v2("w", capacity=3))
    ids = [send(site, user, space_id).json()["request_id"] for _ in range(3)]
    handed = {request["request_id"]: request for request in (worker.next(), worker.next(), worker.next())}

    def told() -> list[tuple[bool, int | None]]:
        found = [site.status(user, request_id) for request_id in ids]
        return [(one["started_at"] is not None, one["ahead"]) for one in found if one["status"] == "processing"]

    eventually(lambda: told() == [(False, 0), (False, 1), (False, 2)])
    assert worker.call("heartbeat", {"in_flight": [{**held(handed[ids[0]]), "started": True}]})["ok"]
    eventually(lambda: told() == [(True, None), (False, 1), (False, 2)])
    assert worker.call("inference_result", {**held(handed[ids[0]]), "status": "completed", "result": {}})["ok"]
    eventually(lambda: told() == [(False, 0), (False, 1)])


def test_the_queue_is_as_it_is_when_a_request_has_just_ended(
    site: LiveSite, connect: Connect, user: requests.Session
) -> None:
    space_id = site.make_space("Sizes")
    worker = connect()
    worker.register("Sizes", **v2("w"))
    for _ in range(10):
        submitted = send(site, user, space_id).json()["request_id"]
        before = site.status(user, submitted)
        request = worker.next()
        finish(worker, request)
        ended = site.status(user, submitted)
        assert (ended["status"], ended["position"], ended["queue_size"]) == ("completed", None, 0)
        assert before["queue_size"] == 1
        waited = send(site, user, space_id, form={"wait": "0.05"}).json()
        assert waited["queue_size"] == 1
        finish(worker, worker.next())
