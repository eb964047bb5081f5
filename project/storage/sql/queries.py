"""What is asked about requests off the hot path: listings, histories, how long runs took."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from project.core.model import Transition
from project.core.states import Status
from project.storage.sql import rows, schema

_T = schema.requests
_H = schema.history
MOST_LOOKED_AT = 5000
"""Runs are looked for among the newest requests of all spaces; a longer search is not worth an estimate."""


def newest_first(
    user_id: str | None, space_id: str | None, codes: Collection[str], *, limit: int, before_seq: int | None
) -> sa.Select[Any]:
    """Requests newest first; with ``codes``, only those that failed for one of these reasons."""
    query = rows.REQUEST.order_by(_T.c.seq.desc()).limit(limit)
    for column, value in ((_T.c.user_id, user_id), (_T.c.space_id, space_id)):
        query = query if value is None else query.where(column == value)
    if codes:
        query = query.where(_T.c.status == Status.FAILED.value, _T.c.code.in_(list(codes)))
    return query if before_seq is None else query.where(_T.c.seq < before_seq)


def retries(connection: sa.Connection, request_ids: Collection[str]) -> dict[str, str]:
    """The request by which each of these was tried again, where there is one."""
    query = sa.select(_T.c.retry_of, _T.c.id).where(_T.c.retry_of.in_(list(request_ids)))
    return {str(before): after for before, after in connection.execute(query)}


def recent_runs(connection: sa.Connection, space_id: str, limit: int) -> tuple[float, ...]:
    """How long the space's last completed runs took, newest first, in seconds."""
    newest = sa.select(sa.func.max(_T.c.seq)).scalar_subquery()
    query = (
        sa.select(_T.c.finished_at - _T.c.started_at)
        .where(_T.c.seq > newest - MOST_LOOKED_AT, _T.c.space_id == space_id)
        .where(_T.c.status == Status.COMPLETED.value, _T.c.started_at.is_not(None))
        .order_by(_T.c.seq.desc())
        .limit(limit)
    )
    return tuple(connection.scalars(query))


def held(connection: sa.Connection, connection_ids: Collection[str]) -> dict[str, frozenset[str]]:
    """The requests that each of these connections is working on."""
    query = sa.select(_T.c.connection_id, _T.c.id).where(rows.IS_PROCESSING)
    found: dict[str, frozenset[str]] = {}
    for held_by, request_id in connection.execute(query.where(_T.c.connection_id.in_(list(connection_ids)))):
        found[held_by] = found.get(held_by, frozenset()) | {request_id}
    return found


def history(connection: sa.Connection, request_id: str) -> tuple[Transition, ...]:
    """Every move of a request, oldest first."""
    columns = (_H.c.request_id, _H.c.at, _H.c.before, _H.c.after, _H.c.attempt, _H.c.reason)
    found = connection.execute(sa.select(*columns).where(_H.c.request_id == request_id).order_by(_H.c.id))
    return tuple(Transition(i, at, b and Status(b), Status(a), n, reason) for i, at, b, a, n, reason in found)
