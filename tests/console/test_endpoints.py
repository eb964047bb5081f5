"""The console's routes by the examples of their document: shapes, status codes, limits, and who may."""

from __future__ import annotations

import csv
import io
import re
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from tests.conftest import LiveSite, Process, eventually, one_of_trials
from tests.console.conftest import Api

pytestmark = pytest.mark.slow
SVG = "{http://www.w3.org/2000/svg}"
EXAMPLE = {"user_id": "test-123", "type": "test", "title": "Test Notification", "message": "Hello"}
ROUTES = [
    ("GET", "monitor/overview"),
    ("GET", "monitor/requests"),
    ("GET", "monitor/notifications"),
    ("GET", "monitor/methods"),
    ("GET", "monitor/export.csv"),
    ("GET", "openapi.json"),
    ("GET", "charts/traffic.svg"),
    ("GET", "test/methods"),
    ("GET", "test/templates"),
    ("GET", "test/load/status"),
    ("GET", "test/load/runs"),
    ("GET", "test/load/schedules"),
    ("POST", "test/send"),
    ("POST", "test/load/start"),
    ("POST", "test/load/stop"),
    ("POST", "monitor/forget"),
    ("DELETE", "test/templates/x"),
]


@pytest.fixture(scope="module")
def space(site: LiveSite) -> str:
    return site.make_space("Inferring")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_only_administrators_may(site: LiveSite, user_session: requests.Session, method: str, path: str) -> None:
    url = f"{site.host}/cfg/ipc/{path}"
    nobody = requests.request(method, url, json={} if method == "POST" else None, allow_redirects=False)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "login_required")
    user = user_session.request(method, url, json={} if method == "POST" else None)
    assert (user.status_code, user.json()["code"]) == (403, "forbidden")


def test_the_page_is_for_administrators(
    site: LiveSite, user_session: requests.Session, admin_session: requests.Session
) -> None:
    answer = requests.get(f"{site.host}/cfg/ipc/", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/cfg/ipc/")
    assert user_session.get(f"{site.host}/cfg/ipc/").status_code == 403
    assert admin_session.get(f"{site.host}/cfg/ipc").status_code == 200


def test_a_foreign_page_cannot_call(api: Api) -> None:
    answer = api.session.post(
        f"{api.site.host}/cfg/ipc/test/send",
        json={"method": "system.ping"},
        headers={"Origin": "http://evil.example"},
    )
    assert answer.status_code == 403
    as_form = api.session.post(f"{api.site.host}/cfg/ipc/test/send", data='{"method": "system.ping"}')
    assert (as_form.status_code, as_form.json()["field"]) == (400, "body")


def test_send_by_the_example(api: Api) -> None:
    body = api.post("test/send", {"method": "notification.send", "params": EXAMPLE, "timeout": 10})
    assert list(body) == ["success", "duration_ms", "response", "error", "correlation_id"]
    assert (body["success"], body["error"]) == (True, None)
    assert body["duration_ms"] > 0
    assert set(body["response"]) == {"sent", "message_id"}
    assert body["response"]["sent"] is True
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", body["correlation_id"])


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"method": "no.such", "params": {}}, "unknown_method", "method"),
        ({"params": {}}, "invalid_field", "method"),
        ({"method": 5}, "invalid_field", "method"),
        ({"method": "notification.send", "params": {}}, "invalid_params", "user_id"),
        ({"method": "notification.send", "params": []}, "invalid_params", "params"),
        ({"method": "notification.send", "params": {**EXAMPLE, "more": 1}}, "invalid_params", "more"),
        ({"method": "system.ping", "timeout": 0}, "invalid_field", "timeout"),
        ({"method": "system.ping", "timeout": 61}, "invalid_field", "timeout"),
        ({"method": "system.ping", "timeout": "10"}, "invalid_field", "timeout"),
        ({"method": "system.ping", "timeout": True}, "invalid_field", "timeout"),
        ({"method": "system.ping", "surprise": 1}, "invalid_field", "surprise"),
        ({"method": "space.status", "params": {"space_id": "none"}}, "space_not_found", None),
    ],
)
def test_send_is_refused_naming_the_field(api: Api, body: dict[str, Any], code: str, field: str | None) -> None:
    answer = api.post("test/send", body, 400)
    assert (answer["success"], answer["code"], answer.get("field")) == (False, code, field)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', '{"method": NaN}', "{" * 40_000])
def test_send_without_an_object(api: Api, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.session.post(f"{api.site.host}/cfg/ipc/test/send", data=text, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (400, "body")


def test_a_space_without_a_worker_is_unavailable(api: Api, space: str) -> None:
    body = api.send("space.infer", {"space_id": space, "prompt": "x"}, 503)
    assert (body["success"], body["outcome"], body["code"]) == (False, "unavailable", "worker_offline")
    assert "Traceback" in body["trace"]
    assert body["correlation_id"]


def test_infer_runs_a_request_and_its_failures_are_told_apart(api: Api, space: str) -> None:
    quick = ("--min-seconds", "0", "--max-seconds", "0")
    mock = Process("mock_app.py", "--host", api.site.host, "--spaces", "Inferring", *quick)
    try:
        mock.says("Request processor started")
        body = api.send("space.infer", {"space_id": space, "prompt": "hello"}, timeout=20)
        assert body["response"]["status"] == "completed"
        assert "hello" in body["response"]["result"]["text_output"]
        listed = api.get("monitor/requests", source="relay", method=space)["requests"]
        assert listed[0]["id"] == body["response"]["request_id"]
        assert (listed[0]["method"], listed[0]["ok"]) == ("Inferring", True)
        assert listed[0]["worker"]
        workers = api.get("monitor/methods", hours=1)["workers"]
        eventually(
            lambda: [one for one in api.get("monitor/methods", hours=1)["workers"] if one["name"] == "Inferring"]
        )
        assert isinstance(workers, list)
    finally:
        mock.end()


def test_a_call_that_takes_too_long_is_a_timeout_and_its_request_is_cancelled(api: Api) -> None:
    space_id = api.site.make_space("Slow")
    mock = Process(
        "mock_app.py", "--host", api.site.host, "--spaces", "Slow", "--min-seconds", "60", "--max-seconds", "60"
    )
    try:
        mock.says("Request processor started")
        _takes_too_long(api, space_id)
    finally:
        mock.end()


@one_of_trials
def _takes_too_long(api: Api, space_id: str) -> None:
    """The second must be enough for the request to be taken."""
    body = api.send("space.infer", {"space_id": space_id, "prompt": "x"}, timeout=1)
    assert (body["success"], body["outcome"], body["code"]) == (False, "timeout", "rpc_timeout")
    assert body["duration_ms"] >= 1000
    (request,) = api.get("monitor/requests", source="relay", method=space_id)["requests"][:1]
    assert request["outcome"] == "cancelled"


def test_the_log_is_found_by_every_filter_and_opened(api: Api) -> None:
    secret = {**EXAMPLE, "data": {"api_key": "hunter2"}, "title": "Findme Ünïcode"}
    sent = api.send("notification.send", {**secret, "_test_id": "t-77"})
    failed = api.send("notification.send", {"user_id": 5}, 400)
    for query in (
        {"text": "findme ünïcode"},
        {"test_id": "t-77"},
        {"method": "notification.send", "outcome": "success"},
        {"source": "rpc"},
    ):
        assert sent["correlation_id"] in [one["id"] for one in api.get("monitor/requests", **query)["requests"]], query
    for query in ({"outcome": "failure"}, {"outcome": "invalid_params"}, {"tests": "0"}):
        ids = [one["id"] for one in api.get("monitor/requests", **query)["requests"]]
        assert failed["correlation_id"] in ids
        assert sent["correlation_id"] not in ids
    assert api.get("monitor/requests", until="2001-01-01T00:00:00Z")["requests"] == []
    assert api.get("monitor/requests", since="2999-01-01")["requests"] == []
    whole = api.get(f"monitor/requests/{sent['correlation_id']}")
    assert whole["params"]["data"] == {"api_key": "[redacted]"}
    assert whole["params"]["_test_id"] == "t-77"
    assert (whole["caller"], whole["response"]) == ("admin", sent["response"])
    assert api.get("monitor/requests/none", 404)["code"] == "call_not_found"
    for query in ({"outcome": "odd"}, {"since": "soon"}, {"limit": "51"}, {"source": "x"}, {"text": "x" * 201}):
        assert api.get("monitor/requests", 400, **query)["field"] in query


def test_a_call_is_repeated(api: Api) -> None:
    first = api.send("notification.send", EXAMPLE)
    again = api.post(f"monitor/requests/{first['correlation_id']}/replay", {})
    assert again["success"] is True
    assert again["response"]["message_id"] != first["response"]["message_id"]
    assert api.get(f"monitor/requests/{again['correlation_id']}")["replay_of"] == first["correlation_id"]
    secret = api.send("notification.send", {**EXAMPLE, "data": {"password": "x"}})
    assert api.post(f"monitor/requests/{secret['correlation_id']}/replay", {}, 409)["code"] == "conflict"


def test_the_log_as_files(api: Api) -> None:
    api.send("notification.send", {**EXAMPLE, "title": "=HYPERLINK(1)"})
    answer = api.session.get(f"{api.site.host}/cfg/ipc/monitor/export.csv?text=hyperlink")
    assert answer.headers["Content-Disposition"] == "attachment; filename=calls.csv"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0]["method"] == "notification.send"
    assert "=HYPERLINK" in rows[0]["params"]
    assert not any(cell.startswith("=") for row in rows for cell in row.values())
    as_json = api.session.get(f"{api.site.host}/cfg/ipc/monitor/export.json?text=hyperlink").json()
    assert as_json[0]["params"]["title"] == "=HYPERLINK(1)"


def test_statistics_name_every_method(api: Api) -> None:
    api.send("system.ping", {})
    found = {one["name"]: one for one in api.get("monitor/methods")["methods"]}
    documented = {"notification.send", "notification.broadcast", "workspace.file_changed", "session.message"}
    assert documented | {"space.infer"} <= set(found)
    assert eventually(lambda: {o["name"]: o for o in api.get("monitor/methods")["methods"]}["system.ping"]["count"])


def test_the_overview_is_whole(api: Api) -> None:
    api.send("none.such", {}, 400)

    def reasons() -> list[tuple[str, str, str]]:
        return [(one["source"], one["filter"], one["code"]) for one in api.get("monitor/overview")["reasons"]]

    eventually(lambda: ("rpc", "none.such", "unknown_method") in reasons())
    body = api.get("monitor/overview")
    assert [part["name"] for part in body["health"]] == ["store", "bus", "workers", "queues"]
    assert set(body["counts"]) == {"overview", "requests", "notifications", "methods", "testing"}
    assert len(body["minutes"]) == 60


@pytest.mark.parametrize("name", ["traffic", "latency"])
def test_charts_are_pictures_that_may_do_nothing(api: Api, name: str) -> None:
    url = f"{api.site.host}/cfg/ipc/charts/{name}.svg"
    answer = api.session.get(url, params={"theme": "dark", "width": "420", "offset": "-480"})
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert b"<script" not in answer.content
    assert b"href" not in answer.content
    for query in ({"theme": "pink"}, {"width": "1"}):
        assert api.session.get(url, params=query).json()["field"] in query


@pytest.mark.parametrize("width", ["900", "420"])
@pytest.mark.parametrize("name", ["traffic", "latency"])
def test_charts_say_what_their_colours_and_axes_are(api: Api, name: str, width: str) -> None:
    api.send("system.ping", {})

    def drawn() -> ElementTree.Element:
        answer = api.session.get(f"{api.site.host}/cfg/ipc/charts/{name}.svg", params={"width": width})
        return ElementTree.fromstring(answer.content)

    picture = eventually(lambda: found if (found := drawn()).findall(f".//{SVG}g[@class='legends']//{SVG}text") else 0)
    legend = picture.find(f".//{SVG}g[@class='legends']")
    _x, y = (float(number) for number in re.findall(r"[\d.]+", legend.get("transform")))
    height = float(picture.get("viewBox").split()[3])
    assert y + max(float(text.get("y")) for text in legend.iter(f"{SVG}text")) < height
    said = {text.text for text in picture.iter(f"{SVG}text")}
    assert (
        said
        >= {
            "traffic": {"Success", "Failed", "Time", "Requests a minute"},
            "latency": {"p50", "p95", "Time taken in ms"},
        }[name]
    )


def test_templates_are_kept_by_name(api: Api) -> None:
    made = api.post("test/templates", {"name": "mine", "method": "notification.send", "params": EXAMPLE})
    api.post("test/templates", {"name": "mine", "method": "notification.send", "params": {"user_id": "x"}})
    kept = [one for one in api.get("test/templates")["templates"] if one["name"] == "mine"]
    assert [one["params"] for one in kept] == [{"user_id": "x"}]
    api.delete(f"test/templates/{made['id']}", 404)
    api.delete(f"test/templates/{kept[0]['id']}")
    assert api.post("test/templates", {"name": "", "method": "system.ping"}, 400)["field"] == "name"
    assert api.post("test/templates", {"name": "x", "method": "none"}, 400)["field"] == "method"
