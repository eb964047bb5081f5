"""What the site makes of a worker that misbehaves: each fault of the mock, against a real site."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from project.worker.mock.faults import FAULTS
from tests.conftest import LiveSite, Process, eventually, one_of_trials

pytestmark = pytest.mark.slow
Mock = Callable[..., Process]
AT_ONCE = ("--min-seconds", "0", "--max-seconds", "0")


class Asker:
    """A space with a misbehaving worker, and somebody who asks."""

    def __init__(self, site: LiveSite, start_mock: Mock, fault: str):
        self.site = site
        self.name = f"{fault} {secrets.token_hex(4)}"
        self.space_id = site.make_space(self.name, ws_queue_while_offline="on")
        self.session: requests.Session = site.login()
        self._start = start_mock
        self.mock = self.start("--fault", fault)

    def start(self, *flags: str) -> Process:
        return self._start(self.site.host, self.name, *AT_ONCE, *flags)

    def submit(self) -> str:
        return str(self.site.submit(self.session, self.space_id, prompt="hello")["request_id"])

    def end(self, request_id: str, wait: float = 20) -> dict[str, Any]:
        return self.site.status(self.session, request_id, wait=wait)

    def completes(self, request_id: str, *, attempt: int = 1) -> None:
        end = self.end(request_id)
        assert (end["status"], end["attempt"]) == ("completed", attempt), end
        assert "hello" in end["result"]["text_output"]


@pytest.fixture
def asker(site: LiveSite, start_mock: Mock) -> Callable[[str], Asker]:
    return lambda fault: Asker(site, start_mock, fault)


@one_of_trials
def test_a_result_whose_acknowledgement_is_lost_is_recorded_once(asker: Callable[[str], Asker]) -> None:
    asked = asker("drop-before-ack")
    for times in (1, 2, 3):
        asked.completes(asked.submit())
        asked.mock.says("[FAULT] drop-before-ack", times=times)
        asked.mock.says("Registration successful!", times=times + 1)
    assert asked.mock.output.count("Disconnected from the site") == 3


@one_of_trials
def test_several_results_of_one_moment_are_cut_off_and_recorded_all_the_same(
    asker: Callable[[str], Asker],
) -> None:
    asked = asker("drop-before-ack")
    ids = [asked.submit() for _ in range(5)]
    for request_id in ids:
        assert asked.end(request_id)["status"] == "completed"
    assert "Traceback" not in asked.mock.output


@one_of_trials
def test_a_connection_cut_behind_the_acknowledgement_costs_nothing(asker: Callable[[str], Asker]) -> None:
    asked = asker("drop-after-ack")
    first, second = asked.submit(), asked.submit()
    asked.completes(first)
    end = asked.end(second)
    assert end["status"] == "completed"
    asked.mock.says("drop-after-ack: the site said {'ok': True}; the connection is cut")
    asked.mock.says("Registration successful!", times=2)


@one_of_trials
def test_a_result_sent_three_times_is_recorded_once(asker: Callable[[str], Asker]) -> None:
    asked = asker("duplicate")
    asked.completes(asked.submit())
    asked.mock.says("to copy 1 the site said {'ok': True}")
    asked.mock.says("to copy 2 the site said {'ok': True, 'duplicate': True}")


@one_of_trials
def test_a_late_result_is_refused_and_the_next_attempts_is_taken(asker: Callable[[str], Asker]) -> None:
    asked = asker("late")
    asked.completes(asked.submit(), attempt=2)
    asked.mock.says("late: the site said {'ok': False, 'code': 'stale_lease'")
    assert asked.mock.output.count("New inference request received") == 2
    assert "Disconnected" not in asked.mock.output


@one_of_trials
def test_an_oversized_result_becomes_a_failure_that_says_so(asker: Callable[[str], Asker]) -> None:
    asked = asker("oversized")
    end = asked.end(asked.submit())
    assert (end["status"], end["code"]) == ("failed", "worker_error")
    assert "could not be delivered" in end["error"]
    assert "262144" in end["error"]
    asked.mock.says("oversized: the site said {'ok': False, 'code': 'message_too_large'")
    assert "Disconnected" not in asked.mock.output


@one_of_trials
def test_a_made_up_lease_changes_nothing(asker: Callable[[str], Asker]) -> None:
    asked = asker("wrong-lease")
    asked.completes(asked.submit())
    asked.mock.says("wrong-lease: the site said {'ok': False, 'code': 'stale_lease'")


@one_of_trials
def test_a_request_that_kills_its_worker_ends_and_the_next_one_proceeds(asker: Callable[[str], Asker]) -> None:
    asked = asker("crash")
    poison = asked.submit()
    assert asked.mock.wait() == -signal.SIGKILL
    for attempt in (2, 3):
        assert asked.end(poison, wait=0)["status"] in ("queued", "processing")
        mock = asked.start("--fault", "crash")
        assert mock.wait() == -signal.SIGKILL
        eventually(lambda n=attempt: asked.end(poison, wait=0)["attempt"] == n)
    end = asked.end(poison)
    assert (end["status"], end["code"], end["attempt"]) == ("failed", "worker_lost", 3)
    asked.start()
    asked.completes(asked.submit())


POISONED = """
import sys
from project.worker import Worker
from tests.worker.handlers import fatal

Worker(fatal, host=sys.argv[1], space="Poison").run()
"""


def test_a_request_that_kills_its_worker_takes_nobody_with_it(site: LiveSite, tmp_path: Path) -> None:
    """All of them are at hand, in the worker that dies, and cannot be told from the one that it dies of."""
    space_id = site.make_space("Poison", ws_queue_while_offline="on")
    session = site.login()
    prompts = ("one", "exit", "two", "exit", "three")
    ids = [site.submit(session, space_id, prompt=prompt)["request_id"] for prompt in prompts]
    program = tmp_path / "worker.py"
    program.write_text(POISONED)
    ends: list[dict[str, Any]] = []
    for _ in range(8):
        worker = Process(str(program), site.host, environment={"PYTHONPATH": "."})
        try:
            eventually(lambda p=worker: p.exit_code is not None or all(ended(site, session, ids)))
        finally:
            worker.end()
        ends = [site.status(session, request_id) for request_id in ids]
        if all(ended(site, session, ids)):
            break
    expected = [("failed", "worker_lost") if prompt == "exit" else ("completed", None) for prompt in prompts]
    assert [(end["status"], end["code"]) for end in ends] == expected


def ended(site: LiveSite, session: requests.Session, ids: list[str]) -> list[bool]:
    return [site.status(session, request_id)["status"] in ("completed", "failed") for request_id in ids]


@one_of_trials
def test_a_frozen_worker_loses_its_request_and_its_late_result_is_refused(asker: Callable[[str], Asker]) -> None:
    asked = asker("freeze")
    request_id = asked.submit()
    asked.mock.says("[FAULT] freeze")
    eventually(lambda: not asked.site.connected(asked.space_id), what="the site has noticed")
    other = asked.start()
    asked.completes(request_id, attempt=2)
    other.signal(signal.SIGTERM)
    assert other.wait() == 0
    asked.mock.signal(signal.SIGCONT)
    asked.mock.says("Registration successful!", times=2)
    asked.completes(asked.submit())
    assert asked.end(request_id)["attempt"] == 2


def test_every_fault_is_documented_and_tested() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [fault for fault in FAULTS if f'asker("{fault}")' not in text] == []
