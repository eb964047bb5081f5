"""Records to rows and back, and writing a request's change with its history."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from project.core.model import Request, StoredFile, Transition
from project.core.states import OPEN, Status
from project.storage.sql import schema
from project.storage.sql.among import among
from project.storage.sql.prepared import Prepared

_REQUEST_FIELDS = tuple(entry.name for entry in fields(Request) if entry.name != "files")
NEW_FIELDS = tuple(name for name in _REQUEST_FIELDS if name != "seq")
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
        "test_id",
    }
)
_PREFIX = "new_"
_NEW = tuple(f"{_PREFIX}{name}" for name in _MUTABLE)
_mutable = attrgetter(*_MUTABLE)


def is_one_of(table: sa.FromClause, *statuses: Status) -> sa.ColumnElement[Any]:
    """Whether a request's status is one of these, in the words of the partial indexes."""
    return sa.literal_column(schema.one_of(f"{table.description}.status", statuses))


IS_OPEN = is_one_of(schema.requests, *OPEN)
# With the words of the index of open requests: it has them in the order of their turns.
IS_QUEUED = IS_OPEN & is_one_of(schema.requests, Status.QUEUED)
IS_WAITING = schema.requests.c.status == sa.literal_column(repr(str(Status.QUEUED)))
"""Like ``IS_QUEUED``, for those who go by people: with the words of the index that has them together."""
IS_PROCESSING = IS_OPEN & is_one_of(schema.requests, Status.PROCESSING)
REQUEST = sa.select(*(schema.requests.c[name] for name in _REQUEST_FIELDS))
# Statements of the hot path are built once: building one costs more than running it.
# All at once, for each statement is a way to the server and back; and in one order everywhere, so that two nodes do not
# wait for each other's rows.
_BY_IDS = REQUEST.where(among(schema.requests.c.id, "ids")).order_by(schema.requests.c.seq)
_MANY = Prepared(_BY_IDS)
_MANY_LOCKED = Prepared(_BY_IDS.with_for_update())
# A sum has no index: the few rows are found and put in order, where all rows would be read to have them in order.
_OLDEST_FIRST = schema.requests.c.seq + sa.literal_column("0")
_FILES = Prepared(
    sa.select(*(schema.files.c[name] for name in _FILE_FIELDS))
    .where(among(schema.files.c.request_id, "ids"))
    .order_by(schema.files.c.created_at, schema.files.c.id)
)
_AHEAD = schema.requests.alias("ahead")
_POSITIONS = sa.select(
    schema.requests.c.id,
    sa.select(sa.func.count())
    .where(
        is_one_of(_AHEAD, *OPEN),
        is_one_of(_AHEAD, Status.QUEUED),
        _AHEAD.c.space_id == schema.requests.c.space_id,
        sa.or_(
            _AHEAD.c.turn < schema.requests.c.turn,
            sa.and_(_AHEAD.c.turn == schema.requests.c.turn, _AHEAD.c.seq <= schema.requests.c.seq),
        ),
    )
    .scalar_subquery(),
).where(schema.requests.c.id.in_(sa.bindparam("ids", expanding=True)), schema.requests.c.status == Status.QUEUED.value)
_HISTORY_FIELDS = tuple(entry.name for entry in fields(Transition))
_HISTORY = Prepared(schema.history.insert(), _HISTORY_FIELDS)


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
    return {name: getattr(request, name) for name in NEW_FIELDS}


def load(
    connection: sa.Connection, ids: Iterable[str], *, files: bool = False, lock: bool = False
) -> dict[str, Request]:
    """Requests by id; those unknown are left out. With ``lock`` nobody else changes them until the commit."""
    wanted = list(dict.fromkeys(ids))
    rows = (_MANY_LOCKED if lock else _MANY).all(connection, {"ids": wanted}) if wanted else []
    attached = load_files(connection, wanted) if files and rows else {}
    return {row[0]: request_of(row, attached.get(row[0], ())) for row in rows}


def locked(connection: sa.Connection, *where: Any, limit: int | None = None, skip: bool = False) -> list[Request]:
    """Requests that are so, oldest first, to be changed by nobody else until the commit.

    With ``skip``, without those that another node is changing. (On SQLite a writer is alone, and nothing is locked.)
    """
    query = REQUEST.where(*where).order_by(_OLDEST_FIRST).limit(limit).with_for_update(skip_locked=skip)
    return [request_of(row) for row in connection.execute(query).all()]


def positions(connection: sa.Connection, ids: Collection[str]) -> dict[str, int]:
    """Places in the queue (1 is next) of those requests that wait."""
    if not ids:
        return {}
    return dict(connection.execute(_POSITIONS, {"ids": list(ids)}).all())


def load_files(connection: sa.Connection, request_ids: Sequence[str]) -> Mapping[str, tuple[StoredFile, ...]]:
    """Files of requests, oldest first, by request id."""
    found: dict[str, tuple[StoredFile, ...]] = {}
    for row in _FILES.all(connection, {"ids": request_ids}):
        file = file_of(row)
        found[file.request_id] = (*found.get(file.request_id, ()), file)
    return found


def save(
    connection: sa.Connection, changes: Iterable[tuple[Request, Request]], moves: Sequence[Transition] = ()
) -> None:
    """Write what is different in the requests after each change, and the history of their moves."""
    updates: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for before, after in changes:
        compared = zip(_NEW, _mutable(before), _mutable(after), strict=True)
        values = {name: new for name, old, new in compared if new is not old}
        if values:
            names = tuple(values)
            updates.setdefault(names, []).append({"which": after.seq, **values})
    for names, values_of_each in updates.items():
        _update(names).each(connection, values_of_each)
    add_history(connection, moves)


@functools.cache
def _update(names: tuple[str, ...]) -> Prepared:
    """The statement that gives columns these new values: there are as many as there are kinds of moves."""
    columns = {name: schema.requests.c[name.removeprefix(_PREFIX)] for name in names}
    values = {column.name: sa.bindparam(name, type_=column.type) for name, column in columns.items()}
    return Prepared(schema.requests.update().where(schema.requests.c.seq == sa.bindparam("which")).values(values))


def add_history(connection: sa.Connection, moves: Sequence[Transition]) -> None:
    """Write history rows."""
    if moves:
        _HISTORY.insert(connection, [{name: getattr(move, name) for name in _HISTORY_FIELDS} for move in moves])


def add_file(connection: sa.Connection, file: StoredFile) -> None:
    """Write the record of a file, unless its id is there already."""
    if connection.scalar(sa.select(schema.files.c.id).where(schema.files.c.id == file.id)) is None:
        connection.execute(schema.files.insert(), file_values(file))


def forget_returned(connection: sa.Connection, request_ids: Sequence[str]) -> None:
    """Remove the records of files that workers returned for these requests."""
    if request_ids:
        of_them = schema.files.c.request_id.in_(request_ids)
        connection.execute(schema.files.delete().where(schema.files.c.field == "result", of_them))
