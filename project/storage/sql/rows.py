"""Records to rows and back, and writing a request's change with its history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from project.core.model import Request, StoredFile, Transition
from project.core.states import Status
from project.storage.sql import schema

_REQUEST_FIELDS = tuple(entry.name for entry in fields(Request) if entry.name != "files")
_FILE_FIELDS = tuple(entry.name for entry in fields(StoredFile))
# Everything but what a request keeps from its submission on.
_MUTABLE = tuple(
    name
    for name in _REQUEST_FIELDS
    if name
    not in {
        "id",
        "seq",
        "space_id",
        "user_id",
        "username",
        "payload",
        "created_at",
        "queue_timeout_s",
        "run_timeout_s",
        "max_attempts",
        "turn",
        "retry_of",
    }
)
REQUEST = sa.select(*(schema.requests.c[name] for name in _REQUEST_FIELDS))
# Statements of the hot path are built once: building one costs more than running it.
_BY_ID = REQUEST.where(schema.requests.c.id.in_(sa.bindparam("ids", expanding=True)))
_FILES = (
    sa.select(*(schema.files.c[name] for name in _FILE_FIELDS))
    .where(schema.files.c.request_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(schema.files.c.created_at, schema.files.c.id)
)
_AHEAD = schema.requests.alias("ahead")
_POSITIONS = sa.select(
    schema.requests.c.id,
    sa.select(sa.func.count())
    .where(
        _AHEAD.c.status == Status.QUEUED.value,
        _AHEAD.c.space_id == schema.requests.c.space_id,
        sa.or_(
            _AHEAD.c.turn < schema.requests.c.turn,
            sa.and_(_AHEAD.c.turn == schema.requests.c.turn, _AHEAD.c.seq <= schema.requests.c.seq),
        ),
    )
    .scalar_subquery(),
).where(schema.requests.c.id.in_(sa.bindparam("ids", expanding=True)), schema.requests.c.status == Status.QUEUED.value)
_UPDATE = (
    schema.requests.update()
    .where(schema.requests.c.seq == sa.bindparam("which"))
    .values({name: sa.bindparam(f"new_{name}") for name in _MUTABLE})
)


def request_of(row: Sequence[Any], files: tuple[StoredFile, ...] = ()) -> Request:
    """The record of a row selected by ``REQUEST``."""
    values = dict(zip(_REQUEST_FIELDS, row, strict=True))
    values["status"] = Status(values["status"])
    return Request(**values, files=files)


def file_of(row: Sequence[Any]) -> StoredFile:
    """The record of a row of ``files``."""
    return StoredFile(**dict(zip(_FILE_FIELDS, row, strict=True)))


def file_values(file: StoredFile) -> dict[str, Any]:
    """The row of a file's record."""
    return {name: getattr(file, name) for name in _FILE_FIELDS}


def new_values(request: Request) -> dict[str, Any]:
    """The row of a new request; its ``seq`` is the database's to give."""
    return {name: getattr(request, name) for name in _REQUEST_FIELDS if name != "seq"}


def load(connection: sa.Connection, ids: Iterable[str], *, files: bool = False) -> dict[str, Request]:
    """Requests by id; those unknown are left out."""
    wanted = list(dict.fromkeys(ids))
    rows = connection.execute(_BY_ID, {"ids": wanted}).all()
    attached = load_files(connection, wanted) if files else {}
    return {row[0]: request_of(row, attached.get(row[0], ())) for row in rows}


def positions(connection: sa.Connection, ids: Collection[str]) -> dict[str, int]:
    """Places in the queue (1 is next) of those requests that wait."""
    if not ids:
        return {}
    return dict(connection.execute(_POSITIONS, {"ids": list(ids)}).all())


def load_files(connection: sa.Connection, request_ids: Sequence[str]) -> Mapping[str, tuple[StoredFile, ...]]:
    """Files of requests, oldest first, by request id."""
    found: dict[str, tuple[StoredFile, ...]] = {}
    for row in connection.execute(_FILES, {"ids": request_ids}):
        file = file_of(row)
        found[file.request_id] = (*found.get(file.request_id, ()), file)
    return found


def save(connection: sa.Connection, changed: Iterable[Request], moves: Iterable[Transition]) -> None:
    """Write changed requests and the history of their moves."""
    updates = [
        {"which": request.seq, **{f"new_{name}": getattr(request, name) for name in _MUTABLE}} for request in changed
    ]
    if updates:
        connection.execute(_UPDATE, updates)
    add_history(connection, moves)


def add_history(connection: sa.Connection, moves: Iterable[Transition]) -> None:
    """Write history rows."""
    rows = [
        {
            "request_id": move.request_id,
            "at": move.at,
            "before": move.before,
            "after": move.after,
            "attempt": move.attempt,
            "reason": move.reason,
        }
        for move in moves
    ]
    if rows:
        connection.execute(schema.history.insert(), rows)


def add_file(connection: sa.Connection, file: StoredFile) -> None:
    """Write the record of a file, unless its id is there already."""
    if connection.scalar(sa.select(schema.files.c.id).where(schema.files.c.id == file.id)) is None:
        connection.execute(schema.files.insert(), file_values(file))


def forget_returned(connection: sa.Connection, request_ids: Sequence[str]) -> None:
    """Remove the records of files that workers returned for these requests."""
    if request_ids:
        of_them = schema.files.c.request_id.in_(request_ids)
        connection.execute(schema.files.delete().where(schema.files.c.field == "result", of_them))
