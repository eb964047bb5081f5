"""A read-only look at the database from any process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from project.config import Settings
from project.errors import StorageUnavailable
from project.storage.sql.engine import make_engine


@contextmanager
def snapshot(settings: Settings) -> Iterator[sa.Connection]:
    """A connection that sees one consistent state. Raises StorageUnavailable if there is nothing to see."""
    url = sa.make_url(settings.store_url)
    if url.get_backend_name() == "sqlite" and not settings.database_url:
        path = settings.data_dir / "spaces.db"
        if not path.exists():
            raise StorageUnavailable(f"there is no database at {path} yet: start the site, or set SPACES_DATA_DIR")
    engine = make_engine(settings.store_url, writes=False)
    try:
        with engine.connect() as connection:
            if connection.dialect.name != "sqlite":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection
    finally:
        engine.dispose()
