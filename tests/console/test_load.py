"""The load tester by the examples of its document, and what it must survive."""

from __future__ import annotations

import csv
import io
import os
import signal
from typing import Any

import psutil
import pytest
import requests

from tests.conftest import LiveSite, Process, eventually, one_of_trials
from tests.console.conftest import Api

pytestmark = pytest.mark.slow
START = {"method": "notification.send", "total_requests": 100, "concurrency": 10}
COUNTS = {"progress", "total", "success_count", "failed_count"}
STATUS = {"test_id", "running", *COUNTS, "avg_duration_ms", "elapsed_time", "rps"}


def over(api: Api, test_id: str, within_s: float = 60.0) -> Any:
    """The report of a run once it is over."""

    def report() -> Any:
        found = api.get(f"test/load/runs/{test_id}")
        return found if found["state"] != "running" else None

    return eventually(report, within_s=within_s, what=f"run {test_id} is over")


def start(api: Api, **changed: Any) -> str:
    test_id: str = api.post("test/load/start", {**START, **changed})["test_id"]
    return test_id


@one_of_trials
def test_a_run_by_the_example(api: Api) -> None:
    api.post("test/load/stop", {})
    body = api.post("test/load/start", {**START, "params": {"user_id": "load-test", "type": "test"}})
    test_id = body["test_id"]
    assert len(test_id) == 8
    assert body == {
        "test_id": test_id,
        "started": True,
        "message": "Load test started with 100 requests at 10 concurrency",
    }
    running = api.get("test/load/status")
    assert set(running) == STATUS
    assert (running["test_id"], running["running"], running["total"]) == (test_id, True, 100)
    conflict = api.post("test/load/start", START, 409)
    assert (conflict["success"], conflict["code"]) == (False, "load_running")
    report = over(api, test_id)
    assert (report["state"], report["result"]["done"], report["result"]["failed"]) == ("finished", 100, 0)
    assert report["result"]["p50_ms"] <= report["result"]["p95_ms"] <= report["result"]["p99_ms"]
    status = api.get("test/load/status")
    assert (status["running"], status["progress"], status["success_count"]) == (False, 100, 100)
    assert status["rps"] > 0
    logged = api.get("monitor/requests", test_id=test_id)["requests"]
    assert len(logged) == 50
    assert {one["method"] for one in logged} == {"notification.send"}
    assert api.get(f"monitor/requests/{logged[0]['id']}")["params"] == {
        "user_id": "load-test",
        "type": "test",
        "_test_id": test_id,
    }


def test_stopping_and_its_answer(api: Api) -> None:
    assert api.post("test/load/stop", {}) == {"message": "No load test is running", "progress": 0, "total": 0}
    test_id = start(api, method="system.ping", total_requests=10_000)
    eventually(lambda: api.get("test/load/status")["progress"] > 0)
    stopped = api.post("test/load/stop", {})
    assert (stopped["message"], stopped["total"]) == ("Load test stopped", 10_000)
    assert 0 < stopped["progress"] < 10_000
    assert api.get(f"test/load/runs/{test_id}")["state"] == "stopped"
    assert api.get("test/load/status")["running"] is False


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"total_requests": 0}, "total_requests"),
        ({"total_requests": 10_001}, "total_requests"),
        ({"total_requests": 1.5}, "total_requests"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 101}, "concurrency"),
        ({"concurrency": "10"}, "concurrency"),
        ({"method": "none"}, "method"),
        ({"method": "http://elsewhere.example/"}, "method"),
        ({"method": ""}, "method"),
        ({"params": []}, "params"),
        ({"params": {"user_id": 1}}, "user_id"),
        ({"mode": "ddos"}, "mode"),
        ({"timeout": 61}, "timeout"),
        ({"url": "http://elsewhere.example/"}, "url"),
    ],
)
def test_what_cannot_be_run_is_refused(api: Api, changed: dict[str, Any], field: str) -> None:
    assert api.post("test/load/start", {**START, **changed}, 400)["field"] == field
    assert api.get("test/load/status")["running"] is False


def test_a_space_that_is_not_there_is_no_target(api: Api) -> None:
    assert api.post("test/load/start", {**START, "method": "space:none"}, 404)["code"] == "space_not_found"


def test_failures_are_counted_and_why(api: Api) -> None:
    space_id = api.site.make_space("Unserved")
    report = over(api, start(api, method=f"space:{space_id}", total_requests=5, concurrency=2))
    assert (report["method"], report["params"]["space_id"]) == ("space.infer", space_id)
    assert (report["result"]["failed"], report["result"]["success"]) == (5, 0)
    assert sum(report["result"]["errors"].values()) == 5
    logged = api.get("monitor/requests", test_id=report["test_id"], outcome="unavailable")["requests"]
    assert [one["code"] for one in logged] == ["worker_offline"] * 5
    assert api.post("monitor/forget", {"test_id": report["test_id"]}) == {"forgotten": 5}
    assert api.get("monitor/requests", test_id=report["test_id"])["requests"] == []


def test_only_the_generator_may_call_by_its_key(api: Api) -> None:
    url = f"{api.site.host}/cfg/ipc/test/load/call"
    for headers in ({}, {"X-Load-Run": "forged"}, {"X-Load-Run": "x" * 5000}):
        answer = requests.post(url, json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")
    test_id = start(api, method="system.ping", total_requests=1, concurrency=1)
    over(api, test_id)
    line = (api.site.data_dir / "load" / test_id / "0" / "headers").read_text(encoding="utf-8")
    name, _, key = line.strip().partition(": ")
    late = requests.post(url, json={}, headers={name: key})
    assert late.status_code == 403
    assert (api.site.data_dir / "load" / test_id / "0" / "headers").stat().st_mode & 0o077 == 0


def test_history_comparison_and_baseline(api: Api) -> None:
    first = start(api, method="system.ping", total_requests=40, concurrency=4)
    over(api, first)
    assert api.post(f"test/load/runs/{first}/baseline", {"chosen": True}) == {"test_id": first, "baseline": True}
    second = start(api, method="system.ping", total_requests=40, concurrency=4)
    assert over(api, second)["compared_to"] == first
    ids = [one["test_id"] for one in api.get("test/load/runs")["runs"]]
    assert ids[:2] == [second, first]
    found = api.get("test/load/compare", before=first, after=second)
    assert (found["before"]["test_id"], found["after"]["test_id"]) == (first, second)
    assert set(found["worse"]) <= {"p95", "rps", "failures"}
    text = api.session.get(f"{api.site.host}/cfg/ipc/test/load/export.csv").content.decode("utf-8-sig")
    rows = {row["test_id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert (rows[first]["done"], rows[first]["baseline"]) == ("40", "True")
    assert api.session.get(f"{api.site.host}/cfg/ipc/test/load/export.json").json()[0]["test_id"] == second
    api.delete(f"test/load/runs/{second}")
    assert not (api.site.data_dir / "load" / second).exists()
    assert api.get(f"test/load/runs/{second}", 404)["code"] == "run_not_found"
    assert api.post("test/load/runs/none/baseline", {"chosen": True}, 404)["code"] == "run_not_found"
    assert api.get("test/load/compare", 404, before=first, after="none")["code"] == "run_not_found"


def test_a_run_worse_than_its_baseline_tells_the_administrators(api: Api) -> None:
    space_id = api.site.make_space("Measured")
    target = {"method": f"space:{space_id}", "total_requests": 4, "concurrency": 2}
    quick = ("--min-seconds", "0", "--max-seconds", "0")
    mock = Process("mock_app.py", "--host", api.site.host, "--spaces", "Measured", *quick)
    try:
        mock.says("Request processor started")
        good = over(api, start(api, **target))
    finally:
        mock.end()
    assert (good["state"], good["result"]["success"], good["alerts"]) == ("finished", 4, [])
    # The log has the requests of the relay beside the calls, by the same id.
    logged = api.get("monitor/requests", test_id=good["test_id"])["requests"]
    assert sorted(one["source"] for one in logged) == ["relay"] * 4 + ["rpc"] * 4
    api.post(f"test/load/runs/{good['test_id']}/baseline", {"chosen": True})
    eventually(lambda: not api.site.connected(space_id))
    bad = over(api, start(api, **target))
    assert bad["compared_to"] == good["test_id"]
    assert "failures" in bad["alerts"]

    def told() -> list[str]:
        inbox = api.session.get(f"{api.site.host}/inbox", headers={"Accept": "application/json"}).json()
        return [one["type"] for one in inbox["notices"] if one["data"].get("run_id") == bad["test_id"]]

    # The run is over a moment before they are told.
    assert eventually(told, what="the notice") == ["alert"]


def test_a_stress_run_climbs(api: Api) -> None:
    report = over(api, start(api, method="system.ping", total_requests=20, concurrency=2, mode="stress"))
    assert report["state"] == "finished"
    assert [step["concurrency"] for step in report["steps"]] == [1, 2]
    assert [step["done"] for step in report["steps"]] == [10, 10]
    chart = api.session.get(f"{api.site.host}/cfg/ipc/charts/run/{report['test_id']}.svg")
    assert chart.headers["Content-Type"] == "image/svg+xml"


def test_schedules(api: Api) -> None:
    body = {**START, "name": "nightly", "every_s": 86_400}
    made = api.post("test/load/schedules", body)
    assert (made["name"], made["every_s"], made["method"]) == ("nightly", 86_400, "notification.send")
    assert [one["id"] for one in api.get("test/load/schedules")["schedules"]] == [made["id"]]
    assert api.post("test/load/schedules", {**body, "every_s": 1}, 400)["field"] == "every_s"
    assert api.post("test/load/schedules", {**body, "name": " "}, 400)["field"] == "name"
    assert api.delete(f"test/load/schedules/{made['id']}") == {"removed": True}
    api.delete(f"test/load/schedules/{made['id']}", 404)


def test_a_run_survives_the_site(own_site: LiveSite) -> None:
    """The generator goes on while the site is gone; the site that comes back knows it, follows it and can stop it."""
    own_site.start()
    api = Api(own_site, own_site.login())
    test_id = start(api, method="system.ping", total_requests=10_000, concurrency=1)
    eventually(lambda: api.get("test/load/status")["progress"] > 0)
    own_site.kill()
    own_site.start()
    status = api.get("test/load/status")
    assert (status["test_id"], status["running"]) == (test_id, True)
    assert api.post("test/load/start", START, 409)["code"] == "load_running"
    before = status["success_count"]
    eventually(lambda: api.get("test/load/status")["success_count"] > before)
    assert api.post("test/load/stop", {})["message"] == "Load test stopped"
    assert api.get(f"test/load/runs/{test_id}")["state"] == "stopped"


def test_a_generator_that_dies_is_noticed(api: Api) -> None:
    test_id = start(api, method="system.ping", total_requests=10_000, concurrency=1)
    eventually(lambda: api.get("test/load/status")["progress"] > 0)
    mine = [p for p in psutil.process_iter(["cmdline"]) if any(test_id in part for part in p.info["cmdline"] or ())]
    assert len(mine) == 1
    os.kill(mine[0].pid, signal.SIGKILL)
    report = over(api, test_id)
    assert report["state"] == "failed"
    assert "ended early" in report["error"]


def test_a_run_under_gevent(own_site: LiveSite) -> None:
    """There only the loop itself may have children."""
    own_site.environment["SPACES_ASYNC_MODE"] = "gevent"
    own_site.start()
    api = Api(own_site, own_site.login())
    report = over(api, start(api, total_requests=20, concurrency=4))
    assert (report["state"], report["result"]["success"]) == ("finished", 20)
