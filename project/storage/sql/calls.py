"""The log of calls in SQL, and the statistics of calls and of the relay's requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from project.core.calls import Call, Minute, Outcome, Reason, Relayed, Search, Statistics
from project.core.states import TERMINAL, Status
from project.storage.sql import console_schema, schema
from project.storage.sql.lane import Lane, Work
from project.storage.words import words_of

_C = console_schema.calls
_R = schema.requests
_FIELDS = tuple(column for column in _C.c if column.name != "words")
_ENDED = [status.value for status in TERMINAL]
_STARTED = sa.func.coalesce(_R.c.started_at, _R.c.dispatched_at)
_RUN_S = sa.func.coalesce(_R.c.run_s, _R.c.finished_at - _STARTED)


def _add(connection: sa.Connection, calls: Sequence[Call]) -> list[None]:
    rows = [{**asdict(call), "outcome": call.outcome.value, "words": words_of(call)} for call in calls]
    for row in rows:
        del row["seq"]
    connection.execute(_C.insert(), rows)
    return [None] * len(calls)


# After what people wait for.
ADD = Work(_add, rank=90)


class SqlCalls:
    """``CallStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def add(self, call: Call) -> None:
        """See the port."""
        self._writer.run(ADD, call)

    def get(self, call_id: str) -> Call | None:
        """See the port."""
        found = self._calls(sa.select(*_FIELDS).where(_C.c.id == call_id))
        return found[0] if found else None

    def find(self, search: Search) -> tuple[Call, ...]:
        """See the port."""
        query = sa.select(*_FIELDS).where(*_of_calls(search)).order_by(_C.c.seq.desc()).limit(search.limit)
        return self._calls(query)

    def _calls(self, query: Any) -> tuple[Call, ...]:
        rows = self._reader.call(lambda connection: connection.execute(query).all())
        return tuple(Call(**{**row._mapping, "outcome": Outcome(row.outcome)}) for row in rows)

    def statistics(self, *, since: float, until: float, tests: bool) -> tuple[Statistics, ...]:
        """See the port."""
        where = [_C.c.at >= since, _C.c.at < until, *([] if tests else [_C.c.test_id.is_(None)])]
        where.append(_C.c.outcome != Outcome.UNKNOWN_METHOD.value)
        failed = sa.case((_C.c.outcome != Outcome.SUCCESS.value, 1), else_=0)
        return self._grouped((_C.c.method,), _C.c.duration_ms, failed, _C.c.at, where)

    def minutes(self, *, since: float, until: float) -> Mapping[int, Minute]:
        """See the port."""
        failed = _C.c.outcome != Outcome.SUCCESS.value
        lost = _R.c.status == Status.FAILED.value

        def read(connection: sa.Connection) -> dict[int, Minute]:
            found: dict[int, Minute] = {}
            for table, at, wrong in ((_C, _C.c.at, failed), (_R, _R.c.finished_at, lost)):
                minute, real = _minute(at, connection.dialect.name), table.c.test_id.is_(None)
                query = _by_minute(minute, at, real, wrong, since, until)
                for minute, count, failures, everything in connection.execute(query):
                    told = Minute(int(count), int(failures), int(everything) - int(count))
                    found[int(minute)] = found.get(int(minute), Minute()) + told
            return found

        return self._reader.call(read)

    def reasons(self, *, since: float, until: float) -> tuple[Reason, ...]:
        """See the port."""
        failed = [_C.c.at >= since, _C.c.at < until, _C.c.outcome != Outcome.SUCCESS.value, _C.c.test_id.is_(None)]
        lost = [_R.c.finished_at >= since, _R.c.finished_at < until, _R.c.status == Status.FAILED.value]
        lost.append(_R.c.test_id.is_(None))
        queries = {
            "rpc": _by_reason(_C.c.method, sa.func.coalesce(_C.c.code, _C.c.outcome), _C.c.at, failed),
            "relay": _by_reason(_R.c.space_id, sa.func.coalesce(_R.c.code, _R.c.status), _R.c.finished_at, lost),
        }

        def read(connection: sa.Connection) -> list[Reason]:
            return [Reason(source, *row) for source, query in queries.items() for row in connection.execute(query)]

        return tuple(sorted(self._reader.call(read), key=lambda one: (-one.count, one.name, one.code)))

    def prune(self, *, before: float, most: int, most_tests: int) -> int:
        """See the port."""

        def apply(connection: sa.Connection) -> int:
            gone = connection.execute(_C.delete().where(_C.c.at < before)).rowcount
            for kept, where in ((most_tests, [_C.c.test_id.is_not(None)]), (most, [])):
                oldest = sa.select(_C.c.seq).where(*where).order_by(_C.c.seq.desc()).offset(kept).limit(1)
                seq = connection.scalar(oldest)
                if seq is not None:
                    gone += connection.execute(_C.delete().where(_C.c.seq <= seq, *where)).rowcount
            return gone

        return self._writer.call(apply)

    def forget_tests(self, test_id: str = "") -> int:
        """See the port."""
        statement = _C.delete().where(_C.c.test_id == test_id if test_id else _C.c.test_id.is_not(None))
        return int(self._writer.call(lambda connection: connection.execute(statement).rowcount))

    def relayed(self, search: Search) -> tuple[Relayed, ...]:
        """See the port."""
        columns = (
            *(_R.c[name] for name in ("id", "seq", "space_id", "worker_id", "username", "status", "attempt")),
            *(_R.c.created_at.label("at"), _R.c.error, _R.c.code, _R.c.test_id),
            ((_R.c.dispatched_at - _R.c.created_at) * 1000).label("wait_ms"),
            (_RUN_S * 1000).label("run_ms"),
        )
        query = sa.select(*columns).where(*_of_requests(search)).order_by(_R.c.seq.desc()).limit(search.limit)
        rows = self._reader.call(lambda connection: connection.execute(query).all())
        return tuple(Relayed(**row._mapping) for row in rows)

    def worker_statistics(self, *, since: float, until: float) -> tuple[Statistics, ...]:
        """See the port."""
        ended = [_R.c.finished_at >= since, _R.c.finished_at < until, _R.c.status.in_(_ENDED)]
        failed = sa.case((_R.c.status == Status.FAILED.value, 1), else_=0)
        where = [*ended, _R.c.worker_id.is_not(None), _STARTED.is_not(None)]
        return self._grouped((_R.c.space_id, _R.c.worker_id), _RUN_S * 1000, failed, _R.c.finished_at, where)

    def space_statistics(self, *, since: float, until: float) -> tuple[Statistics, ...]:
        """See the port."""
        ended = [_R.c.finished_at >= since, _R.c.finished_at < until, _R.c.status.in_(_ENDED)]
        failed = sa.case((_R.c.status == Status.FAILED.value, 1), else_=0)
        whole = (_R.c.finished_at - _R.c.created_at) * 1000
        return self._grouped((_R.c.space_id,), whole, failed, _R.c.finished_at, ended)

    def _grouped(
        self, keys: tuple[Any, ...], ms: Any, failed: Any, at: Any, where: list[Any]
    ) -> tuple[Statistics, ...]:
        """Nearest-rank percentiles by window functions: the databases have no percentile in common."""
        names = [key.label(f"key{index}") for index, key in enumerate(keys)]
        ranked = (
            sa.select(
                *names,
                ms.label("ms"),
                failed.label("failed"),
                at.label("at"),
                sa.func.row_number().over(partition_by=keys, order_by=ms).label("place"),
                sa.func.count().over(partition_by=keys).label("size"),
            )
            .where(*where)
            .subquery()
        )
        groups = [ranked.c[name.name] for name in names]

        def percentile(percent: int) -> Any:
            # A whole number of hundredths: no division, so no rounding of any kind.
            covers = ranked.c.place * 100 >= ranked.c.size * percent
            return sa.func.min(sa.case((covers, ranked.c.ms)))

        query = sa.select(
            *groups,
            sa.func.count(),
            sa.func.sum(ranked.c.failed),
            percentile(50),
            percentile(95),
            sa.func.max(ranked.c.at),
        ).group_by(*groups)
        rows = self._reader.call(lambda connection: connection.execute(query.order_by(*groups)).all())
        width = len(keys)
        return tuple(_statistics(row[0], row[1] if width > 1 else "", *row[width:]) for row in rows)


def _statistics(
    name: str, part: str, count: int, failures: int, p50_ms: float, p95_ms: float, last_at: float
) -> Statistics:
    return Statistics(name, count, int(failures), float(p50_ms), float(p95_ms), last_at, part)


def _by_reason(name: Any, code: Any, at: Any, where: list[Any]) -> Any:
    return sa.select(name, code, sa.func.count(), sa.func.max(at)).where(*where).group_by(name, code)


def _minute(at: Any, dialect: str) -> Any:
    # Not every SQLite has floor(x); there, round(x - 0.5) is the same. Elsewhere halves go to the even side.
    return (sa.func.round(at / 60.0 - 0.5) if dialect == "sqlite" else sa.func.floor(at / 60.0)).label("minute")


def _by_minute(minute: Any, at: Any, real: Any, failed: Any, since: float, until: float) -> Any:
    sums = (sa.func.sum(sa.case((what, 1), else_=0)) for what in (real, sa.and_(real, failed)))
    counted = (*sums, sa.func.count())
    return sa.select(minute, *counted).where(at >= since, at < until).group_by("minute")


def _contains(column: Any, text: str) -> Any:
    return column.contains(text, autoescape=True)


def _of_calls(search: Search) -> list[Any]:
    where: list[Any] = []
    if search.method:
        where.append(_C.c.method == search.method)
    if search.outcome == "failure":
        where.append(_C.c.outcome != Outcome.SUCCESS.value)
    elif search.outcome:
        where.append(_C.c.outcome == search.outcome)
    if search.since is not None:
        where.append(_C.c.at >= search.since)
    if search.until is not None:
        where.append(_C.c.at < search.until)
    if search.text:
        where.append(sa.or_(_contains(_C.c.words, search.text.casefold()), _C.c.code == search.text))
    if search.test_id:
        where.append(_C.c.test_id == search.test_id)
    if not search.tests:
        where.append(_C.c.test_id.is_(None))
    if search.before is not None:
        where.append(_C.c.seq < search.before)
    return where


def _of_requests(search: Search) -> list[Any]:
    where: list[Any] = []
    if search.method:
        where.append(_R.c.space_id == search.method)
    if search.outcome:
        wanted = {"failure": Status.FAILED.value, "success": Status.COMPLETED.value}.get(search.outcome, search.outcome)
        where.append(_R.c.status == wanted)
    if search.since is not None:
        where.append(_R.c.created_at >= search.since)
    if search.until is not None:
        where.append(_R.c.created_at < search.until)
    if search.text:
        looked_in = (_R.c.id, _R.c.username, _R.c.worker_id, _R.c.error, _R.c.code)
        text = search.text.lower()
        where.append(sa.or_(*(_contains(sa.func.lower(column), text) for column in looked_in)))
    if search.test_id:
        where.append(_R.c.test_id == search.test_id)
    if not search.tests:
        where.append(_R.c.test_id.is_(None))
    if search.before is not None:
        where.append(_R.c.seq < search.before)
    return where
