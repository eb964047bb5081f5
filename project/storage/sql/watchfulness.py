"""Failures by bucket, and the audit log, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa

from project.core.people import AuditEntry, AuditFilter
from project.core.throttling import Bucket, Tally, counted, wait_s
from project.storage.sql import schema
from project.storage.sql.lane import Lane

_T = schema.throttles
_A = schema.audit
_ENTRY = tuple(_A.c[entry.name] for entry in fields(AuditEntry))


class SqlThrottles:
    """``ThrottleStore`` over a writer's lane."""

    def __init__(self, writer: Lane):
        self._writer = writer

    def attempt(self, buckets: Sequence[Bucket], *, now: float) -> float:
        """See the port."""
        keys = [bucket.key for bucket in buckets]

        def apply(connection: sa.Connection) -> float:
            for key in keys:
                _make_sure(connection, key)
            # In one order everywhere, so that two nodes do not wait for each other's rows.
            rows = connection.execute(sa.select(_T).where(_T.c.key.in_(keys)).order_by(_T.c.key).with_for_update())
            tallies = {row.key: Tally(row.failures, row.at) for row in rows}
            wait = wait_s(buckets, tallies, now)
            if not wait:
                for key in keys:
                    _write(connection, key, counted(tallies[key], now))
            return wait

        return float(self._writer.call(apply))

    def settle(self, *, clear: Collection[str] = (), give_back: Collection[str] = ()) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            if clear:
                connection.execute(_T.delete().where(_T.c.key.in_(sorted(clear))))
            if give_back:
                some = _T.c.key.in_(sorted(give_back)) & (_T.c.failures > 0)
                connection.execute(_T.update().where(some).values(failures=_T.c.failures - 1))

        self._writer.call(apply)

    def purge(self, before: float) -> int:
        """See the port."""
        statement = _T.delete().where(_T.c.at < before)
        return int(self._writer.call(lambda connection: connection.execute(statement).rowcount))


def _make_sure(connection: sa.Connection, key: str) -> None:
    """An empty bucket if there is none, also when another node makes it at this moment."""
    if connection.scalar(sa.select(sa.func.count()).where(_T.c.key == key)):
        return
    try:
        with connection.begin_nested():
            connection.execute(_T.insert(), {"key": key, "failures": 0, "at": 0.0})
    except sa.exc.IntegrityError:
        return


def _write(connection: sa.Connection, key: str, tally: Tally) -> None:
    connection.execute(_T.update().where(_T.c.key == key).values(failures=tally.failures, at=tally.at))


class SqlAudit:
    """``AuditStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def add(self, entry: AuditEntry) -> None:
        """See the port."""
        values = asdict(entry) | {"actor_key": entry.actor.casefold(), "subject_key": entry.subject.casefold()}
        del values["id"]
        self._writer.call(lambda connection: connection.execute(_A.insert(), values))

    def page(self, chosen: AuditFilter, *, limit: int, before_id: int | None = None) -> tuple[AuditEntry, ...]:
        """See the port."""
        query = sa.select(*_ENTRY).where(*_conditions(chosen)).order_by(_A.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(_A.c.id < before_id)
        rows = self._reader.call(lambda connection: connection.execute(query).all())
        return tuple(AuditEntry(**row._mapping) for row in rows)

    def purge(self, *, before: float, most: int) -> int:
        """See the port."""

        def apply(connection: sa.Connection) -> int:
            oldest_kept = connection.scalar(sa.select(_A.c.id).order_by(_A.c.id.desc()).offset(most - 1).limit(1))
            old: Any = _A.c.at < before
            if oldest_kept is not None:
                old = old | (_A.c.id < oldest_kept)
            return int(connection.execute(_A.delete().where(old)).rowcount)

        return int(self._writer.call(apply))


def _conditions(chosen: AuditFilter) -> list[Any]:
    found: list[Any] = []
    if chosen.kind:
        found.append(_A.c.kind == chosen.kind)
    if chosen.actor:
        found.append(_A.c.actor_key == chosen.actor.casefold())
    if chosen.subject:
        found.append(_A.c.subject_key == chosen.subject.casefold())
    if chosen.since is not None:
        found.append(_A.c.at >= chosen.since)
    if chosen.until is not None:
        found.append(_A.c.at < chosen.until)
    return found
