"""The machine with the model: nothing of the site is needed there, and the examples run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Process, eventually
from tests.worker.site import FakeSite

pytestmark = pytest.mark.slow
BARE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        allowed = ("project", "project.errors", "project.wire", "project.worker")
        top = name.split(".")[0]
        foreign = top in {foreign!r} or (top == "project" and not name.startswith(allowed[1:]) and name != "project")
        if foreign:
            raise ImportError(name + " is not on this machine")

sys.meta_path.insert(0, Blocker())
import project.worker, project.worker.mock.cli
print("imported")
"""
FOREIGN = ("flask", "flask_socketio", "eventlet", "gevent", "sqlalchemy", "werkzeug", "jinja2", "click")
Run = Callable[[str], Process]


@pytest.fixture
def example(fake: FakeSite) -> Iterator[Run]:
    started: list[Process] = []

    def run(name: str) -> Process:
        process = Process(f"examples/{name}", fake.host, "Test", environment={"PYTHONPATH": str(ROOT)})
        started.append(process)
        eventually(lambda: fake.of("register"), what=f"{name} registered")
        return process

    yield run
    for process in started:
        process.end()


def test_what_is_copied_to_a_bare_host_is_enough(tmp_path: Path) -> None:
    """The four things the how-to says to copy, and a Python without the site's packages."""
    (tmp_path / "project").mkdir()
    for name in ("__init__.py", "errors.py"):
        shutil.copy(ROOT / "project" / name, tmp_path / "project")
    for name in ("wire", "worker"):
        shutil.copytree(ROOT / "project" / name, tmp_path / "project" / name)
    code = BARE.replace("{foreign!r}", repr(FOREIGN))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr


def test_the_blocker_blocks() -> None:
    code = BARE.replace("{foreign!r}", repr(("requests",)))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "requests is not on this machine" in done.stderr


def test_example_upper(fake: FakeSite, example: Run) -> None:
    example("worker_upper.py")
    fake.give("r1", "loud")
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["result"] == {"text_output": "LOUD"}


def test_example_stream(fake: FakeSite, example: Run) -> None:
    example("worker_stream.py")
    fake.give("r1", "one two three")
    eventually(lambda: "r1" in fake.results())
    assert [chunk["text"] for chunk in fake.of("inference_chunk")] == ["one ", "two ", "three "]
    assert fake.results()["r1"]["result"] == {"text_output": "one two three "}


def test_example_files(fake: FakeSite, example: Run) -> None:
    example("worker_files.py")
    fake.give("r1", files=[fake.offer("a.txt", b"hello")])
    eventually(lambda: "r1" in fake.results())
    [upload] = fake.uploads
    assert (upload.name, upload.content_type) == ("files.csv", "text/csv")
    assert b"a.txt,5," in upload.body
