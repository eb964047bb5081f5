"""The conformance suite: good workers pass it, and a worker with one fault fails the check for just that."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from project.suites.check import Outcome, run_check
from project.suites.conformance.suite import CHECKS
from project.suites.conformance.trial import Trial
from tests.conftest import ROOT, Process
from tests.suites.conftest import Told

pytestmark = pytest.mark.slow
PYTHON: Final = shlex.quote(sys.executable)
HERE: Final = Path(__file__).resolve().parent
PLAIN: Final = f"{PYTHON} {HERE}/plain_worker.py {{host}} {{space}} {{token}}"
FIRST: Final = f"{PYTHON} {HERE}/first_worker.py {{host}} {{space}} 0.5"
MOCK: Final = (
    f"{PYTHON} {ROOT}/mock_app.py --host {{host}} --spaces {{space}} --token {{token}}"
    " --min-seconds 0.5 --max-seconds 0.5"
)
ALSO: Final = ("answers a request", "v2: answers for the latest attempt", "v2: asks for acknowledgements")
"""Tried as well, to see that it is only the fault that fails."""
AT_ONCE: Final = 12
PATIENCE_S: Final = 20.0
SHORT_PATIENCE_S: Final = 4.0

FAULTS: Final = {
    "spells the space otherwise": ("registers by websocket", "space_name: expected 'Conformance 一致性 №1', got"),
    "keeps its token": ("registers by websocket", "token: expected '"),
    "polls": ("registers by websocket", "expected a connection by websocket alone, got one by polling"),
    "says it twice": ("answers it once", "expected 1, got 2"),
    "takes the last first": ("answers several in their order", "the order of results: expected ['"),
    "wants words": ("takes any text", "expected a result of request"),
    "stumbles": ("ignores events and fields it does not know", "exit code 1: what is site_news?"),
    "shortens addresses": ("fetches a file", "expected 'completed', got 'failed'"),
    "trusts files": ("fails a request whose file is another one", "expected 'failed', got 'completed'"),
    "fails silently": ("fails a request whose file is another one", "a failed result says why in result.error"),
    "works on the socket's thread": ("answers pings while it works", "sent while the handler worked, got"),
    "never comes back": ("comes back after a broken connection", "the worker to connect again, got its end"),
    "storms": ("waits between its tries while the site is away", "expected at most 8 tries to connect in 3 s, got"),
    "is another after a break": ("v2: names itself and its boot", "boot_id after a broken connection: expected"),
    "asks for no acknowledgement": ("v2: asks for acknowledgements", "is asked for: expected True, got False"),
    "has no heart": ("v2: sends heartbeats with its leases", "expected 3 heartbeats when one every 0.1 s"),
    "beats as it likes": ("v2: sends heartbeats with its leases", "expected 3 heartbeats when one every 0.1 s"),
    "lists nothing": ("v2: says what it holds when it comes back", "in in_flight of the registration after a broken"),
    "forgets its results": ("v2: hands in a result until it is acknowledged", "expected a result of request"),
    "believes any answer": ("v2: keeps a result that was not recorded", "expected a result of request"),
    "is stubborn": ("v2: forgets a result that is too late", "in_flight after the answer stale_lease: expected ()"),
    "keeps its troubles to itself": ("v2: says so when its result cannot be taken", "expected a failed result after"),
    "stays with the first lease": (
        "v2: answers for the latest attempt",
        "expected a result with the lease of the second",
    ),
    "is deaf to cancel": ("v2: stops what is cancelled", "expected no result after inference_cancel, got"),
    "is deaf to stop": ("v2: stops what it lost", "expected no result after stop in a heartbeat's answer, got"),
    "sends it all by socket": (
        "v2: returns a large result over HTTP",
        "expected at most 1024 bytes through the",
    ),
    "cannot count": ("v2: returns a large result over HTTP", "the SHA-256 in X-File-SHA256 is that of the bytes"),
    "uploads once": ("v2: tries an upload again", "expected [503, 200], got [503]"),
    "uploads anew": ("v2: tries an upload again", "Idempotency-Key of the same upload: expected"),
    "gives up at once": ("v2: tries again after a passing refusal", "after a refusal try_later, got its end"),
    "drops its work": ("v2: keeps its work while the site restarts", "registration after the site's restart"),
    "drops all at SIGTERM": ("v2: finishes its work at SIGTERM", "expected drain after SIGTERM, got its end"),
    "is deaf to SIGTERM": ("ends at SIGTERM", "expected the worker's end after SIGTERM within 4 s, got none"),
    "goes on when refused": ("ends when its space is refused", "expected the worker's end after the refusal"),
    "shouts": ("sends only messages of the protocol", "inference_progress: percent must be a number from 0 to 100"),
    "counts wrongly": (
        "sends only messages of the protocol",
        "expected seq to rise above 1, got 1",
    ),
    "gossips": ("sends only messages of the protocol", "got the event 'worker_news'"),
}
GRAVE_FAULTS: Final = {
    f"{PLAIN} 0.5 'says nothing'": ("answers a request", "within 4 s, got none"),
    f"{PLAIN} 0.5 'hangs up'": ("keeps its connection", "expected the connection to last, got its end by the worker"),
    f"{MOCK} --fault crash": ("answers a request", "got its end with exit code -9"),
    f"{MOCK} --fault freeze": ("answers a request", "within 4 s, got none"),
    f"{MOCK} --fault late": ("answers a request", "within 4 s, got none"),
    f"{MOCK} --fault oversized": ("answers a request", "inference_result: result has "),
    f"{MOCK} --fault wrong-lease": ("answers a request", "lease_id of the result: expected '"),
    f"{MOCK} --fault duplicate": ("answers it once", "results of a request: expected 1, got 3"),
    f"{MOCK} --fault drop-before-ack": ("keeps its connection", "expected the connection to last, got its end"),
    f"{MOCK} --fault drop-after-ack": ("keeps its connection", "expected the connection to last, got its end"),
}
"""With these there is not much else to try."""
GOOD: Final = {"the SDK": MOCK, "by hand": f"{PLAIN} 0.5", "version 1": FIRST}
Outcomes = dict[str, Outcome]


def tried(command: str, names: Sequence[str], patience_s: float = PATIENCE_S) -> Outcomes:
    """Outcomes of these checks."""
    trial = Trial(command, patience_s)
    try:
        return {c.name: run_check("conformance", c, trial) for c in CHECKS if c.name in names}
    finally:
        trial.end()


@pytest.fixture(scope="module")
def trials() -> Iterator[Callable[[str], Outcomes]]:
    """Every trial by its name. They wait more than they work, so several go on at once."""
    names = [check.name for check in CHECKS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running: dict[str, list[Future[Outcomes]]] = {}
        for name, command in GOOD.items():
            # In halves: the longest of all decides how long the whole takes.
            halves = (names[: len(names) // 2], names[len(names) // 2 :])
            running[name] = [pool.submit(tried, command, half) for half in halves]
        for fault, (concerned, _) in FAULTS.items():
            command = f"{PLAIN} 0.5 {shlex.quote(fault)}"
            names_tried = {concerned, *(() if concerned in ALSO else ALSO)}
            running[fault] = [pool.submit(tried, command, [*names_tried], SHORT_PATIENCE_S)]
        for command, (concerned, _) in GRAVE_FAULTS.items():
            running[command] = [pool.submit(tried, command, ["registers by websocket", concerned], SHORT_PATIENCE_S)]
        yield lambda name: {key: each for future in running[name] for key, each in future.result(100).items()}
        for futures in running.values():
            for future in futures:
                future.cancel()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_check(trials: Callable[[str], Outcomes], fault: str) -> None:
    concerned, why = FAULTS[fault]
    failed = {name: outcome.problem for name, outcome in trials(fault).items() if outcome.problem}
    assert failed.keys() == {concerned}, failed
    assert why in failed[concerned]
    assert not [name for name, outcome in trials(fault).items() if outcome.not_tried]


@pytest.mark.parametrize("command", GRAVE_FAULTS, ids=lambda command: command.split(" ", 6)[-1])
def test_a_grave_fault_fails_its_check(trials: Callable[[str], Outcomes], command: str) -> None:
    concerned, why = GRAVE_FAULTS[command]
    failed = {name: outcome.problem for name, outcome in trials(command).items() if outcome.problem}
    assert failed.keys() == {concerned}, failed
    assert why in failed[concerned]


@pytest.mark.parametrize("worker", ["the SDK", "by hand"])
def test_a_good_worker_passes_everything(trials: Callable[[str], Outcomes], worker: str) -> None:
    outcomes = trials(worker)
    assert {name: o.problem or o.not_tried for name, o in outcomes.items() if o.problem or o.not_tried} == {}
    assert list(outcomes) == [check.name for check in CHECKS]


def test_a_worker_of_version_1_is_told_what_does_not_apply(trials: Callable[[str], Outcomes]) -> None:
    outcomes = trials("version 1")
    assert {name: outcome.problem for name, outcome in outcomes.items() if outcome.problem} == {}
    for name, outcome in outcomes.items():
        if name.startswith("v2: "):
            assert outcome.not_tried == "version 2 only, and this worker speaks version 1"
        elif " file" in name:
            assert outcome.not_tried == "the worker fetches no files"
        else:
            assert not outcome.not_tried


def test_every_check_has_a_fault() -> None:
    """A check that no fault makes fail proves nothing."""
    assert {check.name for check in CHECKS} == {
        concerned for concerned, _ in (*FAULTS.values(), *GRAVE_FAULTS.values())
    }


def test_the_command_line(run_tool: Callable[..., Told]) -> None:
    """A line for each check, exit code 1 for a failure, and why what is not tried is not."""
    example = f"env PYTHONPATH={ROOT} {PYTHON} {ROOT}/examples/worker_upper.py {{host}} {{space}}"
    some = ("--only", "registers", "--only", "any text", "--only", "cancelled")
    good = run_tool("--suite", "conformance", "--worker", example, *some)
    assert good.exit_code == 0, good.output
    assert "Conformance suite (3 checks)\n✓ registers by websocket (" in good.output
    assert "- v2: stops what is cancelled: not tried, cancelling needs a handler of 0.25 s or more" in good.output
    assert "2 passed, 0 failed, 1 not tried in" in good.output
    broken = run_tool("--suite", "conformance", "--worker", f"{PLAIN} 0 polls", *some[:2], "--verbose")
    assert broken.exit_code == 1
    assert broken.failed == {"registers by websocket": "expected a connection by websocket alone, got one by polling"}
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
