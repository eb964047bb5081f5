"""Bringing a database to the newest schema, by Alembic; either wholly or not at all."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from project.errors import StorageUnavailable
from project.storage.sql.engine import make_engine
from project.storage.sql.mishaps import translated

LOCK = 7_737_223
"""What PostgreSQL calls the right to migrate; any number that others are not likely to take."""


def migrate(url: str) -> None:
    """Run the migrations that the database at ``url`` lacks.

    Raises StorageUnavailable naming what is wrong, SettingInvalid if no database can have such an address.
    """
    engine = make_engine(url, writes=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    try:
        with engine.begin() as connection:
            if connection.dialect.name != "sqlite":
                # Nodes that start at once: one migrates, the others find it done. (On SQLite the transaction is alone.)
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            known = ScriptDirectory.from_config(config)
            current = MigrationContext.configure(connection).get_current_revision()
            if current == known.get_current_head():
                return
            if current is not None and current not in {script.revision for script in known.walk_revisions()}:
                raise StorageUnavailable(f"the database has schema {current}, which this version does not know")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sa.exc.DBAPIError as error:
        reason = translated(error)
        raise StorageUnavailable(f"cannot open the database: {error.orig or reason}") from error
    finally:
        engine.dispose()
