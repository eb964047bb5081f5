"""Forgetting requests that are over: with their history, their keys and the records of their files."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from project.core.states import TERMINAL
from project.storage.port import Purged
from project.storage.sql import schema

_T, _F = schema.requests, schema.files
_OVER = _T.c.status.in_([status.value for status in TERMINAL])


def forget(connection: sa.Connection, request_id: str) -> Purged:
    """Forget one request, if it is over."""
    query = sa.select(_T.c.id).where(_T.c.id == request_id, _OVER).with_for_update()
    return _forget(connection, list(connection.scalars(query)))


def purge(connection: sa.Connection, space_id: str | None, before: float, limit: int) -> Purged:
    """Forget the requests of a space (None: of those that are gone) that ended before ``before``, oldest first."""
    gone = _T.c.space_id.not_in(sa.select(schema.spaces.c.id))
    of_space = gone if space_id is None else _T.c.space_id == space_id
    query = sa.select(_T.c.id).where(_OVER, _T.c.finished_at < before, of_space).order_by(_T.c.finished_at).limit(limit)
    # What another node is forgetting just now is that node's to tell of.
    return _forget(connection, list(connection.scalars(query.with_for_update(skip_locked=True))))


def _forget(connection: sa.Connection, request_ids: Sequence[str]) -> Purged:
    if not request_ids:
        return Purged()
    file_ids = tuple(connection.scalars(sa.select(_F.c.id).where(_F.c.request_id.in_(request_ids))))
    for table in (_F, schema.history, schema.submission_keys):
        connection.execute(table.delete().where(table.c.request_id.in_(request_ids)))
    connection.execute(_T.delete().where(_T.c.id.in_(request_ids)))
    return Purged(tuple(request_ids), file_ids)
