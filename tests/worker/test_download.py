"""The worker SDK as it is downloaded: unpacked into an empty folder, it runs with one requirement installed."""

from __future__ import annotations

import importlib.metadata
import io
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from packaging.requirements import Requirement

from tests.conftest import ROOT, LiveSite, Process

pytestmark = pytest.mark.slow
REQUIREMENT = "python-socketio"
LAUNCH = """
import runpy, sys
folder, installed, program, *sys.argv[1:] = sys.argv[1:]
sys.path[:0] = [folder, installed]
sys.argv[0] = program
if program.endswith(".py"):
    runpy.run_path(program, run_name="__main__")
else:
    runpy.run_module(program, run_name="__main__", alter_sys=True)
"""
Bare = Callable[..., Process]


def needed(name: str, extra: str = "") -> set[str]:
    """The distributions that installing one brings here."""
    found = {name}
    for text in importlib.metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            found |= needed(requirement.name)
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of python-socketio[client] and of what it requires, and no others."""
    folder = tmp_path_factory.mktemp("installed")
    for name in needed(REQUIREMENT, "client"):
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and source.is_file():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder / file)
    return folder


@pytest.fixture(scope="module")
def unpacked(site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    answer = requests.get(f"{site.host}/worker-sdk.zip")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


@pytest.fixture
def bare(unpacked: Path, installed: Path, tmp_path: Path) -> Iterator[Bare]:
    """``bare(program, *arguments)``: a Python that knows the standard library, the requirement and the SDK only."""
    started: list[Process] = []
    launch = tmp_path / "launch.py"
    launch.write_text(LAUNCH)

    def run(program: str, *arguments: str) -> Process:
        path = str(unpacked / program) if program.endswith(".py") else program
        command = ("-I", "-S", str(launch), str(unpacked), str(installed), path, *arguments)
        started.append(Process(*command, environment={"HOME": str(tmp_path)}))
        return started[-1]

    yield run
    for process in started:
        process.end()


def test_requirements_are_those_of_the_readme_and_the_site(unpacked: Path) -> None:
    [line] = (unpacked / "requirements.txt").read_text().splitlines()
    assert line in (ROOT / "requirements.txt").read_text().splitlines()
    assert "pip install -r requirements.txt" in (unpacked / "README.md").read_text()


def test_the_archive_has_what_the_sdk_is_and_nothing_else(unpacked: Path) -> None:
    names = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    tracked = subprocess.run(["git", "ls-files", "project"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name for name in names if name.startswith("project/")} == {
        name
        for name in tracked.stdout.splitlines()
        if re.match(r"project/(wire|worker)/.*\.py$|project/(__init__|errors)\.py$", name)
    }
    others = {name for name in names if "/" not in name}
    assert {"README.md", "LICENSE", "requirements.txt", "mock_app.py"} <= others
    examples = {path.name for path in (ROOT / "examples").glob("worker_*.py")}
    assert others - {"README.md", "LICENSE", "requirements.txt", "mock_app.py"} == examples
    text = (unpacked / "README.md").read_text()
    assert [name for name in examples if f"| `{name}` |" not in text] == []


def test_the_archive_is_asked_for_once(site: LiveSite) -> None:
    first = requests.get(f"{site.host}/worker-sdk.zip")
    again = requests.get(f"{site.host}/worker-sdk.zip", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_bare_host_is_bare(bare: Bare, unpacked: Path) -> None:
    for name in ("flask", "flask_socketio", "eventlet", "gevent", "sqlalchemy", "click", "aiohttp", "pytest"):
        (unpacked / "look.py").write_text(f"import {name}")
        process = bare("look.py")
        assert process.wait() == 1
        assert f"No module named '{name}'" in process.output
    (unpacked / "look.py").unlink()


def test_the_mock_serves_from_there(site: LiveSite, bare: Bare) -> None:
    space_id = site.make_space("Bare")
    mock = bare("mock_app.py", "--host", site.host, "--spaces", "Bare", "--min-seconds", "0", "--max-seconds", "0")
    mock.says("Request processor started")
    session = site.login("testuser", "testpass123")
    submitted = site.submit(session, space_id, prompt="draw a cat")
    status = site.status(session, submitted["request_id"], wait=20)
    assert (status["status"], [file["name"] for file in status["files"]]) == ("completed", ["picture.png"])


@pytest.mark.parametrize(
    ("program", "prompt", "answer"),
    [
        ("worker_upper.py", "hello", "HELLO"),
        ("worker_stream.py", "a b", "a b "),
        ("worker_async.py", "a b", "b a "),
        ("worker_files.py", "x", "0 files; the list is attached."),
        ("worker_process.py", "100", "There are 25 primes below 100."),
    ],
)
def test_the_examples_serve_from_there(site: LiveSite, bare: Bare, program: str, prompt: str, answer: str) -> None:
    space_id = site.make_space(program)
    worker = bare(program, site.host, program)
    worker.until(lambda: site.connected(space_id), what="its space is connected")
    session = site.login("testuser", "testpass123")
    status = site.status(session, site.submit(session, space_id, prompt=prompt)["request_id"], wait=20)
    assert (status["status"], status["result"]["text_output"]) == ("completed", answer)


def test_the_doctor_examines_from_there(site: LiveSite, bare: Bare) -> None:
    site.make_space("Examined")
    doctor = bare("project.worker", "doctor", "--host", site.host, "--space", "Examined")
    assert doctor.wait(60) == 0, doctor.output
    assert "All is well" in doctor.output


def test_the_readmes_worker_runs_as_it_is(site: LiveSite, bare: Bare, unpacked: Path) -> None:
    space_id = site.make_space("NAME")
    [sample] = re.findall(r"```python\n(.*?)```", (unpacked / "README.md").read_text(), re.DOTALL)
    (unpacked / "own.py").write_text(sample.replace("https://SITE", site.host))
    worker = bare("own.py")
    worker.until(lambda: site.connected(space_id), what="its space is connected")
    (unpacked / "own.py").unlink()
    session = site.login()
    status = site.status(session, site.submit(session, space_id, prompt="loud")["request_id"], wait=20)
    assert status["result"] == {"text_output": "LOUD"}


def test_administrators_are_told_where_it_is(site: LiveSite) -> None:
    space_id = site.make_space("Told")
    page = site.login().get(f"{site.host}/admin/space/edit/{space_id}").text
    assert f"curl -fO {site.host}/worker-sdk.zip" in page
    assert 'href="/worker-sdk.zip"' in page
    assert "python -m project.worker doctor --host" in page
    assert sys.version_info >= (3, 11)
