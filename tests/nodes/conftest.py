"""Two sites on one PostgreSQL and one data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import LiveSite
from tests.services import Postgres

QUICK = {"SPACES_PING_INTERVAL_S": "1", "SPACES_PING_TIMEOUT_S": "2", "SPACES_LEASE_S": "6", "SPACES_HEARTBEAT_S": "1"}
"""The same rules, with less to wait for; a node is dead after a lease without a heartbeat."""


@pytest.fixture(scope="module")
def start_nodes(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., tuple[LiveSite, LiveSite]]]:
    """Start two nodes that share a new database and a folder: ``start_nodes(SPACES_X="...")``."""
    started: list[LiveSite] = []

    def start(**environment: str) -> tuple[LiveSite, LiveSite]:
        url, data = postgres.database(), tmp_path_factory.mktemp("nodes")
        first, second = (LiveSite(data, {**QUICK, "SPACES_DATABASE_URL": url, **environment}) for _ in range(2))
        started.extend((first, second))
        # Both at once, on an empty database: one makes the tables and the first accounts, the other finds them.
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(LiveSite.start, (first, second)))
        return first, second

    yield start
    for node in started:
        node.end()
