"""The tool, run in this process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from project.suites.cli import main


@dataclass(frozen=True)
class Told:
    """What a run of the tool said: ``failed`` checks with the reason, and ``passed`` ones, as its JUnit file has it."""

    exit_code: int
    output: str
    failed: dict[str, str]
    passed: list[str]


@pytest.fixture
def run_tool(tmp_path: Path) -> Iterator[Callable[..., Told]]:
    """Run ``test_websockets.py`` with flags."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*flags: str) -> Told:
        file = tmp_path / "outcomes.xml"
        result = CliRunner().invoke(main, [*flags, "--junit", str(file)], catch_exceptions=False)
        failed, passed = {}, []
        for case in ElementTree.parse(file).iter("testcase"):
            problem = case.find("failure")
            if case.attrib["classname"] == "site":
                continue  # it was not reached
            if problem is None:
                passed.append(case.attrib["name"])
            else:
                failed[case.attrib["name"]] = problem.attrib["message"]
                assert f"✗ {case.attrib['name']}: {problem.attrib['message']}" in result.output
        return Told(result.exit_code, result.output, failed, passed)

    yield run
    signal.signal(signal.SIGTERM, before)
