"""Site and worker are killed at random moments, again and again, and nothing is lost, doubled or made up."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.conftest import eventually
from tests.faults.world import Crowd, World

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("SPACES_FAULT_ROUNDS", "15"))
CLIENTS = 4
SECONDS_A_ROUND = 12
SEED = int(os.environ.get("SPACES_FAULT_SEED", "20"))


@pytest.mark.timeout(60 + ROUNDS * SECONDS_A_ROUND)
def test_killed_at_random(world: World) -> None:
    world.begin()
    rng = random.Random(SEED)
    print(f"seed {SEED}, {ROUNDS} rounds")
    sessions = [world.site.login("testuser", "testpass123") for _ in range(CLIENTS)]
    worker = world.worker(name="w0", seconds=0.002)
    for number in range(1, ROUNDS + 1):
        world.connected()
        before = len(world.sent)
        crowd = Crowd(world, sessions)
        eventually(lambda before=before: len(world.sent) > before + 5)
        time.sleep(rng.uniform(0.0, 0.3))  # the moment of the fault is what is varied here; nothing waits for it
        victim = rng.choice(("site", "site", "worker", "both"))
        if victim != "worker":
            world.site.kill()
        if victim != "site":
            worker.signal(signal.SIGKILL)
            worker.wait()
        crowd.stop()
        if victim != "worker":
            world.site.start()
        if victim != "site":
            worker = world.worker(name=f"w{number}", seconds=0.002)
    world.connected()
    accepted = [sent for sent in world.sent if sent.outcome == "ok"]
    assert len(accepted) > ROUNDS
    world.drain(world.site.login("testuser", "testpass123"), within_s=120)
    world.check()
