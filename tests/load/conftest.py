"""A calibration server in a process of its own, and the load command beside it."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from project.load.cli.main import main
from project.load.core.record import RunRecord
from project.load.output.folder import read_record
from tests.conftest import Process


class Calibration:
    """A running calibration server."""

    def __init__(self, process: Process):
        self.process = process
        process.says("Running on")
        found = re.search(r"127\.0\.0\.1:(\d+)", process.output)
        assert found
        self.port = int(found[1])
        self.ws = f"ws://127.0.0.1:{self.port}/ws"
        self.http = f"http://127.0.0.1:{self.port}"


@contextmanager
def calibrated(*flags: str) -> Iterator[Calibration]:
    process = Process("-m", "project.load.calibration", *flags)
    try:
        yield Calibration(process)
    finally:
        process.end()


@pytest.fixture
def calibration() -> Iterator[Callable[..., Calibration]]:
    """Start calibration servers; they end with the test."""
    processes: list[Process] = []

    def start(*flags: str) -> Calibration:
        process = Process("-m", "project.load.calibration", *flags)
        processes.append(process)
        return Calibration(process)

    yield start
    for process in processes:
        process.end()


@pytest.fixture(scope="module")
def echo() -> Iterator[Calibration]:
    """A server that answers at once, shared by the tests of a module."""
    with calibrated() as server:
        yield server


class Command:
    """The load command as a process."""

    def __init__(self, folder: Path, *arguments: str, module: str = "project.load"):
        self.output = folder / "runs"
        self.progress = folder / "progress.json"
        self.process = Process(
            "-m", module, *arguments, "--output", str(self.output), "--progress-json", str(self.progress)
        )

    def wait(self, within_s: float = 120.0) -> int:
        return self.process.wait(within_s)

    @property
    def folder(self) -> Path:
        (folder,) = self.output.iterdir()
        return folder

    def file(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return found

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.progress.read_text(encoding="utf-8")) if self.progress.exists() else {}
        return found

    def interrupt(self) -> int:
        self.process.signal(signal.SIGINT)
        return self.wait(60)


@dataclass
class Ended:
    """What the command did in this process."""

    code: object
    output: Path

    @property
    def record(self) -> RunRecord:
        (folder,) = self.output.iterdir()
        return read_record(folder)


@pytest.fixture
def here(tmp_path: Path) -> Callable[..., Ended]:
    """Run the load command in the tests' own process, which need not start first."""
    numbers = count()

    def run(*arguments: str) -> Ended:
        output = tmp_path / f"here-{next(numbers)}"
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--output", str(output), "--allow-invalid"])
        return Ended(ended.value.code, output)

    return run


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start the load command; `--allow-invalid` is the callers' own choice."""
    commands: list[Command] = []

    def start(*arguments: str, module: str = "project.load") -> Command:
        folder = tmp_path / str(len(commands))
        folder.mkdir()
        commands.append(Command(folder, *arguments, module=module))
        return commands[-1]

    yield start
    for command in commands:
        command.process.end()
