"""Statements of the hot path, compiled once and run on the driver's own cursor.

SQLAlchemy's work for one execution costs several times what the database does for it. Here Core still writes the SQL
and converts the values, but only once: what is left for each execution is a list of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql.compiler import SQLCompiler

Convert = Callable[[Any], Any]
MOST_ROWS = 16
"""Rows of one INSERT statement; more are split, so that few different statements exist."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement for one dialect: its text, its parameters in order, and how values become the driver's and back."""

    text: str
    names: tuple[str, ...]
    converts: tuple[tuple[str, Convert], ...]
    fixed: Mapping[str, Any]
    positional: bool
    results: tuple[tuple[int, Convert], ...]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """What the driver is given for ``values`` by name."""
        given = {**self.fixed, **values}
        for name, convert in self.converts:
            given[name] = convert(given[name])
        return [given[name] for name in self.names] if self.positional else given


class Prepared:
    """A Core statement without lists of variable length; ``names`` are the columns an INSERT is given."""

    def __init__(self, statement: Any, names: Sequence[str] | None = None):
        self._statement = statement
        self._names = names
        self._compiled: WeakKeyDictionary[Any, _Compiled] = WeakKeyDictionary()

    def all(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[Sequence[Any]]:
        """Run it once; the rows it answers."""
        compiled = self._for(connection)
        cursor = _execute(connection, compiled.text, compiled.parameters(values))
        return _rows(cursor, compiled.results)

    def each(self, connection: sa.Connection, many: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each set of values."""
        compiled = self._for(connection)
        _execute(connection, compiled.text, [compiled.parameters(values) for values in many], many=True)

    def insert(self, connection: sa.Connection, many: Sequence[Mapping[str, Any]]) -> list[Sequence[Any]]:
        """Run an INSERT of one row for many rows in few statements; what it returns, in any order."""
        compiled = self._for(connection)
        answered: list[Sequence[Any]] = []
        head, row, tail = _split(compiled.text)
        for start in range(0, len(many), MOST_ROWS):
            part = many[start : start + MOST_ROWS]
            parameters = [value for values in part for value in compiled.parameters(values)]
            cursor = _execute(connection, f"{head}{', '.join([row] * len(part))}{tail}", parameters)
            answered += _rows(cursor, compiled.results) if tail else ()
        return answered

    def _for(self, connection: sa.Connection) -> _Compiled:
        dialect = connection.dialect
        compiled = self._compiled.get(dialect)
        if compiled is None:
            compiled = self._compiled[dialect] = _compile(self._statement, dialect, self._names)
        return compiled


def _compile(statement: Any, dialect: Any, names: Sequence[str] | None) -> _Compiled:
    made = statement.compile(dialect=dialect, column_keys=list(names) if names is not None else None)
    assert isinstance(made, SQLCompiler)
    assert isinstance(dialect, DefaultDialect)
    converts = [(name, _bind(bind.type, dialect)) for name, bind in made.binds.items()]
    columns = (
        list(statement.selected_columns) if isinstance(statement, sa.Select) else list(made.effective_returning or ())
    )
    results = [(index, _result(column.type, dialect)) for index, column in enumerate(columns)]
    return _Compiled(
        text=str(made),
        names=tuple(made.positiontup or ()),
        converts=tuple((name, convert) for name, convert in converts if convert is not None),
        fixed={name: value for name, value in made.params.items() if value is not None},
        positional=bool(dialect.positional),
        results=tuple((index, convert) for index, convert in results if convert is not None),
    )


def _bind(kind: sa.types.TypeEngine[Any], dialect: Any) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _result(kind: sa.types.TypeEngine[Any], dialect: Any) -> Convert | None:
    if isinstance(kind, sa.Float):
        return None  # every driver gives these as they are, and one of the dialects would ask for the column to say so
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _execute(connection: sa.Connection, text: str, parameters: Any, *, many: bool = False) -> Any:
    """The driver's cursor after the execution. Its errors come as SQLAlchemy's, like everybody's."""
    dialect = connection.dialect
    cursor = connection.connection.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(text, parameters)
    except dialect.loaded_dbapi.Error as error:
        raise sa.exc.DBAPIError.instance(
            text,
            None,
            error,
            dialect.loaded_dbapi.Error,
            connection_invalidated=dialect.is_disconnect(error, connection.connection.dbapi_connection, cursor),
            dialect=dialect,
        ) from error
    return cursor


def _rows(cursor: Any, results: Sequence[tuple[int, Convert]]) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = cursor.fetchall()
    if not results:
        return rows
    converted: list[Sequence[Any]] = []
    for row in rows:
        values = list(row)
        for index, convert in results:
            values[index] = convert(values[index])
        converted.append(values)
    return converted


def _split(text: str) -> tuple[str, str, str]:
    """An INSERT of one row as what precedes the row, the row, and what follows it."""
    head, values, rest = text.partition(" VALUES ")
    row, returning, tail = rest.partition(" RETURNING ")
    return head + values, row, returning + tail
