"""The README's worker and client do what the README says, with a real site between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, LiveSite, Process

SPACE = "My space"


@pytest.fixture
def samples() -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def worker(site: LiveSite, samples: list[str], tmp_path: Path) -> Iterator[str]:
    """The README's worker, serving; the id of its space."""
    space_id = site.make_space(SPACE)
    program = saved(tmp_path / "worker.py", samples[0], site)
    process = Process(str(program), environment={"PYTHONPATH": str(ROOT)})
    try:
        process.until(lambda: site.connected(space_id), what="its space is connected")
        yield space_id
    finally:
        process.end()


def saved(path: Path, sample: str, site: LiveSite) -> Path:
    path.write_text(sample.replace("http://localhost:5001", site.host), encoding="utf-8")
    return path


def test_client_gets_the_answer_of_the_worker(site: LiveSite, worker: str, samples: list[str], tmp_path: Path) -> None:
    program = saved(tmp_path / "client.py", samples[1].replace("SPACE_ID", worker), site)
    process = Process(str(program))
    try:
        assert process.wait() == 0, process.output
        assert process.output == "completed {'text_output': 'HELLO'}\n"
    finally:
        process.end()
