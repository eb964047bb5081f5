"""Requests that failed without an answer of the model: listed for administrators, and tried again once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.conftest import LiveSite, eventually
from tests.relay.socket_client import Connect, held, v2

pytestmark = pytest.mark.slow
JSON = {"Accept": "application/json"}


def let_die(site: LiveSite, connect: Connect, space: str, session: requests.Session, **submission: Any) -> str:
    """A request whose worker is lost three times."""
    space_id = site.make_space(
        space, ws_enable_file_upload="on", ws_queue_while_offline="on", ws_rate_limit_seconds="60"
    )
    url = f"{site.host}/websockets/submit/{space_id}"
    request_id: str = session.post(url, data={"prompt": "die"}, **submission).json()["request_id"]
    for attempt in (1, 2, 3):
        worker = connect()
        worker.register(space)
        assert worker.next()["attempt"] == attempt
        worker.close()
        eventually(lambda: not site.connected(space_id))
    end = site.status(session, request_id, wait=10)
    assert (end["status"], end["code"], end["retry_reason"]) == ("failed", "worker_lost", "connection_lost")
    return request_id


def letters(site: LiveSite, admin: requests.Session, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.get(f"{site.host}/admin/dead-letters", params=query, headers=JSON).json()[
        "requests"
    ]
    return found


def test_a_dead_letter_is_tried_again_for_the_same_person(site: LiveSite, connect: Connect) -> None:
    user, admin = site.login("testuser", "testpass123"), site.login()
    files = {"other_file": ("a.txt", b"content")}
    dead = let_die(site, connect, "Dead", user, files=files)
    listed = next(letter for letter in letters(site, admin) if letter["request_id"] == dead)
    assert (listed["username"], listed["code"], listed["retried_as"]) == ("testuser", "worker_lost", None)
    assert {"prompt", "payload", "result", "partial"} & listed.keys() == set(), "what was asked is its person's"
    assert dead not in [letter["request_id"] for letter in letters(site, admin, code="queue_timeout")]
    url = f"{site.host}/admin/dead-letters/{dead}/retry"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: admin.post(url, headers=JSON), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "already_retried"}
    again = next(answer.json()["request_id"] for answer in answers if answer.status_code == 200)
    worker = connect()
    worker.register("Dead", **v2("w"))
    request = worker.next()
    assert (request["request_id"], request["attempt"], request["username"]) == (again, 1, "testuser")
    assert request["payload"]["prompt"] == "die"
    assert requests.get(request["payload"]["files"][0]["url"]).content == b"content"
    assert worker.call("inference_result", {**held(request), "status": "completed", "result": {}}) == {"ok": True}
    assert site.status(user, again)["status"] == "completed"
    assert site.status(user, dead)["status"] == "failed", "what has ended stays as it ended"
    listed = next(letter for letter in letters(site, admin) if letter["request_id"] == dead)
    assert listed["retried_as"] == again
    on_disk = [path.read_bytes() for path in (site.data_dir / "files").rglob("*") if path.is_file()]
    assert on_disk.count(b"content") == 2, "one for each request, none left by the refused ones"


def test_what_cannot_be_tried_again(site: LiveSite, connect: Connect) -> None:
    user, admin = site.login("testuser", "testpass123"), site.login()
    space_id = site.make_space("Answered")
    worker = connect()
    worker.register("Answered", **v2("w"))
    request_id = site.submit(user, space_id, prompt="x")["request_id"]

    def retry(session: requests.Session, which: str) -> requests.Response:
        return session.post(f"{site.host}/admin/dead-letters/{which}/retry", headers=JSON)

    assert retry(admin, request_id).json()["code"] == "conflict"
    failed = {**held(worker.next()), "status": "failed", "result": {"error": "no"}}
    worker.call("inference_result", failed)
    assert retry(admin, request_id).json()["code"] == "conflict", "the model has answered"
    assert retry(admin, "unknown").json()["code"] == "request_not_found"
    assert retry(user, request_id).status_code == 403
    dead = let_die(site, connect, "Gone", user)
    space_id = site.status(user, dead)["space_id"]
    admin.post(f"{site.host}/admin/space/delete/{space_id}")
    assert retry(admin, dead).json()["code"] == "space_not_found"


def test_settings_of_a_space_as_json(site: LiveSite) -> None:
    admin = site.login()
    made = admin.post(
        f"{site.host}/admin/space/add",
        json={"name": "By JSON", "ws_enable_prompt": True, "ws_order": "fair", "ws_capacity": 2, "ws_max_workers": "3"},
        headers=JSON,
    ).json()
    url = f"{site.host}/admin/space/edit/{made['space_id']}"
    settings = admin.get(url, headers=JSON).json()["settings"]
    assert settings == made["settings"]
    assert (settings["ws_order"], settings["ws_capacity"], settings["ws_max_workers"]) == ("fair", "2", "3")
    assert settings["ws_queue_while_offline"] == ""
    changed = admin.post(url, json={**settings, "ws_queue_while_offline": True}, headers=JSON).json()["settings"]
    assert changed == {**settings, "ws_queue_while_offline": "on"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("ws_order", "lifo"), ("ws_capacity", "-1"), ("ws_capacity", "1.5"), ("ws_max_queue_per_user", "many")],
)
def test_settings_that_cannot_be(site: LiveSite, field: str, value: str) -> None:
    form = {"name": "Odd", "ws_enable_prompt": "on", field: value}
    answer = site.login().post(f"{site.host}/admin/space/add", json=form, headers=JSON)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
