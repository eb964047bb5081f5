"""Bare connections to the module's site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import LiveSite
from tests.relay.socket_client import Client, Connect


@pytest.fixture
def connect(site: LiveSite) -> Iterator[Connect]:
    made: list[Client] = []

    def new() -> Client:
        made.append(Client(site))
        return made[-1]

    yield new
    for client in made:
        client.close()
