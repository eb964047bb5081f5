"""Killing site or worker at any moment loses nothing that was accepted."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable

import pytest
import requests

from project.config import Settings
from project.database import load_db
from project.websocket_manager import WebSocketManager
from tests.conftest import LiveSite, Process, eventually

pytestmark = pytest.mark.slow
ROUNDS = 3
CLIENTS = 4


class Submitter(threading.Thread):
    """Submits as fast as it can and notes what the site accepted; stops when told."""

    def __init__(self, site: LiveSite, space_id: str, session: requests.Session, stop: threading.Event):
        super().__init__(daemon=True)
        self._site, self._space_id, self._session, self._stop_it = site, space_id, session, stop
        self.accepted: list[str] = []

    def run(self) -> None:
        while not self._stop_it.is_set():
            try:
                answer = self._session.post(
                    f"{self._site.host}/websockets/submit/{self._space_id}", data={"prompt": "keep me"}, timeout=10
                )
            except requests.RequestException:
                continue
            if answer.status_code == 200 and answer.json()["success"]:
                self.accepted.append(answer.json()["request_id"])


def test_kill_9_of_the_site_loses_nothing(own_site: LiveSite, start_mock: Callable[..., Process]) -> None:
    own_site.start()
    space_id = own_site.make_space("Kill", ws_max_queue="100000")
    mock = start_mock(own_site.host, "Kill", "--min-seconds", "0", "--max-seconds", "0")
    sessions = [own_site.login("testuser", "testpass123") for _ in range(CLIENTS)]
    accepted: list[str] = []
    rng = random.Random(7)
    for round_number in range(1, ROUNDS + 1):
        eventually(lambda: own_site.connected(space_id))
        stop = threading.Event()
        clients = [Submitter(own_site, space_id, session, stop) for session in sessions]
        for client in clients:
            client.start()
        wanted = rng.randint(5, 60)
        eventually(lambda c=clients, w=wanted: sum(len(client.accepted) for client in c) >= w)
        own_site.kill()
        stop.set()
        for client in clients:
            client.join(60)
        accepted += [request_id for client in clients for request_id in client.accepted]
        own_site.start()
        mock.says("Registration successful!", times=round_number + 1)
    assert len(set(accepted)) == len(accepted) >= ROUNDS * 5
    manager = WebSocketManager(Settings(data_dir=own_site.data_dir))
    eventually(lambda: manager.get_queue_size(space_id) == 0, what="everything ends")
    ends = Counter(status["status"] if (status := manager.get_request_status(i)) else "lost" for i in accepted)
    assert ends == {"completed": len(accepted)}


def test_kill_9_of_the_worker_redelivers(own_site: LiveSite, start_mock: Callable[..., Process]) -> None:
    own_site.start()
    space_id = own_site.make_space("Redeliver")
    mock = start_mock(own_site.host, "Redeliver", "--min-seconds", "60", "--max-seconds", "60")
    session = own_site.login()
    ids = [own_site.submit(session, space_id, prompt=str(number))["request_id"] for number in range(3)]
    mock.says("[INFO] Processing...")
    mock.signal(signal.SIGKILL)
    mock.wait()
    eventually(lambda: own_site.status(session, ids[0])["status"] == "queued")
    start_mock(own_site.host, "Redeliver", "--min-seconds", "0", "--max-seconds", "0")
    ends = [own_site.status(session, request_id, wait=20) for request_id in ids]
    assert [(end["status"], end["attempt"]) for end in ends] == [("completed", 2), ("completed", 1), ("completed", 1)]
    assert [end["finished_at"] for end in ends] == sorted(end["finished_at"] for end in ends)


def test_site_stops_quietly_and_the_worker_hands_in_its_result(
    own_site: LiveSite, start_mock: Callable[..., Process]
) -> None:
    own_site.start()
    space_id = own_site.make_space("Quiet")
    mock = start_mock(own_site.host, "Quiet", "--min-seconds", "1.5", "--max-seconds", "1.5")
    submitted = own_site.submit(own_site.login(), space_id, prompt="outlive the site")
    mock.says("Progress: 25%")
    assert own_site.stop() == 0
    mock.says("[RESULT] Result kept; it is sent when the site is back")
    own_site.start()
    session = own_site.login()
    end = own_site.status(session, submitted["request_id"], wait=20)
    assert (end["status"], end["attempt"]) == ("completed", 1)


def test_facades_answer_from_another_process(own_site: LiveSite, start_mock: Callable[..., Process]) -> None:
    own_site.start()
    space_id = own_site.make_space("Facade")
    manager = WebSocketManager(Settings(data_dir=own_site.data_dir))
    assert manager.get_connected_spaces() == []
    start_mock(own_site.host, "Facade", "--min-seconds", "60", "--max-seconds", "60")
    assert manager.get_connected_spaces() == [space_id]
    submitted = own_site.submit(own_site.login(), space_id, prompt="x")
    assert manager.get_queue_size(space_id) == 1
    status = manager.get_request_status(submitted["request_id"])
    assert status
    assert status["status"] in ("queued", "processing")
    asked = own_site.status(own_site.login(), submitted["request_id"])
    assert status.keys() == asked.keys()
    assert manager.get_request_status("unknown") is None
    spaces = load_db(Settings(data_dir=own_site.data_dir))["spaces"]
    assert spaces[space_id]["name"] == "Facade"
    assert spaces[space_id]["card_type"] == "websockets"
    assert spaces[space_id]["websockets_config"]["enable_prompt"] is True
    own_site.stop()
    assert manager.get_connected_spaces() == []


def test_second_site_on_the_same_folder_is_refused(own_site: LiveSite) -> None:
    own_site.start()
    second = LiveSite(own_site.data_dir)
    process = Process("run.py", "--port", "0", environment={"SPACES_DATA_DIR": str(second.data_dir)})
    try:
        assert process.wait() == 1
        assert "another site uses" in process.output
    finally:
        process.end()
