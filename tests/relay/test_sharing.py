"""A space that several workers serve: none keeps waiting what another could be doing."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from project.core.pace import LEARN_FROM, Pace
from tests.conftest import LiveSite
from tests.relay.socket_client import Client, Connect, held, v2

pytestmark = pytest.mark.slow


@pytest.fixture
def user(site: LiveSite) -> requests.Session:
    return site.login("testuser", "testpass123")


def at_hand(worker: Client, count: int) -> list[dict[str, Any]]:
    """The next requests of a worker, which then has no more: an answer to a heartbeat would come behind them."""
    taken = [worker.next() for _ in range(count)]
    worker.call("heartbeat", {"in_flight": []})
    assert worker.requests.empty()
    return taken


def done(worker: Client, request: dict[str, Any], run_s: float) -> None:
    message = {**held(request), "status": "completed", "result": {}, "run_s": run_s}
    assert worker.call("inference_result", message) == {"ok": True}


def test_a_worker_that_comes_later_finds_work(site: LiveSite, connect: Connect, user: requests.Session) -> None:
    space_id = site.make_space("Shared", ws_max_workers="2")
    first = connect()
    first.register("Shared", **v2("first", capacity=16))
    ids = [site.submit(user, space_id, prompt=f"{number}")["request_id"] for number in range(6)]
    [request] = at_hand(first, 1)
    done(first, request, 2.0)
    [request] = at_hand(first, 1)
    second = connect()
    second.register("Shared", **v2("second", capacity=16))
    served = {"first": [ids[0], request["request_id"]], "second": []}
    hands = {"first": (first, request), "second": (second, at_hand(second, 1)[0])}
    served["second"].append(hands["second"][1]["request_id"])
    for name in ("second", "first", "second"):
        worker, request = hands[name]
        done(worker, request, 2.0)
        if sum(map(len, served.values())) < len(ids):
            hands[name] = (worker, at_hand(worker, 1)[0])
            served[name].append(hands[name][1]["request_id"])
    assert [len(each) for each in served.values()] == [3, 3]
    assert sorted(served["first"] + served["second"]) == sorted(ids)


def test_quick_work_is_handed_out_ahead_of_its_need(site: LiveSite, connect: Connect, user: requests.Session) -> None:
    space_id = site.make_space("Quick", ws_max_workers="2")
    worker = connect()
    worker.register("Quick", **v2("w", capacity=16, concurrency=2))
    for number in range(9):
        site.submit(user, space_id, prompt=f"{number}")
    first, _ = at_hand(worker, 2)
    done(worker, first, 0.5)
    assert len(at_hand(worker, 5)) == 5, "two that run, one of them since before, and a second's work of both"


def test_a_worker_that_has_its_space_to_itself_gets_what_it_asks_for(
    site: LiveSite, connect: Connect, user: requests.Session
) -> None:
    space_id = site.make_space("Own", ws_max_workers="1")
    worker = connect()
    worker.register("Own", **v2("w", capacity=5))
    for number in range(6):
        site.submit(user, space_id, prompt=f"{number}")
    assert len(at_hand(worker, 5)) == 5


def test_pace() -> None:
    pace = Pace()
    assert pace.window(2, 16) == 2
    for run_s, window in ((2.0, 1), (0.5, 3), (0.25, 5), (0.0, 8)):
        for _ in range(LEARN_FROM):
            pace.note(run_s)
        assert pace.window(1, 8) == window
