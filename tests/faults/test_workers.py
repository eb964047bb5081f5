"""Workers that die, freeze, fall silent or crash on a request; cables that are cut or half cut."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest
import requests

from tests.conftest import eventually
from tests.faults.proxy import proxy_to
from tests.faults.world import World

pytestmark = pytest.mark.slow
QUICK = {"SPACES_PING_INTERVAL_S": "1", "SPACES_PING_TIMEOUT_S": "1", "SPACES_LEASE_S": "3", "SPACES_HEARTBEAT_S": "1"}
"""The same rules, with less to wait for."""


@pytest.fixture
def user(world: World) -> requests.Session:
    world.site.environment.update(QUICK)
    world.begin()
    return world.site.login("testuser", "testpass123")


def begun(world: World) -> list[dict[str, Any]]:
    """What workers have begun so far."""
    lines = world.log.read_text().splitlines() if world.log.exists() else []
    return [json.loads(line) for line in lines]


def finish(world: World, user: requests.Session) -> None:
    world.drain(user)
    world.check()


def ended(world: World, user: requests.Session, number: int = 0) -> dict[str, Any]:
    return world.site.status(user, world.sent[number].request_id, wait=30)


def test_4_a_killed_worker_is_replaced(world: World, user: requests.Session) -> None:
    first = world.worker(name="first", seconds=60)
    world.connected()
    for _ in range(3):
        world.submit(user)
    eventually(lambda: begun(world))
    first.signal(signal.SIGKILL)
    world.worker(name="second")
    finished = [ended(world, user, number) for number in range(3)]
    assert [(each["status"], each["attempt"]) for each in finished] == [
        ("completed", 2),
        ("completed", 1),
        ("completed", 1),
    ], "only what it had begun has used up an attempt"
    assert finished[0]["retry_reason"]
    finish(world, user)


def test_5_a_frozen_worker_loses_its_lease_and_its_late_result_is_refused(world: World, user: requests.Session) -> None:
    frozen = world.worker(name="frozen", seconds=3)
    world.connected()
    world.submit(user)
    eventually(lambda: begun(world))
    frozen.signal(signal.SIGSTOP)
    eventually(lambda: not world.site.connected(world.space_id), what="the silence is noticed")
    world.worker(name="second")
    assert ended(world, user)["attempt"] == 2
    frozen.signal(signal.SIGCONT)
    # The space is taken meanwhile. When it is free, the one that was frozen hands its result in, which is too late.
    frozen.says("already has a connected worker")
    world.workers[1].signal(signal.SIGKILL)
    eventually(lambda: world.submit(user).outcome == "ok", what="the one that was frozen serves again")
    assert ended(world, user, -1)["status"] == "completed"
    finish(world, user)


def test_6_a_half_open_connection_is_noticed_by_its_silence(world: World, user: requests.Session) -> None:
    with proxy_to(world.site.port) as proxy:
        world.worker(host=proxy.host, name="behind", seconds=60)
        world.connected()
        world.submit(user)
        eventually(lambda: begun(world))
        proxy.hold("up", "down")
        eventually(lambda: not world.site.connected(world.space_id), what="the silence is noticed")
        world.worker(name="second")
        assert ended(world, user)["status"] == "completed"
        finish(world, user)


@pytest.mark.parametrize("deaf", ["up", "down"])
def test_7_a_line_that_is_deaf_one_way_doubles_nothing(world: World, user: requests.Session, deaf: str) -> None:
    with proxy_to(world.site.port) as proxy:
        world.worker(host=proxy.host, name="behind", seconds=0.5)
        world.connected()
        world.submit(user)
        eventually(lambda: begun(world))
        # ``up``: the result never arrives; ``down``: it does, and its acknowledgement is lost.
        proxy.hold(deaf)
        eventually(lambda: not world.site.connected(world.space_id), what="the silence is noticed")
        proxy.cut()
        proxy.let_go()
        world.connected()
        assert ended(world, user)["status"] == "completed"
        world.submit(user)
        finish(world, user)


def test_8_a_slow_worker_keeps_its_lease_by_heartbeats(world: World, user: requests.Session) -> None:
    lease_s = float(QUICK["SPACES_LEASE_S"])
    world.worker(name="slow", seconds=lease_s * 2)
    world.connected()
    world.submit(user)
    assert (ended(world, user)["status"], ended(world, user)["attempt"]) == ("completed", 1)
    assert len(begun(world)) == 1
    finish(world, user)


def test_8_but_not_beyond_its_deadline(world: World) -> None:
    world.site.environment.update(QUICK)
    world.begin(ws_run_timeout_seconds="1")
    user = world.site.login("testuser", "testpass123")
    world.worker(name="slow", seconds=60)
    world.connected()
    world.submit(user)
    end = ended(world, user)
    assert (end["status"], end["code"]) == ("failed", "run_timeout")
    finish(world, user)


def test_10_nothing_begins_after_a_cancel(world: World, user: requests.Session) -> None:
    world.worker(name="w")
    world.connected()
    ids = [world.submit(user, "held" if number == 0 else "").request_id for number in range(6)]
    eventually(lambda: begun(world))
    assert {world.cancel(user, request_id) for request_id in ids[4:]} == {"cancelled"}
    world.let_go()
    finish(world, user)
    assert {each["request_id"] for each in begun(world)} == set(ids[:4])


def test_26_a_request_that_kills_its_worker_ends_and_the_next_proceeds(world: World) -> None:
    world.site.environment.update(QUICK)
    world.begin(ws_queue_while_offline="on")
    user = world.site.login("testuser", "testpass123")
    # All in one window: what comes before it is done at once, what waits behind it never begins beside it.
    for prompt in ("before", "poison", "behind", "behind"):
        world.submit(user, prompt)
    world.worker(name="w0", crash_on="poison")
    for number in range(1, 4):
        eventually(lambda number=number: world.workers[number - 1].exit_code is not None)  # type: ignore[misc]
        world.worker(name=f"w{number}", crash_on="poison")
    end = ended(world, user, 1)
    assert (end["status"], end["code"], end["attempt"]) == ("failed", "worker_lost", 3)
    assert [each["attempt"] for each in begun(world) if each["request_id"] == end["request_id"]] == [1, 2, 3]
    others = [ended(world, user, number) for number in (0, 2, 3)]
    assert [(each["status"], each["attempt"]) for each in others] == [("completed", 1)] * 3
    finish(world, user)


def test_4_killed_again_and_again_a_worker_uses_up_no_attempt_of_what_waits(
    world: World, user: requests.Session
) -> None:
    world.worker(name="w0", seconds=60)
    world.connected()
    for _ in range(4):
        world.submit(user)
    for number in (1, 2):
        eventually(lambda number=number: len(begun(world)) == number, within_s=20)  # type: ignore[misc]
        world.workers[-1].signal(signal.SIGKILL)
        world.worker(name=f"w{number}", seconds=60 if number == 1 else 0.0)
    ends = [ended(world, user, number) for number in range(4)]
    assert [(each["status"], each["attempt"]) for each in ends] == [("completed", 3), *[("completed", 1)] * 3]
    finish(world, user)


def test_a_pulled_cable_is_mended(world: World, user: requests.Session) -> None:
    with proxy_to(world.site.port) as proxy:
        world.worker(host=proxy.host, name="behind", seconds=0.2)
        world.connected()
        for _ in range(4):
            world.submit(user)
        eventually(lambda: begun(world))
        proxy.cut()
        began = time.monotonic()
        world.drain(user)
        print(f"back and done after {time.monotonic() - began:.1f} s")
        world.check()
