"""Idempotency keys in SQL: a person's own name for a submission, good for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from project.core.states import Status
from project.errors import KeyReused
from project.storage.port import Kept, Submit, Submitted
from project.storage.sql import rows, schema

_K = schema.submission_keys
_STILL_THERE = sa.exists().where(schema.requests.c.id == _K.c.request_id)


def known(connection: sa.Connection, commands: Sequence[Submit]) -> dict[tuple[str, str], Kept]:
    """The keys of these submissions that are in use, by user and key; those past their time are forgotten."""
    if not commands:
        return {}
    found = {}
    for command in commands:
        mine = (_K.c.user_id == command.user_id) & (_K.c.key == command.key)
        over = (_K.c.created_at <= command.now - command.key_age_s) | ~_STILL_THERE
        connection.execute(_K.delete().where(mine, over))
        row = connection.execute(sa.select(_K.c.fingerprint, _K.c.request_id).where(mine)).one_or_none()
        if row is not None:
            found[command.user_id, command.key] = Kept(*row)
    return found


def judge(kept: Kept, command: Submit) -> Kept | KeyReused:
    """Whether a submission is the one that its key stands for."""
    return kept if kept.fingerprint == command.fingerprint else KeyReused(field="Idempotency-Key")


def add(connection: sa.Connection, commands: Sequence[Submit]) -> None:
    """Keep the keys of new submissions. Raises KeyReused if another node was quicker, for another space."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(_K).on_conflict_do_nothing()
    for command in commands:
        row = {
            "user_id": command.user_id,
            "key": command.key,
            "fingerprint": command.fingerprint,
            "request_id": command.id,
            "created_at": command.now,
        }
        # Submissions to one space wait for each other, so whoever came between submitted to another one.
        if not connection.execute(insert, row).rowcount:
            raise KeyReused(field="Idempotency-Key")


def resolved(connection: sa.Connection, outcomes: Sequence[Any]) -> list[Any]:
    """The outcomes with the request itself for each key that stood for one."""
    ids = [outcome.request_id for outcome in outcomes if isinstance(outcome, Kept)]
    if not ids:
        return list(outcomes)
    requests = rows.load(connection, ids, files=True)
    waiting = [request.id for request in requests.values() if request.status is Status.QUEUED]
    places = rows.positions(connection, waiting)
    return [
        Submitted(requests[outcome.request_id], places.get(outcome.request_id), repeated=True)
        if isinstance(outcome, Kept)
        else outcome
        for outcome in outcomes
    ]


def find(connection: sa.Connection, user_id: str, key: str, since: float) -> Kept | None:
    """What a person's key stands for, if it was used after ``since``."""
    query = sa.select(_K.c.fingerprint, _K.c.request_id).where(
        _K.c.user_id == user_id, _K.c.key == key, _K.c.created_at > since, _STILL_THERE
    )
    row = connection.execute(query).one_or_none()
    return Kept(*row) if row is not None else None


def purge(connection: sa.Connection, before: float) -> int:
    """Forget the keys made before then; how many."""
    return connection.execute(_K.delete().where(_K.c.created_at <= before)).rowcount
