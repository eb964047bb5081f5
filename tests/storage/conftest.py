"""All stores, under the same tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from project.core.model import Space, SpaceSettings
from project.runtime import make_runtime
from project.storage.memory import memory_store
from project.storage.port import Store
from project.storage.sql import console_schema, open_store
from project.storage.sql.engine import make_engine
from project.storage.sql.migrate import migrate
from tests.services import Postgres

metadata = console_schema.metadata


@pytest.fixture(scope="session")
def postgres_url(postgres: Postgres) -> str:
    """A database for all the tests of stores, one after another. See ``emptied``."""
    url = postgres.database().replace("postgresql:", "postgresql+psycopg:")
    migrate(url)
    return url


def emptied(url: str) -> str:
    """The database at ``url``, with nothing in it: much quicker than another database."""
    engine = make_engine(url, writes=True)
    tables = ", ".join(metadata.tables)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")
    engine.dispose()
    return url


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store with the space ``s``."""
    if request.param == "memory":
        made = memory_store()
    elif request.param == "sqlite":
        made = open_store(f"sqlite:///{tmp_path / 'store.db'}", make_runtime("threading"))
    else:
        made = open_store(emptied(request.getfixturevalue("postgres_url")), make_runtime("threading"))
    made.spaces.add(Space("s", SpaceSettings(name="Space"), created_at=1.0))
    yield made
    made.close()
