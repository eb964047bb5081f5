"""The site's own misfortunes: full disk, locked database, a stop, a crowd of workers, a long queue, an upgrade."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio

from tests.conftest import ROOT, Process, eventually, one_of_trials
from tests.faults.checker import Sent
from tests.faults.world import Crowd, World

pytestmark = pytest.mark.slow
CROWD = 50
"""Workers of one space; a space takes at most 64."""


def submit(world: World, user: requests.Session, prompt: str = "disk", **more: Any) -> requests.Response:
    address = f"{world.site.host}/websockets/submit/{world.space_id}"
    return user.post(address, data={"prompt": prompt}, timeout=60, **more)


def test_13_a_full_disk_refuses_and_loses_nothing(world: World) -> None:
    """The limit on the size of files stands in for the disk's end, for the database and for uploads alike."""
    world.begin()
    user = world.site.login("testuser", "testpass123")
    world.worker()
    world.connected()
    kept = world.submit(user)
    assert world.site.process
    pid = world.site.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    try:
        refused = submit(world, user)
        assert refused.status_code in (503, 507), refused.text
        assert refused.json()["success"] is False
        upload = submit(world, user, files={"other_file": ("big.bin", os.urandom(200_000))})
        assert upload.status_code in (503, 507), upload.text
        incoming = world.site.data_dir / "files" / "incoming"
        eventually(lambda: not list(incoming.iterdir()), what="nothing half is left")
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    # It recovers without a restart.
    assert world.submit(user).outcome == "ok"
    assert world.site.status(user, kept.request_id, wait=20)["status"] == "completed"
    world.sent.append(Sent("disk", "fail"))
    world.drain(user)
    world.check()


def test_14_a_locked_database_holds_up_nobody_who_needs_none(world: World) -> None:
    world.begin()
    user = world.site.login("testuser", "testpass123")
    world.worker()
    world.connected()
    _locked(world, user)
    world.drain(user)
    world.check()


@one_of_trials
def _locked(world: World, user: requests.Session) -> None:
    """As long as the site's patience with the database lasts, and not longer, nothing is said of the submission."""
    holder = sqlite3.connect(world.site.data_dir / "spaces.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    answers: list[requests.Response] = []
    prompt = f"locked {len(world.sent)}"
    waiting = threading.Thread(target=lambda: answers.append(submit(world, user, prompt)))
    waiting.start()
    pings = [requests.get(f"{world.site.host}/healthz", timeout=60).status_code for _ in range(50)]
    early = len(answers)
    holder.execute("ROLLBACK")
    waiting.join(60)
    assert answers[0].status_code in (200, 503)
    world.sent.append(Sent(prompt, "ok" if answers[0].ok else "fail", answers[0].json().get("request_id", "")))
    assert world.submit(user).outcome == "ok"
    assert pings == [200] * 50
    assert not early, "the submission cannot have been kept yet"


def test_19_a_crowd_of_workers_comes_back_after_a_kill(world: World) -> None:
    count = int(os.environ.get("SPACES_FAULT_WORKERS", "40"))
    world.begin()
    for number in range(0, count, CROWD):
        world.site.make_space(f"Crowd {number // CROWD}", ws_max_workers=str(CROWD))
    clients = [socketio.Client(reconnection_delay=0.2, reconnection_delay_max=2) for _ in range(count)]
    back = threading.Semaphore(0)
    for number, client in enumerate(clients):

        def on_connect(client: socketio.Client = client, number: int = number) -> None:
            space = f"Crowd {number // CROWD}"
            client.emit("register", {"space_name": space, "worker_id": f"w{number}", "boot_id": "b", "protocol": 2})

        client.on("connect", on_connect)
        client.on("register_response", lambda body: back.release() if body["success"] else None)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda client: client.connect(world.site.host, transports=["websocket"]), clients))
        for _ in clients:
            assert back.acquire(timeout=60)
        world.site.kill()
        world.site.start()
        began = time.monotonic()
        for _ in clients:
            assert back.acquire(timeout=60)
        print(f"{count} workers back {time.monotonic() - began:.1f} s after the start")
    finally:
        for client in clients:
            client.disconnect()


def test_20_a_long_queue_outlives_the_site_in_its_order(world: World) -> None:
    count = int(os.environ.get("SPACES_FAULT_QUEUE", "400"))
    world.begin(ws_queue_while_offline="on")
    sessions = [world.site.login("testuser", "testpass123") for _ in range(4)]
    with ThreadPoolExecutor(len(sessions)) as pool:
        list(pool.map(lambda number: world.submit(sessions[number % len(sessions)]), range(count)))
    assert {sent.outcome for sent in world.sent} == {"ok"}
    world.site.kill()
    began = time.monotonic()
    world.site.start()
    print(f"started with {count} queued in {time.monotonic() - began:.2f} s")
    assert world.queue_size() == count
    world.worker()
    world.drain(world.site.login("testuser", "testpass123"))
    world.check()


def test_24_a_stop_with_work_in_flight_keeps_it(world: World) -> None:
    world.begin()
    user = world.site.login("testuser", "testpass123")
    world.worker(seconds=0.05)
    world.connected()
    crowd = Crowd(world, [user, world.site.login("testuser", "testpass123")])
    eventually(lambda: len(world.sent) > 10)
    assert world.site.stop() == 0
    crowd.stop()
    world.site.start()
    world.connected()
    world.drain(world.site.login("testuser", "testpass123"))
    world.check()


OLD = "0001"


def test_25_an_upgrade_that_is_killed_leaves_the_old_schema_or_the_new(tmp_path: Path) -> None:
    """A database of the first version is opened by this one, killed at many moments, and opened again."""
    first = tmp_path / "first.db"
    make = f"""
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
config = Config()
config.set_main_option("script_location", "project/storage/sql/migrations")
engine = sa.create_engine("sqlite:///{first}")
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, "{OLD}")
"""
    subprocess.run([sys.executable, "-c", make], cwd=ROOT, check=True)
    upgrade = (
        "import sys; from project.storage.sql.migrate import migrate; print('go', flush=True); migrate(sys.argv[1])"
    )
    for round_number in range(6):
        copy = tmp_path / f"{round_number}.db"
        shutil.copy(first, copy)
        command = [sys.executable, "-c", upgrade, f"sqlite:///{copy}"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        process.stdout.readline()
        time.sleep(round_number * 0.03)  # the moment of the fault is what is varied here
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with sqlite3.connect(copy) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            (version,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert ("client_batches" in tables) == (version != OLD), (version, tables)
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_25_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {"SPACES_DATA_DIR": str(data)}
    process = Process("run.py", "--port", "0", environment=environment)
    process.says("Running on")
    process.end()
    with sqlite3.connect(data / "spaces.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'of tomorrow'")
    again = Process("run.py", "--port", "0", environment=environment)
    assert again.wait() == 1
    assert "of tomorrow" in again.output
    again.end()
