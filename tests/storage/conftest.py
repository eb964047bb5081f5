"""Both stores, under the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from project.core.model import Space, SpaceSettings
from project.runtime import make_runtime
from project.storage.memory import memory_store
from project.storage.port import Store
from project.storage.sql import open_store


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store with the space ``s``."""
    made = (
        memory_store()
        if request.param == "memory"
        else open_store(f"sqlite:///{tmp_path / 'store.db'}", make_runtime("threading"))
    )
    made.spaces.add(Space("s", SpaceSettings(name="Space"), created_at=1.0))
    yield made
    made.close()
