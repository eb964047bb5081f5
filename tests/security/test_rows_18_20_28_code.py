"""Rows 18, 20 and 28: what the site's own code never does, and what it is built from."""

from __future__ import annotations

import ast
import json
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from project.core.model import SpaceSettings
from project.core.submission import check_fields
from project.errors import FieldInvalid
from tests.conftest import ROOT, LiveSite
from tests.relay.socket_client import Client, held, v2
from tools.audit import NOT_REACHED, verdict

OUTSIDE = ("worker", "suites", "load")
"""Programs that call a site; the site itself never imports them (import-linter)."""
CALLERS = {"requests", "urllib.request", "http.client", "httpx", "aiohttp", "urllib3", "ftplib", "smtplib", "telnetlib"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "jsonpickle", "yaml"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
MAY_PICKLE = {"project/worker/isolation.py"}
"""Hands the worker's own handler to the worker's own child process; nothing that came from anywhere is read by it."""


def modules(*, of_site: bool) -> Iterator[tuple[str, ast.Module]]:
    """Every module of the product, or of the site alone."""
    for path in sorted((ROOT / "project").rglob("*.py")):
        parts = path.relative_to(ROOT / "project").parts
        if not (of_site and parts[0] in OUTSIDE):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """Every module that is imported, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_site_has_nothing_to_fetch_addresses_with() -> None:
    for path, tree in modules(of_site=True):
        used = {name for name in imported(tree) if name in CALLERS or name.split(".")[0] in CALLERS}
        assert not used, path


@pytest.mark.slow
def test_address_of_a_sound_is_told_and_never_fetched(site: LiveSite) -> None:
    space_id = site.make_space("Sounds", ws_enable_audio="on")
    worker = Client(site)
    assert worker.register("Sounds", **v2("sounds"))["success"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/sound.wav"
        session = site.login()
        sent = site.submit(session, space_id, audio_url=url)
        work = worker.next()
        assert work["payload"]["audio"]["url"] == url
        assert worker.call("inference_result", {**held(work), "status": "completed", "result": {}})["ok"]
        session.get(f"{site.host}/requests/{sent['request_id']}")
        session.get(f"{site.host}/ai_project/{space_id}")
        with pytest.raises(TimeoutError):
            listener.accept()
    worker.close()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://example.com/x",
        "data:audio/wav;base64,x",
        "javascript:alert(1)",
        "//example.com/x",
        "http:///x",
        "http://a b/",
        "http://x:99999/",
        "http://[::1",
    ],
)
def test_only_addresses_of_the_web_are_told(url: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        check_fields(SpaceSettings(name="s", enable_audio=True), {"audio_url": url})
    assert refused.value.field == "audio_url"


def test_nothing_is_read_that_could_run() -> None:
    for path, tree in modules(of_site=False):
        loose = {name.split(".")[0] for name in imported(tree)} & UNSAFE_MODULES
        assert not loose or path in MAY_PICKLE, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in UNSAFE_CALLS, f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                pickled = isinstance(node.func.value, ast.Name) and node.func.value.id in UNSAFE_MODULES
                assert not (pickled and node.func.attr in ("loads", "load")), f"{path}:{node.lineno}"
            if isinstance(node, ast.keyword) and node.arg == "shell":
                pytest.fail(f"{path}: a shell")


def test_linter_looks_for_the_same() -> None:
    chosen = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["select"]
    assert {"S102", "S301", "S302", "S307", "S602", "S604", "S605", "S608"} <= set(chosen)


FLOORS = {
    "python-socketio": "5.16.2",
    "python-engineio": "4.13.2",
    "eventlet": "0.41.1",
    "Flask": "3.1.3",
    "Werkzeug": "3.1.4",
    "simple-websocket": "1.1",
    "nh3": "0.2.20",
    "markdown-it-py": "3.0",
}
"""Below these are known holes; the requirements must not allow them."""


def required() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    return {_plain(requirement.name): requirement for requirement in found}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("package", FLOORS)
def test_versions_are_above_their_known_holes(package: str) -> None:
    floor = Version(FLOORS[package])
    assert Version(version(package)) >= floor
    requirement = required()[_plain(package)]
    below = f"{floor.major}.{floor.minor}.{floor.micro - 1}" if floor.micro else f"{floor.major}.{floor.minor - 1}.999"
    if floor.minor or floor.micro:
        assert not requirement.specifier.contains(below), requirement


def test_every_requirement_is_pinned_and_nothing_comes_from_elsewhere() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    pins = {_plain(line.split("==")[0]) for line in lines}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    assert set(required()) <= pins
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml"):
        assert "index-url" not in Path(ROOT / name).read_text()


FINE = {"name": "flask", "version": "3.1.3", "vulns": []}
HOLED = {"name": "flask", "version": "1.0", "vulns": [{"id": "GHSA-1", "fix_versions": ["3.1.3"]}]}
SKIPPED = {"name": "werkzeug", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "last", "code"),
    [
        ([FINE], "No known hole in 1 packages.", 0),
        ([HOLED], "FAILED: 1 known holes; 0 packages not audited.", 1),
        ([FINE, SKIPPED], "FAILED: 0 known holes; 1 packages not audited.", 1),
        ([SKIPPED], NOT_REACHED, 1),
        ([], NOT_REACHED, 1),
        (None, NOT_REACHED, 1),
    ],
)
def test_audit_of_nothing_is_no_audit(packages: list[object] | None, last: str, code: int) -> None:
    lines, exit_code = verdict("no JSON" if packages is None else json.dumps({"dependencies": packages}))
    assert (lines[-1], exit_code) == (last, code)
    if packages == [HOLED]:
        assert lines[0] == "flask 1.0: GHSA-1, mended in 3.1.3"


def test_auditor_that_reaches_nobody_fails_in_one_line(tmp_path: Path) -> None:
    auditor = tmp_path / "auditor.py"
    auditor.write_text(
        "import json\nprint(json.dumps({'dependencies': [{'name': 'a', 'skip_reason': 'not found'}]}))\n"
    )
    command = [sys.executable, "-m", "tools.audit", sys.executable, str(auditor)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (NOT_REACHED, 1)
