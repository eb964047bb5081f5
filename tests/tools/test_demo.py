"""``make run``: everything starts, says where it is, and ends together."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import Process, eventually, lasting_port

pytestmark = pytest.mark.slow
Demo = Callable[[], Process]


@pytest.fixture
def port() -> int:
    return lasting_port()


@pytest.fixture
def demo(port: int, tmp_path: Path) -> Iterator[Demo]:
    started: list[Process] = []
    environment = {"SPACES_DATA_DIR": str(tmp_path / "data"), "SPACES_LOG_FILE": str(tmp_path / "error.log")}

    def start() -> Process:
        started.append(Process("tools/run_demo.py", "--port", str(port), environment=environment))
        return started[-1]

    yield start
    for process in started:
        if process.exit_code is None:
            # Asked, not killed: only so does it end what it started.
            process.signal(signal.SIGINT)
            process.wait()
        process.end()


def spaces(port: int) -> list[tuple[str, bool]]:
    answer = requests.get(f"http://127.0.0.1:{port}/", headers={"Accept": "application/json"})
    return [(space["name"], space["connected"]) for space in answer.json()["spaces"]]


def test_demo_runs_says_so_and_ends_whole(port: int, demo: Demo) -> None:
    process = demo()
    process.says("Ctrl+C")
    assert f"http://localhost:{port}" in process.output
    assert "admin / admin123" in process.output
    assert "testuser / testpass123" in process.output
    assert spaces(port) == [("Demo", True)]
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    with pytest.raises(requests.ConnectionError):
        spaces(port)


def test_demo_finds_its_space_again(port: int, demo: Demo) -> None:
    for _ in range(2):
        process = demo()
        process.says("WebSocket Spaces runs at")
        assert spaces(port) == [("Demo", True)]
        process.signal(signal.SIGTERM)
        assert process.wait() == 0


def test_demo_does_not_mistake_another_s_port_for_its_own(port: int, demo: Demo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        process = demo()
        assert process.wait() == 1
    [line] = process.output.splitlines()
    assert line.startswith(f"ERROR cannot listen on port {port} ")


def test_demo_ends_when_its_worker_does(port: int, demo: Demo) -> None:
    process = demo()
    process.says("WebSocket Spaces runs at")
    [worker] = [child for child in psutil.Process(process.pid).children() if "mock_app.py" in child.cmdline()]
    worker.terminate()
    eventually(lambda: process.exit_code is not None, what="the demo ends")
    assert "ERROR the site or the worker has ended" in process.output
