"""Rows 14 and 15: every route and every event says who may use it, and holds to it; others' things look like none.

The routes and events are the site's own table (`make routes`), so that a new one is tested when it is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import requests
import socketio
from flask import Flask

from project.app import create_app
from project.config import Settings
from project.core.policies import EVENT_POLICIES, ROUTE_POLICIES, policy
from project.load.client_records import ClientRecords, as_csv
from project.sockets.policy import EventNamespace, check_event_policies
from project.web.policy import check_policies
from tests.conftest import LiveSite, Process
from tests.relay.socket_client import Client, v2
from tools.routes import Route, listing

pytestmark = pytest.mark.slow
TABLE = listing()
ROUTES = [route for route in TABLE if route.methods != "EVENT"]
EVENTS = [route for route in TABLE if route.methods == "EVENT"]
JSON = {"Accept": "application/json"}
PLACE = re.compile(r"<(?:[^:<>]+:)?(\w+)>")
UNKNOWN = "0123456789abcdef0123456789abcdef"
PASSWORD = "mellow-otter-9"


@dataclass
class World:
    """A site with an administrator, two users, and things of the first user."""

    site: LiveSite
    admin: requests.Session
    owner: requests.Session
    other: requests.Session
    ids: dict[str, str]
    """By the name that a route gives to an id: one that exists and belongs to ``owner`` (or to the site)."""


@pytest.fixture(scope="module")
def world(site: LiveSite) -> Iterator[World]:
    space = site.make_space("Matrix", ws_enable_file_upload="on")
    mock = Process("mock_app.py", "--host", site.host, "--spaces", "Matrix", "--min-seconds", "0", "--max-seconds", "0")
    try:
        mock.says("Request processor started")
        admin, owner, other = site.login(), _new_user(site, "owner_one"), _new_user(site, "other_one")
        done = site.submit(owner, space, prompt="draw", wait="30")
        token_page = admin.post(f"{site.host}/admin/space/{space}/tokens", data={"token_name": "t"}).text
        ids = {
            "batch_id": _batch(site, owner),
            "space_id": space,
            "request_id": done["request_id"],
            "file_id": next(file["id"] for file in done["files"]),
            "token_id": re.search(r"/tokens/(\w+)/revoke", token_page)[1],  # type: ignore[index]
            "session_id": re.search(r"/account/logins/(\w+)/end", owner.get(f"{site.host}/account/").text)[1],  # type: ignore[index]
            "key_id": _key(site, owner, "read")[1],
            "name": "Matrix",
            "user_id": re.search(r"/admin/users/(\w+)\">owner_one", admin.get(f"{site.host}/admin/users").text)[1],  # type: ignore[index]
        }
        yield World(site, admin, owner, other, ids)
    finally:
        mock.end()


def _new_user(site: LiveSite, name: str) -> requests.Session:
    session = requests.Session()
    session.post(f"{site.host}/register", data={"username": name, "password": PASSWORD}).raise_for_status()
    return session


def _key(site: LiveSite, session: requests.Session, *scopes: str) -> tuple[str, str]:
    """A new API key of whoever is logged in: its text and its id."""
    form = {"key_name": "k", **{f"scope_{scope}": "on" for scope in scopes}}
    text = re.search(r"wsk_(\w+?)_[\w-]+", session.post(f"{site.host}/account/keys", data=form).text)
    assert text
    return text[0], text[1]


def _batch(site: LiveSite, session: requests.Session) -> str:
    """An upload of client records."""
    table = as_csv(ClientRecords(seed=7).batch(1))
    answer = session.post(f"{site.host}/clients/upload/process/", files={"file": ("one.csv", table)})
    return str(answer.json()["batch_id"])


def _call(site: LiveSite, route: Route, caller: requests.Session | None, ids: dict[str, str]) -> requests.Response:
    path = PLACE.sub(lambda found: "csv" if found[1] == "kind" else ids.get(found[1], UNKNOWN), route.path)
    query = {"request_id": ids.get("request_id", UNKNOWN)} if route.path == "/websockets/status" else None
    asker = caller or requests.Session()
    return asker.request(
        route.methods, site.host + path, params=query, headers=JSON, allow_redirects=False, timeout=60, stream=True
    )


def _restricted(policy_name: str) -> list[Route]:
    return [route for route in ROUTES if route.policy == policy_name]


def _name(route: Route) -> str:
    return f"{route.methods} {route.path}"


def test_table_is_whole() -> None:
    assert {route.policy for route in ROUTES} <= set(ROUTE_POLICIES)
    assert {event.policy for event in EVENTS} <= set(EVENT_POLICIES)
    assert all(route.methods in ("GET", "POST", "PUT", "PATCH", "DELETE") for route in ROUTES)
    assert {route.policy for route in ROUTES} == set(ROUTE_POLICIES)
    public = {_name(route) for route in ROUTES if route.policy == "public" and "static" not in route.path}
    # What strangers may do is a short list, so that an addition is noticed.
    assert public == {
        "GET /",
        "GET /favicon.ico",
        "GET /healthz",
        "GET /login",
        "GET /login/code",
        "GET /logout",
        "GET /register",
        "GET /websockets/space/<space_id>/status",
        "GET /worker-sdk.zip",
        "POST /language",
        "POST /login",
        "POST /login/code",
        "POST /logout",
        "POST /register",
    }


@pytest.mark.parametrize("route", _restricted("user") + _restricted("admin"), ids=_name)
def test_nobody_gets_in_without_a_login(world: World, route: Route) -> None:
    answer = _call(world.site, route, None, world.ids)
    assert answer.status_code == 401, answer.text
    assert answer.json()["code"] == "login_required"


@pytest.mark.parametrize("route", _restricted("admin"), ids=_name)
@pytest.mark.parametrize("known", [True, False])
def test_users_do_not_administer(world: World, route: Route, known: bool) -> None:
    """The answer is the same whether the thing exists or not."""
    answer = _call(world.site, route, world.owner, world.ids if known else {})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("route", _restricted("lease"), ids=_name)
def test_a_login_is_no_lease(world: World, route: Route) -> None:
    for caller in (None, world.owner, world.admin):
        answer = _call(world.site, route, caller, world.ids)
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")


OWNED = ("request_id", "file_id", "session_id", "key_id", "batch_id")
WITH_OWNED_IDS = [
    route
    for route in _restricted("user")
    if route.path == "/websockets/status" or set(PLACE.findall(route.path)) & set(OWNED)
]


@pytest.mark.parametrize("route", WITH_OWNED_IDS, ids=_name)
def test_things_of_others_look_like_none(world: World, route: Route) -> None:
    others, none = (_call(world.site, route, world.other, ids) for ids in (world.ids, {}))
    assert others.status_code == none.status_code == 404
    assert others.json() == none.json()
    assert {**others.headers, "Date": ""} == {**none.headers, "Date": ""}


def test_every_id_that_users_may_give_is_in_the_matrix() -> None:
    named = {place for route in _restricted("user") for place in PLACE.findall(route.path)}
    shared = {"space_id", "name"}  # of a space, which everybody may know
    assert named - shared == set(OWNED), "say whose it is: give it to `owner`, and put it into OWNED"


def test_streams_of_others_look_like_none(world: World) -> None:
    url = f"{world.site.host}/websockets/stream"
    answers = [
        world.other.get(url, params={"request_id": request_id}, headers=JSON)
        for request_id in (world.ids["request_id"], UNKNOWN)
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("route", [r for r in _restricted("admin") if "_id>" in r.path], ids=_name)
def test_administrators_are_told_what_is_not_there(world: World, route: Route) -> None:
    answer = _call(world.site, route, world.admin, {})
    # The console looks at the body of a call before it looks for what the call is about.
    assert answer.status_code in ((400, 404) if route.path.startswith("/cfg/ipc/") else (404,)), answer.text


@pytest.mark.parametrize(
    "route",
    [r for r in _restricted("user") + _restricted("admin") if r.methods == "GET" and "stream" not in r.path],
    ids=_name,
)
def test_who_may_does(world: World, route: Route) -> None:
    """The refusals above are not the refusals of everything."""
    caller = world.admin if route.policy == "admin" else world.owner
    answer = _call(world.site, route, caller, world.ids)
    # Some pages of the console want to know more than who asks.
    assert answer.status_code in ((200, 400, 404) if "/cfg/ipc/" in route.path else (200, 302)), answer.text


# -- API keys: the same table, by scope ------------------------------------------------------------------------------


@pytest.mark.parametrize("route", _restricted("user") + _restricted("admin"), ids=_name)
def test_keys_go_as_far_as_their_scope(world: World, route: Route, keys: dict[str, str]) -> None:
    """Every other scope's key is refused; where no key will do, every key is."""
    for scope, text in keys.items():
        if scope == route.key:
            continue
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {text}"
        answer = _call(world.site, route, session, {})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing"), scope


@pytest.fixture(scope="module")
def keys(world: World) -> dict[str, str]:
    """A key of each scope alone; they are the administrator's, so that only the scope can be in the way."""
    return {scope: _key(world.site, world.admin, scope)[0] for scope in ("submit", "read", "admin")}


# -- events ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def connect(site: LiveSite) -> Iterator[Callable[[], Client]]:
    made: list[Client] = []

    def make() -> Client:
        made.append(Client(site))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.mark.parametrize("event", [e for e in EVENTS if e.policy == "worker"], ids=lambda e: e.path)
def test_events_of_workers_are_for_registered_ones(world: World, event: Route, connect: Callable[[], Client]) -> None:
    stranger = connect()
    namespace, name = event.path.split()
    assert namespace == "/"
    answer = stranger.call(name, {"request_id": world.ids["request_id"], "lease_id": "x", "in_flight": []})
    assert (answer["ok"], answer["code"]) == (False, "not_registered")


def test_a_worker_of_another_space_cannot_touch_a_request(site: LiveSite, connect: Callable[[], Client]) -> None:
    spaces = [site.make_space(f"Row15 {letter}") for letter in "ab"]
    workers = [connect(), connect()]
    for index, worker in enumerate(workers):
        assert worker.register(f"Row15 {'ab'[index]}", **v2(f"w{index}"))["success"]
    user = site.login("testuser", "testpass123")
    submitted = site.submit(user, spaces[0], prompt="for a")
    handed = workers[0].next()
    lease = {"request_id": handed["request_id"], "lease_id": handed["lease_id"]}
    result = {**lease, "status": "completed", "result": {"text_output": "forged"}}
    assert workers[1].call("inference_result", result)["ok"] is False
    assert workers[1].call("inference_progress", {**lease, "seq": 1, "percent": 50})["ok"] is False
    assert workers[1].call("inference_chunk", {**lease, "seq": 1, "text": "forged"})["ok"] is False
    assert workers[1].call("heartbeat", {"in_flight": [lease]})["stop"] == [handed["request_id"]]
    state = site.status(user, submitted["request_id"])
    assert (state["status"], state["partial"], state["progress"]) == ("processing", "", None)
    right = {**lease, "status": "completed", "result": {"text_output": "right"}}
    assert workers[0].call("inference_result", right)["ok"] is True
    assert site.status(user, submitted["request_id"])["result"]["text_output"] == "right"


# -- what declares nothing does not start ----------------------------------------------------------------------------


def test_a_route_without_a_policy_stops_the_start() -> None:
    app = Flask("test", static_folder=None)
    app.add_url_rule("/open", "forgotten", lambda: "")
    with pytest.raises(RuntimeError, match="endpoints without a policy: forgotten"):
        check_policies(app)


def test_a_route_with_an_events_policy_stops_the_start() -> None:
    app = Flask("test", static_folder=None)
    app.add_url_rule("/open", "confused", policy("worker")(lambda: ""))
    with pytest.raises(RuntimeError, match="endpoints without a policy: confused"):
        check_policies(app)


def test_an_event_without_a_policy_stops_the_start() -> None:
    class Told(EventNamespace):
        handlers: ClassVar = {"known": policy("worker")(lambda: None), "forgotten": lambda: None}

    server = socketio.Server(async_mode="threading")
    server.register_namespace(Told("/told"))
    with pytest.raises(RuntimeError, match="events without a policy: forgotten of /told"):
        check_event_policies(server)


def test_a_namespace_that_tells_nothing_stops_the_start() -> None:
    server = socketio.Server(async_mode="threading")
    server.register_namespace(socketio.Namespace("/silent"))
    with pytest.raises(RuntimeError, match=r"events without a policy: \* of /silent"):
        check_event_policies(server)
    other = socketio.Server(async_mode="threading")
    other.on("loose", lambda sid: None)
    with pytest.raises(RuntimeError, match="events without a policy: loose of /"):
        check_event_policies(other)


def test_an_unknown_policy_or_scope_is_a_mistake_at_once() -> None:
    for wrong in (lambda: policy("users"), lambda: policy("user", scope="write")):
        with pytest.raises(ValueError, match="there is no"):
            wrong()


def test_even_a_route_added_later_is_closed(tmp_path: Path) -> None:
    """``check_policies`` looks once; whatever comes after it finds the door shut all the same."""
    application = create_app(Settings(data_dir=tmp_path, async_mode="threading", database_url="memory://"))
    try:
        application.flask.view_functions["health.health"] = lambda: "no policy any more"
        answer = application.flask.test_client().get("/healthz", headers={"Host": "localhost", **JSON})
        assert answer.status_code == 403
    finally:
        application.store.close()


def test_ids_cannot_be_guessed(world: World) -> None:
    """128 bits for what is found by its id alone; the rest is looked up together with its owner."""
    assert len(bytes.fromhex(world.ids["request_id"])) >= 16
    assert len(world.ids["file_id"]) >= 22


def test_no_route_is_said_twice() -> None:
    names = [_name(route) for route in ROUTES]
    assert len(names) == len(set(names))
