"""Requests in safe mode go the whole way and leave nothing: no row, no byte, no file, no notice."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import LiveSite, eventually
from tests.relay.socket_client import Client, held, v2

pytestmark = pytest.mark.slow
SAFE = {"X-Load-Test": "true"}
OF_THE_SITE = {"nodes", "workers", "away", "sessions", "throttles", "audit", "sqlite_sequence"}
"""Tables that change by themselves: presence beats, and the logins of this test."""


def kept(data: Path) -> dict[str, list[Any]]:
    """Every row of every table that tells of requests, and every file on the disk, with its size."""
    with sqlite3.connect(data / "spaces.db") as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(map(repr, database.execute(f"SELECT * FROM {name}"))) for name in names}
    files = sorted((str(path), path.stat().st_size) for path in (data / "files").rglob("*") if path.is_file())
    return {name: found for name, found in rows.items() if name not in OF_THE_SITE} | {"files": files}


def submit(site: LiveSite, session: requests.Session, space_id: str, **more: Any) -> requests.Response:
    headers = more.pop("headers", SAFE)
    return session.post(
        f"{site.host}/websockets/submit/{space_id}", data={"prompt": "safe?"}, headers=headers, timeout=30, **more
    )


def test_the_whole_way_and_nothing_is_left(own_site: LiveSite) -> None:
    own_site.environment["SPACES_SAFE_MODE_KEEP_S"] = "1"
    own_site.start()
    space_id = own_site.make_space("Safe", ws_enable_file_upload="on")
    user = own_site.login("testuser", "testpass123")
    worker = Client(own_site)
    worker.register("Safe", **v2("w"))
    before = kept(own_site.data_dir)
    accepted = submit(own_site, user, space_id, files={"other_file": ("a.txt", b"twelve bytes")}).json()
    assert (accepted["success"], accepted["load_test_mode"]) == (True, True)
    taken = worker.next()
    file = taken["payload"]["files"][0]
    assert hashlib.sha256(requests.get(file["url"], timeout=60).content).hexdigest() == file["sha256"]
    assert worker.call("inference_progress", {**held(taken), "seq": 1, "percent": 50}) == {"ok": True}
    assert requests.post(taken["upload_url"], b"back", headers={"X-File-Name": "b.txt"}, timeout=60).ok
    assert worker.call("inference_result", {**held(taken), "status": "completed", "result": {"n": 1}}) == {"ok": True}
    status = own_site.status(user, accepted["request_id"])
    assert (status["status"], status["result"], status["load_test_mode"]) == ("completed", {"n": 1}, True)
    assert [entry["name"] for entry in status["files"]] == ["a.txt", "b.txt"]
    stranger = own_site.login().get(f"{own_site.host}/websockets/status", params={"request_id": "safe-unknown"})
    assert stranger.status_code == 404
    eventually(lambda: kept(own_site.data_dir) == before, what="as it was before")
    # The comparison can tell: the same without the header leaves rows behind.
    own_site.submit(user, space_id, prompt="kept")
    assert kept(own_site.data_dir) != before
    worker.close()


def test_a_lost_worker_and_a_cancel(own_site: LiveSite) -> None:
    own_site.start()
    space_id = own_site.make_space("Again")
    user = own_site.login("testuser", "testpass123")
    first = Client(own_site)
    first.register("Again", **v2("w", capacity=1))
    again, other = (submit(own_site, user, space_id).json()["request_id"] for _ in range(2))
    assert first.next()["request_id"] == again
    assert user.post(f"{own_site.host}/websockets/cancel/{other}", timeout=60).json()["status"] == "cancelled"
    first.close()
    second = Client(own_site)
    second.register("Again", **v2("w2"))
    taken = second.next()
    assert (taken["request_id"], taken["attempt"]) == (again, 2)
    assert second.call("inference_result", {**held(taken), "status": "completed", "result": {}}) == {"ok": True}
    assert own_site.status(user, again)["status"] == "completed"
    second.close()


def test_refusals(own_site: LiveSite) -> None:
    own_site.environment["SPACES_SAFE_MODE_REQUESTS"] = "1"
    own_site.start()
    space_id = own_site.make_space("Full", ws_queue_while_offline="on")
    user = own_site.login("testuser", "testpass123")
    unclear = submit(own_site, user, space_id, headers={"X-Load-Test": "ture"})
    assert (unclear.status_code, unclear.json()["field"]) == (400, "X-Load-Test")
    # A worker to come would find nothing: what is in memory does not wait for it.
    assert submit(own_site, user, space_id).status_code == 503
    worker = Client(own_site)
    worker.register("Full", **v2("w"))
    assert submit(own_site, user, space_id).status_code == 200
    full = submit(own_site, user, space_id)
    assert (full.status_code, full.json()["code"]) == (429, "queue_full")
    assert "Retry-After" in full.headers
    worker.close()
