"""The tool, run in this process; and the trials of workers, which go on beside the other tests of a module."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from project.suites.check import Outcome, run_check
from project.suites.cli import main
from project.suites.conformance.suite import CHECKS
from project.suites.conformance.trial import Trial
from tests.suites.faults import ALSO, FAIL_PROMPT, FAULTS, GOOD, GRAVE_FAULTS, PLAIN

AT_ONCE = 6
PATIENCE_S = 20.0
SHORT_PATIENCE_S = 4.0
Outcomes = dict[str, Outcome]


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


def tried(
    command: str, names: Sequence[str], patience_s: float = PATIENCE_S, fail_prompt: str = FAIL_PROMPT
) -> Outcomes:
    """Outcomes of these checks."""
    trial = Trial(command, patience_s, fail_prompt)
    try:
        return {c.name: run_check("conformance", c, trial) for c in CHECKS if c.name in names}
    finally:
        trial.close()


Arguments = tuple[str, Sequence[str], float, str]


def planned() -> dict[str, list[Arguments]]:
    """What is tried with each worker."""
    names = [check.name for check in CHECKS]
    plan: dict[str, list[Arguments]] = {}
    for name, (command, fail_prompt) in GOOD.items():
        # In halves: the longest of all decides how long the whole takes.
        halves = (names[: len(names) // 2], names[len(names) // 2 :])
        plan[name] = [(command, half, PATIENCE_S, fail_prompt) for half in halves]
    for fault, (concerned, _) in FAULTS.items():
        names_tried = {concerned, *(() if concerned in ALSO else ALSO)}
        plan[fault] = [(f"{PLAIN} 0.5 {shlex.quote(fault)}", [*names_tried], SHORT_PATIENCE_S, FAIL_PROMPT)]
    for command, (concerned, _) in GRAVE_FAULTS.items():
        plan[command] = [(command, ["registers by websocket", concerned], SHORT_PATIENCE_S, FAIL_PROMPT)]
    return plan


@pytest.fixture(scope="module")
def trials() -> Iterator[Callable[[str], Outcomes]]:
    """Every trial of the conformance suite by its name. They wait more than they work, so several go on at once.

    Asked for again, it is another trial of the same, with more patience: a good worker that was held up has failed
    nothing.
    """
    plan = planned()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {name: [pool.submit(tried, *each) for each in parts] for name, parts in plan.items()}

        def outcomes(name: str) -> Outcomes:
            parts = running.pop(name, None) or [pool.submit(tried, *each) for each in plan[name]]
            plan[name] = [(command, names, patience_s * 2, prompt) for command, names, patience_s, prompt in plan[name]]
            return {key: each for future in parts for key, each in future.result(280).items()}

        yield outcomes
        for futures in running.values():
            for future in futures:
                future.cancel()
