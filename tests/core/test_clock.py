"""The site's clock: what the system's time does while it runs is nothing to it."""

from __future__ import annotations

import time

import pytest

from project.clock import steady_clock


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_jump_of_the_systems_time_moves_no_deadline(monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    real, clock = time.time, steady_clock()
    before = clock()
    assert abs(before - real()) < 60
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    assert 0 <= clock() - before < 60
    assert abs(steady_clock()() - time.time()) < 60, "a site that starts goes by the system's time"
