"""Nodes are killed or frozen, PostgreSQL breaks off or restarts: nothing is lost, doubled or made up."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.conftest import LiveSite, eventually
from tests.faults.proxy import proxy_to
from tests.faults.world import Crowd, World
from tests.nodes.conftest import QUICK
from tests.relay.socket_client import Client, v2
from tests.services import Postgres, running

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("SPACES_FAULT_ROUNDS", "3"))
SEED = int(os.environ.get("SPACES_FAULT_SEED", "20"))
SECONDS_A_ROUND = 30


class Nodes:
    """Two nodes on a database of their own, each with a world to submit to; what both know is checked together."""

    def __init__(self, server: Postgres, folder: Path):
        self.server = server
        self.url = server.database()
        environment = {**QUICK, "SPACES_DATABASE_URL": self.url}
        self.sites = [LiveSite(folder / "data", dict(environment)) for _ in range(2)]
        self.first = World(self.sites[0], folder)
        self.second = World(self.sites[1], folder)
        # No two prompts are alike, whatever node they are sent to.
        self.second._numbers = self.first._numbers

    def begin(self) -> None:
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(self.sites[1].start)
            self.first.begin(ws_queue_while_offline="on")
            other.result()
        self.second.space_id = self.first.space_id

    def check(self) -> None:
        """Drain, stop both, and compare. Raises AssertionError naming the broken promises."""
        self.second.sent += self.first.sent
        self.first.sent = []
        self.second.cancelled += self.first.cancelled
        self.second.drain(self.sites[1].login("testuser", "testpass123"), within_s=120)
        self.sites[0].end()
        self.second.check(self.url)

    def end(self) -> None:
        for world in (self.first, self.second):
            world.end()
        for site in self.sites:
            if site.process is not None and site.process.exit_code is None:
                site.process.signal(signal.SIGCONT)
            site.end()


@pytest.fixture
def nodes(postgres: Postgres, tmp_path: Path) -> Iterator[Nodes]:
    made = Nodes(postgres, tmp_path)
    try:
        made.begin()
        yield made
    finally:
        made.end()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server of the test's own, to be ended and started."""
    with running(Postgres()) as server:
        yield server


def test_17_a_killed_nodes_requests_are_served_by_the_other(nodes: Nodes) -> None:
    """The worker is on the first node, the request comes to the second, the first is killed."""
    lost = nodes.first.worker(name="lost", seconds=600)
    eventually(lambda: nodes.sites[1].connected(nodes.first.space_id), within_s=30)
    user = nodes.sites[1].login("testuser", "testpass123")
    nodes.second.submit(user)
    eventually(lambda: nodes.first.log.exists() and nodes.first.log.read_text(), within_s=30, what="it is begun")
    nodes.sites[0].kill()
    lost.signal(signal.SIGKILL)
    eventually(lambda: not nodes.sites[1].connected(nodes.first.space_id), within_s=30, what="its death is seen")
    nodes.second.worker(name="second")
    ended = nodes.sites[1].status(user, nodes.second.sent[0].request_id, wait=30)
    assert (ended["status"], ended["attempt"]) == ("completed", 2)
    nodes.check()


def test_17_a_worker_takes_its_attempts_along_to_the_other_node(nodes: Nodes) -> None:
    """The worker outlives its node, and comes to the other one by the door they share."""
    with proxy_to(nodes.sites[0].port) as door:
        nodes.second.worker(host=door.host, name="w", seconds=4)
        eventually(lambda: nodes.sites[1].connected(nodes.first.space_id), within_s=30)
        user = nodes.sites[1].login("testuser", "testpass123")
        nodes.second.submit(user)
        eventually(lambda: nodes.first.log.exists() and nodes.first.log.read_text(), within_s=30, what="it is begun")
        door.lead_to(nodes.sites[1].port)
        nodes.sites[0].kill()
        ended = nodes.sites[1].status(user, nodes.second.sent[0].request_id, wait=30)
        assert (ended["status"], ended["attempt"]) == ("completed", 1)
        nodes.check()


def test_17_who_takes_a_dead_nodes_place_finds_what_was_held_there_before_what_came_later(nodes: Nodes) -> None:
    """The place is free only when the dead worker's requests are back in theirs."""
    held = Client(nodes.sites[0])
    assert held.register("Faults", **v2("held"))["success"]
    eventually(lambda: nodes.sites[1].connected(nodes.first.space_id), within_s=30)
    user = nodes.sites[1].login("testuser", "testpass123")
    prompts = [nodes.second.submit(user).prompt]
    assert held.next()["payload"]["prompt"] == prompts[0]
    nodes.sites[0].kill()
    prompts += [nodes.second.submit(user).prompt for _ in range(3)]

    def next_worker() -> Client | None:
        client = Client(nodes.sites[1])
        if client.register("Faults", **v2("next"))["success"]:
            return client
        client.close()
        return None

    with closing(eventually(next_worker, within_s=40, what="the dead worker's place is free")) as client:
        assert [client.next()["payload"]["prompt"] for _ in prompts] == prompts


def test_17_a_frozen_node_wakes_up_and_harms_nothing(nodes: Nodes) -> None:
    """The node is continued after its worker's lease is another's: its worker's late result is refused."""
    late = nodes.first.worker(name="late", seconds=12)
    eventually(lambda: nodes.sites[1].connected(nodes.first.space_id), within_s=30)
    user = nodes.sites[1].login("testuser", "testpass123")
    nodes.second.submit(user)
    eventually(lambda: nodes.first.log.exists() and nodes.first.log.read_text(), within_s=30, what="it is begun")
    frozen = nodes.sites[0].process
    assert frozen is not None
    frozen.signal(signal.SIGSTOP)
    eventually(lambda: not nodes.sites[1].connected(nodes.first.space_id), within_s=40, what="its silence is noticed")
    late.signal(signal.SIGSTOP)
    nodes.second.worker(name="second")
    ended = nodes.sites[1].status(user, nodes.second.sent[0].request_id, wait=30)
    assert (ended["status"], ended["attempt"]) == ("completed", 2)
    frozen.signal(signal.SIGCONT)
    late.signal(signal.SIGCONT)
    # The node is whole again: what is asked of it, the other's worker does.
    own = nodes.sites[0].login("testuser", "testpass123")
    assert nodes.first.submit(own).outcome == "ok"
    assert nodes.sites[0].status(own, nodes.first.sent[0].request_id, wait=30)["status"] == "completed"
    nodes.check()


def test_16_killed_connections_cost_nobody_anything(nodes: Nodes) -> None:
    """Every backend is killed, again and again, under load."""
    nodes.first.worker(name="w", seconds=0.002)
    eventually(lambda: nodes.sites[1].connected(nodes.first.space_id), within_s=30)
    crowds = [Crowd(world, [world.site.login("testuser", "testpass123")]) for world in (nodes.first, nodes.second)]
    for _ in range(4):
        before = len(nodes.first.sent), len(nodes.second.sent)
        eventually(lambda before=before: len(nodes.first.sent) > before[0] + 2, within_s=30)  # type: ignore[misc]
        eventually(lambda before=before: len(nodes.second.sent) > before[1] + 2, within_s=30)  # type: ignore[misc]
        assert nodes.server.terminate(nodes.url)
    for crowd in crowds:
        crowd.stop()
    assert {sent.outcome for sent in nodes.first.sent + nodes.second.sent} == {"ok"}
    nodes.check()


def test_16_a_restarted_server_is_found_again(own_postgres: Postgres, tmp_path: Path) -> None:
    """PostgreSQL is stopped in the middle of everything and started again, under load."""
    nodes = Nodes(own_postgres, tmp_path)
    try:
        nodes.begin()
        nodes.first.worker(name="w", seconds=0.002)
        eventually(lambda: nodes.sites[1].connected(nodes.first.space_id), within_s=30)
        crowds = [Crowd(world, [world.site.login("testuser", "testpass123")]) for world in (nodes.first, nodes.second)]
        eventually(lambda: len(nodes.first.sent) > 3 and len(nodes.second.sent) > 3, within_s=30)
        own_postgres.end()
        own_postgres.start()
        before = len(nodes.first.sent), len(nodes.second.sent)
        eventually(
            lambda: len(nodes.first.sent) > before[0] + 3 and len(nodes.second.sent) > before[1] + 3, within_s=60
        )
        for crowd in crowds:
            crowd.stop()
        nodes.check()
    finally:
        nodes.end()


@pytest.mark.timeout(120 + ROUNDS * SECONDS_A_ROUND)
def test_nodes_and_workers_killed_at_random(nodes: Nodes) -> None:
    rng = random.Random(SEED)
    print(f"seed {SEED}, {ROUNDS} rounds")
    worlds = (nodes.first, nodes.second)
    sessions: list[requests.Session] = [world.site.login("testuser", "testpass123") for world in worlds]
    worker = nodes.first.worker(name="w0", seconds=0.002)
    for number in range(1, ROUNDS + 1):
        eventually(lambda: any(world.site.connected(world.space_id) for world in worlds), within_s=60)
        crowds = [Crowd(world, [session]) for world, session in zip(worlds, sessions, strict=True)]
        before = [len(world.sent) for world in worlds]
        eventually(
            lambda before=before: all(len(w.sent) > n + 2 for w, n in zip(worlds, before, strict=True)),  # type: ignore[misc]
            within_s=60,
        )
        time.sleep(rng.uniform(0.0, 0.3))  # the moment of the fault is what is varied here; nothing waits for it
        victim = rng.choice(worlds)
        victim.site.kill()
        with_worker = rng.random() < 0.5
        if with_worker:
            worker.signal(signal.SIGKILL)
            worker.wait()
        for crowd in crowds:
            crowd.stop()
        victim.site.start()
        if with_worker:
            worker = rng.choice(worlds).worker(name=f"w{number}", seconds=0.002)
    assert sum(sent.outcome == "ok" for world in worlds for sent in world.sent) > ROUNDS
    nodes.check()
