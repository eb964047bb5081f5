"""Two sites on one PostgreSQL and one data folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import LiveSite
from tests.services import Postgres

QUICK = {"SPACES_PING_INTERVAL_S": "1", "SPACES_PING_TIMEOUT_S": "2", "SPACES_LEASE_S": "6", "SPACES_HEARTBEAT_S": "1"}
"""The same rules, with less to wait for; a node is dead after a lease without a heartbeat."""


@pytest.fixture
def start_nodes(postgres: Postgres, tmp_path: Path) -> Iterator[Callable[..., list[LiveSite]]]:
    """Start nodes that share a new database and a folder: ``start_nodes(2, SPACES_X="...")``."""
    started: list[LiveSite] = []

    def start(count: int = 2, **environment: str) -> list[LiveSite]:
        url = postgres.database()
        for _ in range(count):
            started.append(LiveSite(tmp_path / "data", {**QUICK, "SPACES_DATABASE_URL": url, **environment}))
            started[-1].start()
        return started

    yield start
    for node in started:
        node.end()
