"""Runs that begin by themselves: in time, once, and not beside another."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from project.core.model import User
from project.core.runs import LoadRun, LoadTarget
from project.errors import BadSignature, FieldInvalid, LoadRunning
from project.rpc.inbox import Inbox
from project.rpc.load import LoadTests
from project.runtime import make_runtime
from project.storage.memory import memory_store
from tests.conftest import eventually

pytestmark = pytest.mark.slow
ADMIN = User("u", "admin", "hash", "admin", 0.0)
TARGET = LoadTarget("system.ping", {}, 10_000, 1, timeout_s=1.0)


class Hours:
    """A clock that is set by hand while nothing else is waited for."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def clock() -> Hours:
    return Hours()


@pytest.fixture
def begun() -> list[tuple[str, str]]:
    """What schedules have begun: the run's id, the schedule's name."""
    return []


@pytest.fixture
def load(tmp_path: Path, clock: Hours, begun: list[tuple[str, str]]) -> Iterator[LoadTests]:
    """A load tester whose runs find nobody at the other end."""
    store, runtime = memory_store(), make_runtime("threading")
    store.accounts.add_user(ADMIN)
    inbox = Inbox(store.inbox, store.accounts, lambda topics: None, lambda space_id: None, clock)
    nowhere, keys = "http://127.0.0.1:9", ("k" * 32,)
    made = LoadTests(
        store.runs,
        store.accounts,
        inbox,
        runtime,
        clock,
        folder=tmp_path / "load",
        address=nowhere,
        keys=keys,
        scheduled=lambda run, schedule: begun.append((run.id, schedule.name)),
    )
    yield made
    made.stop()


def test_a_schedule_begins_when_it_is_due_and_leaves_out_a_turn_that_is_taken(
    load: LoadTests, clock: Hours, begun: list[tuple[str, str]]
) -> None:
    made = load.add_schedule("hourly", TARGET, 3600.0, ADMIN)
    load.start_due()
    assert load.running() is None
    clock.now += 3600
    load.start_due()
    run = load.running()
    assert run is not None
    assert (run.schedule_id, run.started_by, run.target) == (made.id, "u", TARGET)
    assert load.schedules()[0].last_run_id == run.id
    with pytest.raises(LoadRunning):
        load.start(TARGET, "u")
    clock.now += 3600
    load.start_due()
    noted = load.schedules()[0]
    assert (noted.last_run_id, noted.last_error) == (run.id, LoadRunning.default_message())
    assert noted.last_code == "load_running"
    assert begun == [(run.id, "hourly")]
    assert noted.next_at > clock.now
    stopped = load.stop()
    assert stopped is not None
    assert stopped.state == "stopped"
    assert load.stop() is None


def key_of(load: LoadTests, run: LoadRun) -> str:
    """The key that the generator of a run was given."""
    line = (load._folder / run.id / "0" / "headers").read_text(encoding="utf-8")
    return line.strip().partition(": ")[2]


def test_a_key_is_good_for_its_own_run_only(load: LoadTests, clock: Hours) -> None:
    first = load.start(TARGET, "u")
    assert load.admitted(key_of(load, first))[0].id == first.id
    load.stop()
    with pytest.raises(BadSignature):
        load.admitted(key_of(load, first))
    second = load.start(TARGET, "u")
    with pytest.raises(BadSignature):
        load.admitted(key_of(load, first))
    run, user = load.admitted(key_of(load, second))
    assert (run.id, user) == (second.id, ADMIN)
    with pytest.raises(BadSignature):
        load.admitted("forged")


def test_a_run_is_under_way_as_long_as_its_process_lives(load: LoadTests) -> None:
    run = load.start(TARGET, "u")
    load.settle()
    assert load.get(run.id).state == "running"
    assert run.pid is not None
    os.kill(run.pid, signal.SIGKILL)

    def over() -> bool:
        load.settle()
        return load.get(run.id).state == "failed"

    eventually(over)
    assert "ended early" in (load.get(run.id).error or "")
    assert load.get(run.id).code == "generator_ended"


def test_how_often_is_bounded(load: LoadTests) -> None:
    for every_s in (0.0, 59.0, 31 * 86400.0):
        with pytest.raises(FieldInvalid):
            load.add_schedule("odd", TARGET, every_s, ADMIN)


def test_a_generator_that_cannot_be_started_leaves_no_run_behind(
    load: LoadTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    from project.rpc import process

    monkeypatch.setattr(process.sys, "executable", "/nowhere/python")
    with pytest.raises(Exception, match="could not be started"):
        load.start(TARGET, "u")
    assert load.running() is None
    assert load.list()[0].state == "failed"
