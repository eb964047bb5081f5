"""The world of a test of faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LiveSite
from tests.faults.world import World


@pytest.fixture
def world(own_site: LiveSite, tmp_path: Path) -> Iterator[World]:
    """A site not started yet, and whatever joins it."""
    made = World(own_site, tmp_path)
    try:
        yield made
    finally:
        made.end()
