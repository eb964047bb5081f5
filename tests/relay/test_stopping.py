"""Ending well: a site that is told to stop, and a worker that is."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from project.config import Settings
from project.websocket_manager import WebSocketManager
from tests.conftest import LiveSite, Process, eventually, one_of_trials
from tests.relay.socket_client import Client, Connect, held, v2

pytestmark = pytest.mark.slow
MOST_S = 10.0


class Busy(threading.Thread):
    """Submits, one after another, until the site is gone; notes what was accepted."""

    def __init__(self, site: LiveSite, space_id: str):
        super().__init__(daemon=True)
        self._session, self._url = site.login("testuser", "testpass123"), f"{site.host}/websockets/submit/{space_id}"
        self.accepted: list[str] = []

    def run(self) -> None:
        try:
            while True:
                answer = self._session.post(self._url, data={"prompt": "x"}, timeout=60)
                if answer.status_code == 200:
                    self.accepted.append(answer.json()["request_id"])
        except requests.RequestException:
            return


@one_of_trials
def test_a_busy_site_stops_soon_and_leaves_leases_as_they_are(own_site: LiveSite) -> None:
    own_site.start_afresh()
    space_id = own_site.make_space("Busy", ws_max_queue="100000")
    session = own_site.login()
    worker = Client(own_site)
    worker.register("Busy", **v2("w", capacity=1))
    running = own_site.submit(session, space_id, prompt="running")["request_id"]
    request = worker.next()
    waits = threading.Thread(target=_ignoring_the_end, args=(own_site, session, running), daemon=True)
    waits.start()
    stream = session.get(f"{own_site.host}/websockets/stream", params={"space_id": space_id}, stream=True, timeout=60)
    clients = [Busy(own_site, space_id) for _ in range(4)]
    for client in clients:
        client.start()
    eventually(lambda: sum(len(client.accepted) for client in clients) > 40)
    assert own_site.process
    own_site.process.signal(signal.SIGTERM)
    assert worker.drainings.get(timeout=MOST_S)["reason"]
    assert own_site.process.wait(MOST_S) == 0
    stream.close()
    for client in (*clients, waits):
        client.join(60)
    manager = WebSocketManager(Settings(data_dir=own_site.data_dir))
    assert manager.get_connected_spaces() == []
    left = manager.get_request_status(running)
    assert left
    assert (left["status"], left["attempt"]) == ("processing", 1), "its worker may finish it"
    accepted = [request_id for client in clients for request_id in client.accepted]
    assert all(manager.get_request_status(request_id) for request_id in accepted)
    own_site.start()
    back = Client(own_site)
    answer = back.register("Busy", **v2("w", capacity=1, in_flight=[{**held(request), "started": True}]))
    assert answer["keep"] == [running]
    assert back.call("inference_result", {**held(request), "status": "completed", "result": {}}) == {"ok": True}
    end = own_site.status(own_site.login(), running)
    assert (end["status"], end["attempt"]) == ("completed", 1)
    back.close()


def _ignoring_the_end(site: LiveSite, session: requests.Session, request_id: str) -> None:
    """Wait for a request as a program does, whose connection may well break."""
    try:
        session.get(f"{site.host}/websockets/status", params={"request_id": request_id, "wait": 30}, timeout=60)
    except requests.RequestException:
        return


@one_of_trials
def test_a_database_that_is_held_does_not_keep_the_site_from_stopping(own_site: LiveSite) -> None:
    own_site.start_afresh()
    own_site.make_space("Held")
    other = sqlite3.connect(own_site.data_dir / "spaces.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert own_site.process
        own_site.process.signal(signal.SIGTERM)
        own_site.process.wait(MOST_S + 2)
    finally:
        other.close()


def test_a_worker_that_drains_finishes_and_another_goes_on(
    own_site: LiveSite, start_mock: Callable[..., Process]
) -> None:
    own_site.start()
    space_id = own_site.make_space("Drain")
    session = own_site.login()
    first = start_mock(own_site.host, "Drain", "--min-seconds", "1", "--max-seconds", "1")
    ids = [own_site.submit(session, space_id, prompt=str(number))["request_id"] for number in range(4)]
    first.says("[INFO] Processing...")
    first.signal(signal.SIGTERM)
    assert first.wait(60) == 0
    statuses = [own_site.status(session, request_id) for request_id in ids]
    done = [status for status in statuses if status["status"] == "completed"]
    assert done, "what ran was finished"
    assert all(status["attempt"] == 1 for status in done)
    start_mock(own_site.host, "Drain", "--min-seconds", "0", "--max-seconds", "0")
    ends = [own_site.status(session, request_id, wait=20) for request_id in ids]
    assert [end["status"] for end in ends] == ["completed"] * 4


def test_whoever_drains_gets_nothing_more_and_makes_room(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Leaving", ws_queue_while_offline="on")
    session = site.login()
    leaving = connect()
    leaving.register("Leaving", **v2("old", capacity=1))
    running = site.submit(session, space_id, prompt="running")["request_id"]
    request = leaving.next()
    assert leaving.call("drain", {}) == {"ok": True}

    def state() -> dict[str, Any]:
        body: dict[str, Any] = requests.get(f"{site.host}/websockets/space/{space_id}/status").json()
        return body

    assert (state()["connected"], state()["accepting"]) == (False, True)
    waiting = site.submit(session, space_id, prompt="waiting")["request_id"]
    assert leaving.call("inference_result", {**held(request), "status": "completed", "result": {}}) == {"ok": True}
    assert site.status(session, running)["status"] == "completed"
    assert leaving.requests.empty()
    replacement = connect()
    assert replacement.register("Leaving", **v2("new"))["success"] is True
    assert replacement.next()["request_id"] == waiting
    assert state()["connected"] is True


def test_whoever_drains_and_leaves_uses_up_no_attempt_of_what_it_did_not_begin(
    site: LiveSite, connect: Connect
) -> None:
    space_id = site.make_space("Well left", ws_queue_while_offline="on")
    session = site.login()
    ids = [site.submit(session, space_id, prompt=prompt)["request_id"] for prompt in ("running", "waiting")]
    leaving = connect()
    leaving.register("Well left", **v2("old"))
    assert [leaving.next()["request_id"] for _ in ids] == ids
    assert leaving.call("drain", {}) == {"ok": True}
    leaving.close()
    replacement = connect()
    replacement.register("Well left", **v2("new"))
    assert [replacement.next()["attempt"] for _ in ids] == [1, 1]
