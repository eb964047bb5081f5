"""A data folder given as a relative path, which the usual one is: it is beside the person, not beside the code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT, LiveSite, Process

pytestmark = pytest.mark.slow


def test_files_come_back_from_a_relative_data_folder(tmp_path: Path) -> None:
    site = LiveSite(Path(os.path.relpath(tmp_path / "data", ROOT)))
    site.start()
    mock = None
    try:
        space_id = site.make_space("Relative", ws_enable_file_upload="on")
        seconds = ("--min-seconds", "0", "--max-seconds", "0")
        mock = Process("mock_app.py", "--host", site.host, "--spaces", "Relative", *seconds)
        mock.says("Request processor started")
        user = site.login("testuser", "testpass123")
        form = {"prompt": "here it is"}
        answer = user.post(
            f"{site.host}/websockets/submit/{space_id}", data=form, files={"other_file": ("a.txt", b"some bytes")}
        ).json()
        ended = site.status(user, answer["request_id"], wait=20)
        assert ended["status"] == "completed", ended
    finally:
        if mock:
            mock.end()
        site.end()
