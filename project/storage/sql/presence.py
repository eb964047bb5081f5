"""Which workers are connected where, in SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from project.core.model import Worker
from project.storage.sql import schema
from project.storage.sql.lane import Lane

_N = schema.nodes
_W = schema.workers
_A = schema.absences


def live_workers(space_id: str | None, *, now: float, stale_after_s: float) -> sa.Select[Any]:
    """The query for workers of nodes that beat within ``stale_after_s`` of ``now``, oldest connection first."""
    query = sa.select(_W).join(_N, _N.c.node_id == _W.c.node_id).where(_N.c.seen_at > now - stale_after_s)
    query = query if space_id is None else query.where(_W.c.space_id == space_id)
    return query.order_by(_W.c.connected_at, _W.c.connection_id)


def _live(since: float) -> sa.Select[Any]:
    """The query for nodes that beat since then."""
    return sa.select(_N.c.node_id).where(_N.c.seen_at > since)


def _note_absence(connection: sa.Connection, leaving: Any, since: float) -> None:
    """The spaces of the workers that ``leaving`` selects are without these since then."""
    for space_id in sorted(connection.scalars(sa.select(_W.c.space_id).where(leaving).distinct())):
        if not connection.execute(_A.update().where(_A.c.space_id == space_id).values(since=since)).rowcount:
            connection.execute(_A.insert(), {"space_id": space_id, "since": since})


class SqlPresence:
    """``PresenceStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def beat(self, node_id: str, *, now: float) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            if not connection.execute(_N.update().where(_N.c.node_id == node_id).values(seen_at=now)).rowcount:
                connection.execute(_N.insert(), {"node_id": node_id, "seen_at": now})

        self._writer.call(apply)

    def end_node(self, node_id: str, *, now: float) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            _note_absence(connection, _W.c.node_id == node_id, now)
            connection.execute(_W.delete().where(_W.c.node_id == node_id))
            connection.execute(_N.delete().where(_N.c.node_id == node_id))

        self._writer.call(apply)

    def nodes(self, *, now: float, stale_after_s: float = 15.0) -> frozenset[str]:
        """See the port."""
        return self._reader.call(lambda connection: frozenset(connection.scalars(_live(now - stale_after_s))))

    def join(self, worker: Worker, *, most: int | None = None) -> bool:
        """See the port."""
        itself = _W.c.connection_id == worker.connection_id
        if worker.worker_id:
            itself = itself | ((_W.c.space_id == worker.space_id) & (_W.c.worker_id == worker.worker_id))
        others = (
            sa.select(sa.func.count())
            .select_from(_W)
            .where(_W.c.space_id == worker.space_id, _W.c.draining.is_(False), sa.not_(itself))
        )
        # Workers of one space join one after another, whatever node they come to.
        turn = sa.select(schema.spaces.c.id).where(schema.spaces.c.id == worker.space_id).with_for_update()

        def apply(connection: sa.Connection) -> bool:
            connection.execute(turn)
            if most is not None and (connection.scalar(others) or 0) >= most:
                return False
            connection.execute(_W.delete().where(itself))
            connection.execute(_W.insert(), asdict(worker))
            return True

        return self._writer.call(apply)

    def of_node(self, node_id: str) -> frozenset[str]:
        """See the port."""
        query = sa.select(_W.c.connection_id).where(_W.c.node_id == node_id)
        return self._reader.call(lambda connection: frozenset(connection.scalars(query)))

    def leave(self, connection_id: str, *, now: float) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            _note_absence(connection, _W.c.connection_id == connection_id, now)
            connection.execute(_W.delete().where(_W.c.connection_id == connection_id))

        self._writer.call(apply)

    def away_since(self, space_id: str) -> float | None:
        """See the port."""
        query = sa.select(_A.c.since).where(_A.c.space_id == space_id)
        return self._reader.call(lambda connection: connection.scalar(query))

    def set_draining(self, connection_id: str) -> None:
        """See the port."""
        self._run(_W.update().where(_W.c.connection_id == connection_id).values(draining=True))

    def _run(self, statement: Any) -> None:
        self._writer.call(lambda connection: connection.execute(statement))

    def workers(self, space_id: str | None = None, *, now: float, stale_after_s: float = 15.0) -> tuple[Worker, ...]:
        """See the port."""
        query = live_workers(space_id, now=now, stale_after_s=stale_after_s)
        found = self._reader.call(lambda connection: connection.execute(query).all())
        return tuple(Worker(**row._mapping) for row in found)

    def stale(self, *, now: float, stale_after_s: float = 15.0) -> tuple[str, ...]:
        """See the port."""
        query = sa.select(_W.c.connection_id).where(_W.c.node_id.not_in(_live(now - stale_after_s)))
        return self._reader.call(lambda connection: tuple(connection.scalars(query)))

    def clear_stale(self, *, now: float, stale_after_s: float = 15.0) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            live = _live(now - stale_after_s)
            nodes = sa.select(_W.c.node_id).where(_W.c.node_id.not_in(live)).distinct()
            for node_id in connection.scalars(nodes).all():
                beat = connection.scalar(sa.select(_N.c.seen_at).where(_N.c.node_id == node_id))
                _note_absence(connection, _W.c.node_id == node_id, now if beat is None else beat)
            connection.execute(_W.delete().where(_W.c.node_id.not_in(live)))
            connection.execute(_N.delete().where(_N.c.seen_at <= now - stale_after_s))

        self._writer.call(apply)
