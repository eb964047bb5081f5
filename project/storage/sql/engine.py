"""Engines: how a connection is opened, and what is demanded of it."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

BUSY_TIMEOUT_MS = 5000


def make_engine(url: str, *, writes: bool) -> sa.Engine:
    """An engine for one lane: no pool, since a lane keeps its one connection.

    On SQLite: WAL with synchronous=FULL, so that a commit is on disk when it returns; a writer takes the lock when
    its transaction begins, so that it never has to be upgraded.
    """
    engine = sa.create_engine(
        url,
        poolclass=sa.NullPool,
        json_serializer=_dump,
        json_deserializer=json.loads,
        # Errors are logged, and would carry the values along: prompts, hashes.
        hide_parameters=True,
    )
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own transactions begin too late (at the first write); ours begin where the code says so.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
