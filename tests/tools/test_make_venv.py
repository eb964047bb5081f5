"""``make setup`` on a machine whose Python does not do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def poor_path(tmp_path: Path) -> Path:
    """A PATH with a Python that is too old, and hardly anything else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
    (folder / "python3").chmod(0o755)
    found = shutil.which("id")
    assert found
    (folder / "id").symlink_to(found)
    return folder


def test_old_python_is_refused_in_one_line(poor_path: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        ["/bin/sh", str(ROOT / "tools" / "make_venv.sh"), str(tmp_path / "venv")],
        env={**os.environ, "PATH": str(poor_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith("ERROR Python 3.11 or newer")
    assert not (tmp_path / "venv").exists()
