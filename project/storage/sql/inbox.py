"""Notices in SQL, who has read them, and the revisions of spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from project.core.notices import EVERYBODY, NOBODY, Notice, NoticeCount
from project.runtime import Completion
from project.storage.sql import console_schema
from project.storage.sql.lane import Lane, Work

_N = console_schema.notices
_READ = console_schema.notice_reads
_REV = console_schema.space_revisions
_INSERT = _N.insert().returning(_N.c.seq, sort_by_parameter_order=True)


def _add(connection: sa.Connection, notices: Sequence[Notice]) -> list[Notice]:
    known = _known(connection, {notice.id for notice in notices})
    fresh = {notice.id: notice for notice in notices if notice.id not in known}
    if fresh:
        rows = [
            {name: value for name, value in asdict(notice).items() if name not in ("seq", "read")}
            for notice in fresh.values()
        ]
        for notice, seq in zip(fresh.values(), connection.scalars(_INSERT, rows).all(), strict=True):
            known[notice.id] = replace(notice, seq=seq)
    return [known[notice.id] for notice in notices]


def _known(connection: sa.Connection, ids: set[str]) -> dict[str, Notice]:
    return {row.id: _notice(row) for row in connection.execute(sa.select(_N).where(_N.c.id.in_(ids)))}


# After what people wait for.
ADD = Work(_add, rank=80)


def _notice(row: Any) -> Notice:
    return Notice(**{**row._mapping, **({"read": bool(row.read)} if "read" in row._mapping else {})})


def _read_by(user_id: str) -> Any:
    return sa.exists().where(_READ.c.notice_id == _N.c.id, _READ.c.user_id == user_id)


def _for(user_id: str, joined_at: float) -> Any:
    return sa.or_(_N.c.user_id == user_id, sa.and_(_N.c.user_id == EVERYBODY, _N.c.created_at >= joined_at))


class SqlInbox:
    """``InboxStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def add(self, notice: Notice) -> Notice:
        """See the port."""
        kept: Notice = self._writer.run(ADD, notice)
        return kept

    def add_later(self, notice: Notice) -> Completion[Notice]:
        """See the port."""
        return self._writer.put(ADD, notice)

    def list(self, user_id: str, *, joined_at: float, limit: int, before: int | None = None) -> tuple[Notice, ...]:
        """See the port."""
        query = sa.select(_N, _read_by(user_id).label("read")).where(_for(user_id, joined_at))
        query = query if before is None else query.where(_N.c.seq < before)
        return self._notices(query.order_by(_N.c.seq.desc()).limit(limit))

    def newer(self, user_id: str, *, joined_at: float, after: int, limit: int) -> tuple[Notice, ...]:
        """See the port."""
        query = sa.select(_N, _read_by(user_id).label("read")).where(_for(user_id, joined_at), _N.c.seq > after)
        return self._notices(query.order_by(_N.c.seq).limit(limit))

    def unread(self, user_id: str, *, joined_at: float) -> tuple[int, int]:
        """See the port."""
        unread = sa.func.sum(sa.case((_read_by(user_id), 0), else_=1))
        query = sa.select(sa.func.coalesce(unread, 0), sa.func.coalesce(sa.func.max(_N.c.seq), 0))
        row = self._reader.call(lambda connection: connection.execute(query.where(_for(user_id, joined_at))).one())
        return int(row[0]), int(row[1])

    def mark_read(self, user_id: str, *, joined_at: float, now: float, notice_id: str | None = None) -> None:
        """See the port."""
        chosen = [] if notice_id is None else [_N.c.id == notice_id]
        unread = sa.select(_N.c.id, sa.literal(user_id), sa.literal(now)).where(
            _for(user_id, joined_at), ~_read_by(user_id), *chosen
        )
        statement = _READ.insert().from_select(["notice_id", "user_id", "at"], unread)
        self._writer.call(lambda connection: connection.execute(statement) and None)

    def latest(self, *, limit: int) -> tuple[Notice, ...]:
        """See the port."""
        by_anybody = sa.exists().where(_READ.c.notice_id == _N.c.id)
        return self._notices(sa.select(_N, by_anybody.label("read")).order_by(_N.c.seq.desc()).limit(limit))

    def _notices(self, query: Any) -> tuple[Notice, ...]:
        rows = self._reader.call(lambda connection: connection.execute(query).all())
        return tuple(_notice(row) for row in rows)

    def counts(self, *, since: float) -> tuple[NoticeCount, ...]:
        """See the port."""
        reads = sa.select(sa.func.count()).where(_READ.c.notice_id == _N.c.id).correlate(_N).scalar_subquery()
        query = (
            sa.select(
                _N.c.kind,
                _N.c.type,
                sa.func.count().label("sent"),
                sa.func.sum(sa.case((_N.c.user_id == EVERYBODY, 1), else_=0)).label("to_everybody"),
                sa.func.sum(sa.case((_N.c.user_id.startswith(NOBODY, autoescape=True), 1), else_=0)).label("to_nobody"),
                sa.func.sum(reads).label("read"),
                sa.func.max(_N.c.created_at).label("last_at"),
            )
            .where(_N.c.created_at >= since)
            .group_by(_N.c.kind, _N.c.type)
            .order_by(sa.desc("sent"), _N.c.kind, _N.c.type)
        )
        rows = self._reader.call(lambda connection: connection.execute(query).all())
        return tuple(NoticeCount(**row._mapping) for row in rows)

    def prune(self, *, before: float, most_per_user: int) -> int:
        """See the port."""
        place = sa.func.row_number().over(partition_by=_N.c.user_id, order_by=_N.c.seq.desc()).label("place")
        placed = sa.select(_N.c.seq, place).subquery()
        beyond = sa.select(placed.c.seq).where(placed.c.place > most_per_user)
        old = _N.delete().where(sa.or_(_N.c.created_at < before, _N.c.seq.in_(beyond)))
        orphans = _READ.delete().where(_READ.c.notice_id.not_in(sa.select(_N.c.id)))

        def apply(connection: sa.Connection) -> int:
            gone = connection.execute(old).rowcount
            if gone:
                connection.execute(orphans)
            return gone

        return self._writer.call(apply)

    def touch_space(self, space_id: str, *, now: float) -> int:
        """See the port."""
        of_space = _REV.c.space_id == space_id

        def apply(connection: sa.Connection) -> int:
            changed = _REV.update().where(of_space).values(revision=_REV.c.revision + 1, at=now)
            if not connection.execute(changed).rowcount:
                connection.execute(_REV.insert(), {"space_id": space_id, "revision": 1, "at": now})
            return int(connection.scalar(sa.select(_REV.c.revision).where(of_space)) or 0)

        return self._writer.call(apply)

    def space_revision(self, space_id: str) -> int:
        """See the port."""
        query = sa.select(_REV.c.revision).where(_REV.c.space_id == space_id)
        return int(self._reader.call(lambda connection: connection.scalar(query)) or 0)
