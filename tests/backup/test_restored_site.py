"""A site is backed up while it works, and another one goes on from the archive."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import ROOT, LiveSite, Process


def backup(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "project.backup", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[LiveSite]:
    """Another site, of an empty folder. Not started yet."""
    live = LiveSite(tmp_path / "restored")
    try:
        yield live
    finally:
        live.end()


def files_of(host: str, session: requests.Session, status: dict[str, object]) -> dict[str, bytes]:
    listed = status["files"]
    assert isinstance(listed, list)
    return {file["name"]: session.get(f"{host}{file['url']}").content for file in listed}


def test_a_restored_site_has_results_files_and_logins(
    own_site: LiveSite, restored: LiveSite, start_mock: Callable[..., Process], tmp_path: Path
) -> None:
    own_site.start()
    space_id = own_site.make_space("Kept", ws_enable_file_upload="on", ws_queue_while_offline="on")
    mock = start_mock(own_site.host, "Kept", "--min-seconds", "0", "--max-seconds", "0")
    session = own_site.login("testuser", "testpass123")
    sent = session.post(
        f"{own_site.host}/websockets/submit/{space_id}",
        data={"prompt": "draw a cat"},
        files={"other_file": ("note.txt", b"keep me", "text/plain")},
    ).json()
    done = own_site.status(session, sent["request_id"], wait=20)
    assert done["status"] == "completed"
    kept = files_of(own_site.host, session, done)
    assert kept["note.txt"] == b"keep me"
    assert set(kept) == {"note.txt", "picture.png"}
    mock.signal(signal.SIGKILL)
    mock.wait()
    waiting = own_site.submit(session, space_id, prompt="when somebody comes")["request_id"]
    archive = tmp_path / "site.tar"
    backup("create", archive, "--data-dir", own_site.data_dir)
    later = own_site.submit(session, space_id, prompt="after the backup")["request_id"]
    own_site.kill()

    backup("verify", archive)
    backup("restore", archive, "--data-dir", restored.data_dir)
    restored.start()
    again = restored.status(session, sent["request_id"])
    assert {key: again[key] for key in ("status", "result")} == {key: done[key] for key in ("status", "result")}
    assert files_of(restored.host, session, again) == kept
    unknown = session.get(f"{restored.host}/websockets/status", params={"request_id": later})
    assert unknown.status_code == 404
    start_mock(restored.host, "Kept", "--min-seconds", "0", "--max-seconds", "0")
    assert restored.status(session, waiting, wait=20)["status"] == "completed", "what waited goes on"
