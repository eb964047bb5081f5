"""Engines: how a connection is opened, and what is demanded of it."""

from __future__ import annotations

import json
from typing import Any, Final

import sqlalchemy as sa

from project.errors import SettingInvalid

BUSY_TIMEOUT_MS = 5000
_SQLITE: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "foreign_keys=ON",
    # What a statement could have to undo is kept beside it, not in a file that is made and removed each time.
    "temp_store=MEMORY",
    # Whatever is read again and again, in KB; and how many pages of 4 KB the log has before they are copied to their
    # place: the same few change with every commit, and are copied once.
    "cache_size=-16000",
    "wal_autocheckpoint=4000",
)
_POSTGRES: Final = {
    # A server that is gone without a word is noticed within seconds, not within the system's hours.
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# A node that freezes in the middle of a transaction must not hold its rows for longer than a lease.
_SESSION: Final = {"lock_timeout": f"{BUSY_TIMEOUT_MS}ms", "idle_in_transaction_session_timeout": "10s"}


def make_engine(url: str, *, writes: bool) -> sa.Engine:
    """An engine for one lane: no pool, since a lane keeps its one connection.

    On SQLite: WAL with synchronous=FULL, so that a commit is on disk when it returns; a writer takes the lock when
    its transaction begins, so that it never has to be upgraded. On PostgreSQL: read committed, so that a statement
    that has waited for a row sees what became of it; and synchronous_commit is never off.
    Raises SettingInvalid if no database can have such an address.
    """
    try:
        engine = _engine(url)
    except (sa.exc.ArgumentError, ModuleNotFoundError) as error:
        raise SettingInvalid(f"SPACES_DATABASE_URL cannot be used: {error}", field="database_url") from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    else:
        # Here, because the driver is large, and a site on SQLite need not wait for it.
        from project.storage.sql.postgres import prepare

        sa.event.listen(engine, "connect", lambda connection, _record: prepare(connection, _SESSION))
    return engine


def _engine(url: str) -> sa.Engine:
    postgres = not url.startswith("sqlite")
    more: dict[str, Any] = {"paramstyle": "format", "connect_args": _asked(url)} if postgres else {}
    return sa.create_engine(
        url,
        **more,
        poolclass=sa.NullPool,
        json_serializer=_dump,
        json_deserializer=json.loads,
        # Errors are logged, and would carry the values along: prompts, hashes.
        hide_parameters=True,
    )


def _asked(url: str) -> dict[str, Any]:
    """What the connection is asked for, unless the URL says otherwise."""
    return {name: value for name, value in _POSTGRES.items() if name not in sa.make_url(url).query}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions begin too late (at the first write); ours begin where the code says so.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _SQLITE:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
