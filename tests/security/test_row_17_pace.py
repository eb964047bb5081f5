"""Row 17: one address does not keep the site busy alone."""

from __future__ import annotations

import pytest
import requests

from project.config import USUAL_CONNECTIONS, USUAL_PACE, Settings
from project.web.pace import BURST_S, MOST_KEPT, Pace
from tests.conftest import LiveSite, one_of_trials


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_a_pace() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    assert [pace.wait_s("192.0.2.1") for _ in range(int(10 * BURST_S))] == [0.0] * int(10 * BURST_S)
    assert pace.wait_s("192.0.2.1") == pytest.approx(0.1)
    assert pace.wait_s("192.0.2.2") == 0
    clock.now += 0.1
    assert pace.wait_s("192.0.2.1") == 0
    assert pace.wait_s("192.0.2.1") > 0
    clock.now += 1000
    assert [pace.wait_s("192.0.2.1") for _ in range(int(10 * BURST_S) + 1)][-1] > 0


def test_addresses_of_one_network_count_together() -> None:
    pace = Pace(1, Clock())
    waits = [pace.wait_s(f"2001:db8::{number:x}") for number in range(1, 20)]
    assert waits[-1] > 0


def test_memory_is_bounded() -> None:
    clock = Clock()
    pace = Pace(10, clock)
    for number in range(MOST_KEPT + 10):
        pace.wait_s(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    assert len(pace._left) <= MOST_KEPT


def test_usual_pace() -> None:
    assert Settings().pace == 0
    assert Settings(proxy_hops=1, admin_password="of our own").pace == USUAL_PACE
    assert Settings(address_requests_per_s=3).pace == 3


@pytest.mark.slow
@one_of_trials
def test_flood_is_refused_and_others_are_served(own_site: LiveSite) -> None:
    own_site.environment |= {
        "SPACES_PROXY_HOPS": "1",
        "SPACES_ADMIN_PASSWORD": "a password of our own",
        "SPACES_ADDRESS_REQUESTS_PER_S": "1",
    }
    own_site.start()
    with requests.Session() as session:
        flood = [session.get(f"{own_site.host}/", headers={"X-Forwarded-For": "192.0.2.1"}) for _ in range(35)]
        refused = [answer for answer in flood if answer.status_code == 429]
        assert len(refused) >= 10
        assert refused[0].json()["code"] == "too_fast"
        assert int(refused[0].headers["Retry-After"]) >= 1
        assert session.get(f"{own_site.host}/", headers={"X-Forwarded-For": "198.51.100.1"}).status_code == 200


def test_usual_number_of_connections() -> None:
    assert Settings().address_connections == 0
    assert Settings(proxy_hops=1, admin_password="of our own").address_connections == USUAL_CONNECTIONS
    assert Settings(max_connections_per_address=3).address_connections == 3
