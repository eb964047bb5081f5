"""The conformance suite: good workers pass it, and a worker with one fault fails the check for just that."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from project.suites.conformance.subject import Subject
from project.suites.conformance.suite import CHECKS
from tests.conftest import ROOT, LiveSite, Process, eventually, one_of_trials
from tests.suites.conftest import Outcomes, Told
from tests.suites.faults import FAIL_PROMPT, FAULTS, GRAVE_FAULTS, HERE, PLAIN, PYTHON

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("trials")]
"""The trials begin with the first test, and go on while those are run that need none."""
FAILS = "fails a request its handler fails at"


@pytest.mark.parametrize(
    ("script", "arguments", "version"), [("plain_worker.py", ["", "0"], 2), ("first_worker.py", ["0"], 1)]
)
def test_what_passes_here_serves_a_real_site(site: LiveSite, script: str, arguments: list[str], version: int) -> None:
    """The suite's own site is a stand-in; this is the one it stands for."""
    space_id = site.make_space(f"Real {script}", ws_enable_file_upload="on")
    worker = Process(f"{HERE}/{script}", site.host, f"Real {script}", *arguments)
    try:
        worker.until(lambda: site.connected(space_id), what="it is connected")
        user = site.login("testuser", "testpass123")
        answer = user.post(
            f"{site.host}/websockets/submit/{space_id}",
            data={"prompt": "in earnest", "wait": 30},
            files={"other_file": ("note.txt", b"a note", "text/plain")},
        ).json()
        assert answer["status"] == "completed", answer
        assert answer["result"]["text_output"].lower() == "in earnest"
        worker.signal(signal.SIGTERM)
        assert worker.wait() == (0 if version == 2 else -signal.SIGTERM)
    finally:
        worker.end()


def test_nothing_is_left_of_a_worker(tmp_path: Path) -> None:
    """What the command has started ends with it, also when it itself has ended before."""
    note = tmp_path / "pid"
    subject = Subject(["sh", "-c", f"sleep 300 & echo $! > {note}; exit 3"], str(tmp_path))
    assert subject.wait(30, "at once") == 3
    pid = int(note.read_text())
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    subject.end()


def test_every_check_has_a_fault() -> None:
    """A check that no fault makes fail proves nothing."""
    assert {check.name for check in CHECKS} == {
        concerned for concerned, _ in (*FAULTS.values(), *GRAVE_FAULTS.values())
    }


@one_of_trials
def test_the_command_line(run_tool: Callable[..., Told]) -> None:
    """A line for each check, exit code 1 for a failure, and why what is not tried is not."""
    example = f"env PYTHONPATH={ROOT} {PYTHON} {ROOT}/examples/worker_upper.py {{host}} {{space}}"
    some = ("--only", "registers", "--only", "any text", "--only", "cancelled")
    good = run_tool("--suite", "conformance", "--worker", example, *some)
    assert good.exit_code == 0, good.output
    assert re.search(r"Conformance suite \(3 checks\)\n(  … .*\n)*✓ registers by websocket \(", good.output)
    assert "- v2: stops what is cancelled: not tried, cancelling needs a handler of 0.25 s or more" in good.output
    assert "2 passed, 0 failed, 1 not tried in" in good.output
    more = ("--fail-prompt", FAIL_PROMPT, "--verbose")
    broken = run_tool(
        "--suite", "conformance", "--worker", f"{PLAIN} 0 polls", *some[:2], "--only", "handler fails", *more
    )
    assert broken.exit_code == 1
    assert broken.failed == {"registers by websocket": "expected a connection by websocket alone, got one by polling"}
    assert broken.passed == [FAILS]
    assert "1 register {'space_name': 'Conformance" in broken.output


@pytest.mark.parametrize(
    ("command", "says", "code"),
    [
        ("no-such-program {host}", "no-such-program: No such file or directory", 2),
        ("'", "The worker's command is not one: No closing quotation", 2),
        (f"{PYTHON} -c 'print(\"no model here\"); exit(7)'", "its end with exit code 7: no model here", 1),
    ],
)
def test_a_command_that_is_no_worker(run_tool: Callable[..., Told], command: str, says: str, code: int) -> None:
    told = run_tool("--suite", "conformance", "--worker", command)
    assert told.exit_code == code
    assert says in told.output
    if code == 1:
        assert "not tried, the worker does not register" in told.output
        assert list(told.failed) == ["registers by websocket"]


@pytest.mark.parametrize("flags", [("--suite", "conformance"), ("--worker", "true")])
def test_suite_and_worker_belong_together(flags: tuple[str, ...]) -> None:
    tool = Process("test_websockets.py", *flags)
    try:
        assert tool.wait() == 2
        assert "--suite conformance and --worker COMMAND belong together" in tool.output
    finally:
        tool.end()


def test_every_check_is_documented() -> None:
    page = (ROOT / "docs" / "how-to" / "test-a-worker.md").read_text(encoding="utf-8")
    assert [c.name for c in CHECKS if f"| {c.name.removeprefix('v2: ')} |" not in page] == []


@pytest.mark.parametrize("fault", FAULTS)
@one_of_trials
def test_a_fault_fails_its_check(trials: Callable[[str], Outcomes], fault: str) -> None:
    concerned, why = FAULTS[fault]
    outcomes = trials(fault)
    failed = {name: outcome.problem for name, outcome in outcomes.items() if outcome.problem}
    assert failed.keys() == {concerned}, failed
    assert why in failed[concerned]
    assert not [name for name, outcome in outcomes.items() if outcome.not_tried]


@pytest.mark.parametrize("command", GRAVE_FAULTS, ids=lambda command: command.split(" ", 6)[-1])
@one_of_trials
def test_a_grave_fault_fails_its_check(trials: Callable[[str], Outcomes], command: str) -> None:
    concerned, why = GRAVE_FAULTS[command]
    failed = {name: outcome.problem for name, outcome in trials(command).items() if outcome.problem}
    assert failed.keys() == {concerned}, failed
    assert why in failed[concerned]


@pytest.mark.parametrize(("worker", "untried"), [("the SDK", {FAILS}), ("by hand", set())])
@one_of_trials
def test_a_good_worker_passes_everything(trials: Callable[[str], Outcomes], worker: str, untried: set[str]) -> None:
    outcomes = trials(worker)
    assert {name: outcome.problem for name, outcome in outcomes.items() if outcome.problem} == {}
    assert {name for name, outcome in outcomes.items() if outcome.not_tried} == untried
    assert list(outcomes) == [check.name for check in CHECKS]


@one_of_trials
def test_a_worker_of_version_1_is_told_what_does_not_apply(trials: Callable[[str], Outcomes]) -> None:
    outcomes = trials("version 1")
    assert {name: outcome.problem for name, outcome in outcomes.items() if outcome.problem} == {}
    for name, outcome in outcomes.items():
        if name.startswith("v2: "):
            assert outcome.not_tried == "version 2 only, and this worker speaks version 1"
        elif " file" in name:
            assert outcome.not_tried == "the worker fetches no files"
        elif name == FAILS:
            assert outcome.not_tried == "--fail-prompt TEXT says at which prompt its handler fails"
        else:
            assert not outcome.not_tried
