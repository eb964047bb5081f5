"""What may befall a transaction: errors in the site's words, whether to do it again, and whether it was committed."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from project.errors import DiskFull, StorageUnavailable
from project.storage.sql.schema import writers as _W

RESOLVED_S: Final = 10.0
"""So long a server may take to come back and say what became of a commit that it did not answer."""
ASK_S: Final = 0.2
FORGOTTEN_S: Final = 7 * 86400.0
"""A writer that has written nothing for so long is gone: a node's heartbeat alone is a write."""
_NUMBERED: Final = (
    _W.update()
    .where(_W.c.id == sa.bindparam("writer"), sa.text("pg_current_xact_id_if_assigned() IS NOT NULL"))
    .values(number=sa.bindparam("new_number"), at=sa.bindparam("new_at"))
)
_CAME_BETWEEN: Final = frozenset({"40001", "40P01", "23505"})
"""Another node was quicker: a conflict, a deadlock, or a row it made between our look and our write."""


def translated(error: Exception) -> Exception:
    """A database's own error in the site's words; anything else as it is."""
    text = str(error).lower()
    if isinstance(error, DBAPIError):
        if "disk is full" in text or "disk i/o error" in text or "no space left" in text:
            return DiskFull(retry_after_s=10.0)
        if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)) or error.connection_invalidated:
            return StorageUnavailable(retry_after_s=1.0)
    return error


def came_between(error: Exception) -> bool:
    """Whether the transaction failed only because another node came between: a second time it sees what that did."""
    return _state(error) in _CAME_BETWEEN


def is_lost(error: Exception) -> bool:
    """Whether the connection to the server is gone, or none could be had."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if not hasattr(_original(error), "sqlstate"):
        return False  # SQLite's: there is no server
    # Here, because nobody but PostgreSQL has such errors, and its driver is large.
    from project.storage.sql import postgres

    return postgres.is_lost(_original(error))


def _original(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _state(error: Exception) -> str | None:
    state: str | None = getattr(_original(error), "sqlstate", None)
    return state


class Receipts:
    """A writer's number in the database, one more with each of its transactions: whoever finds it there knows that the
    transaction was committed, also after a crash of the server (which may use a transaction's own id again).

    SQLite needs none: its commits do not get lost on the way.
    """

    def __init__(self) -> None:
        self._writer = secrets.token_hex(8)
        self._number = 0

    def begin(self, connection: sa.Connection) -> None:
        """On a new connection: make sure that the writer is known."""
        if connection.dialect.name != "sqlite":
            now = time.time()
            row = {"id": self._writer, "number": self._number, "at": now}
            with connection.begin():
                connection.execute(_W.delete().where(_W.c.at < now - FORGOTTEN_S))
                connection.execute(postgresql.insert(_W).on_conflict_do_nothing(), row)

    def write(self, connection: sa.Connection) -> int | None:
        """Number the transaction, at its end; None if it needs none, or has written nothing."""
        if connection.dialect.name == "sqlite":
            return None
        self._number += 1
        values = {"writer": self._writer, "new_number": self._number, "new_at": time.time()}
        return self._number if connection.execute(_NUMBERED, values).rowcount else None

    def has(self, engine: sa.Engine, number: int, pause: Callable[[float], None]) -> bool | None:
        """Whether the transaction of that number was committed; None if the server does not say in ``RESOLVED_S``.

        For a connection that broke while the answer to a commit was awaited. It waits, by ``pause``.
        """
        deadline = time.monotonic() + RESOLVED_S
        # Locked: if the transaction is still under way over there, its end is waited for.
        query = sa.select(_W.c.number).where(_W.c.id == self._writer).with_for_update()
        while time.monotonic() < deadline:
            try:
                with engine.connect() as connection:
                    return connection.scalar(query) == number
            except DBAPIError:
                pause(ASK_S)
        return None
