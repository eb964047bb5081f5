"""Requests in SQL: rows are read, ``core.moves`` says what becomes of them, the change is written with its history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from project.core import leases, moves
from project.core.leases import Verdict
from project.core.model import Request, StoredFile, Transition
from project.core.states import Status
from project.runtime import Completion
from project.storage.port import (
    Claim,
    Finish,
    Finished,
    Kept,
    Page,
    Purged,
    Renew,
    Report,
    Resume,
    Resumed,
    Submit,
    Submitted,
)
from project.storage.sql import keys, queries, retention, rows, schema
from project.storage.sql.among import among
from project.storage.sql.lane import Lane, Work
from project.storage.sql.prepared import Prepared
from project.storage.sql.submitting import submit

T = TypeVar("T")
_T = schema.requests

# Statements of the hot path are built once: building one costs more than running it.
_SIZES = Prepared(
    sa.select(_T.c.space_id, sa.func.count())
    .where(rows.IS_OPEN, among(_T.c.space_id, "spaces"))
    .group_by(_T.c.space_id)
)
_NEXT_OPEN = (
    rows.REQUEST.where(rows.IS_QUEUED, _T.c.space_id == sa.bindparam("space"))
    .order_by(_T.c.turn, _T.c.seq)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_NEXT = Prepared(_NEXT_OPEN)
_NEXT_LOCKED = Prepared(_NEXT_OPEN.with_for_update(skip_locked=True))


def _claim(connection: sa.Connection, commands: Sequence[Claim]) -> list[tuple[Request, ...]]:
    return [_claim_one(connection, command) for command in commands]


def _claim_one(connection: sa.Connection, command: Claim) -> tuple[Request, ...]:
    query = _NEXT if connection.dialect.name == "sqlite" else _NEXT_LOCKED
    found = query.all(connection, {"space": command.space_id, "most": command.limit})
    waiting = [rows.request_of(row) for row in found]
    waiting = waiting[: leases.handed_together(waiting, alone=command.alone)]
    rows.forget_returned(connection, [request.id for request in waiting if not request.is_fresh])
    with_files = [request.id for request in waiting if request.payload.get("files")]
    files = rows.load_files(connection, with_files) if with_files else {}
    taken = [
        moves.claimed(
            moves.with_files(request, files[request.id]) if request.id in files else request,
            claim_id=command.claim_id,
            connection_id=command.connection_id,
            worker_id=command.worker_id,
            now=command.now,
            lease_s=command.lease_s,
            starts=command.starts,
        )
        for request in waiting
    ]
    _save(connection, zip(waiting, taken, strict=True), command.now)
    return tuple(taken)


def _save(
    connection: sa.Connection, changes: Iterable[tuple[Request, Request]], now: float, reason: str = ""
) -> tuple[Request, ...]:
    """Write what changed; a history row for each change of status. The requests as they are now."""
    pairs = list(changes)
    history = [
        moves.transition(before, after, at=now, reason=reason or moves.why(after))
        for before, after in pairs
        if before.status is not after.status
    ]
    rows.save(connection, pairs, history)
    return tuple(after for _, after in pairs)


def _finish(connection: sa.Connection, commands: Sequence[Finish]) -> list[Finished]:
    current = rows.load(connection, [command.request_id for command in commands], files=True, lock=True)
    before = dict(current)
    outcomes: list[Finished] = []
    history: list[Transition] = []
    for command in commands:
        request = current.get(command.request_id)
        verdict = leases.judge(
            request, space_id=command.space_id, connection_id=command.connection_id, lease_id=command.lease_id
        )
        if verdict is Verdict.RECORDED and request is not None:
            for after in moves.finishing(request, command):
                history.append(moves.transition(request, after, at=command.now, reason=moves.why(after)))
                request = after
            current[command.request_id] = request
        outcomes.append(Finished(verdict, None if verdict is Verdict.UNKNOWN else request))
    rows.save(connection, ((before[key], after) for key, after in current.items()), history)
    return outcomes


def _report(connection: sa.Connection, commands: Sequence[Report]) -> list[Request | None]:
    current = rows.load(connection, [command.request_id for command in commands], files=True, lock=True)
    before = dict(current)
    outcomes: list[Request | None] = []
    for command in commands:
        request = current.get(command.request_id)
        if (
            request is None
            or request.status is not Status.PROCESSING
            or not leases.holds(request, space_id=command.space_id, lease_id=command.lease_id)
        ):
            outcomes.append(None)
            continue
        current[command.request_id] = moves.reporting(request, command)
        outcomes.append(current[command.request_id])
    rows.save(connection, ((before[key], after) for key, after in current.items()))
    return outcomes


def _renew(connection: sa.Connection, commands: Sequence[Renew]) -> list[frozenset[str]]:
    current = rows.load(connection, [key for command in commands for key in command.leases], lock=True)
    before = dict(current)
    outcomes = []
    for command in commands:
        kept = set()
        for request_id, lease_id in command.leases.items():
            request = current.get(request_id)
            if (
                request is not None
                and request.status is Status.PROCESSING
                and leases.holds(request, space_id=command.space_id, lease_id=lease_id)
            ):
                started = request_id in command.started
                current[request_id] = moves.renewed(request, now=command.now, lease_s=command.lease_s, started=started)
                kept.add(request_id)
        outcomes.append(frozenset(kept))
    rows.save(connection, ((before[key], after) for key, after in current.items()))
    return outcomes


def _resume(connection: sa.Connection, command: Resume) -> Resumed:
    listed = rows.load(connection, command.leases, lock=True)
    keep = {
        key: moves.resumed(
            request,
            connection_id=command.connection_id,
            now=command.now,
            lease_s=command.lease_s,
            started=key in command.started,
        )
        for key, request in listed.items()
        if leases.holds(request, space_id=command.space_id, lease_id=command.leases[key])
    }
    _save(connection, ((listed[key], after) for key, after in keep.items()), command.now, "resumed")
    if not command.worker_id:
        return Resumed(tuple(keep))
    others = (rows.IS_PROCESSING, _T.c.space_id == command.space_id, _T.c.worker_id == command.worker_id)
    dropped = [request for request in rows.locked(connection, *others) if request.id not in keep]
    pairs = moves.lost_together(
        dropped, abreast=command.abreast, keep_lease=True, now=command.now, reason="worker_restarted"
    )
    changed = _save(connection, pairs, command.now)
    return Resumed(tuple(keep), changed)


def _release(connection: sa.Connection, connection_id: str, *, now: float, **how: Any) -> tuple[Request, ...]:
    held = rows.locked(connection, rows.IS_PROCESSING, _T.c.connection_id == connection_id)
    return _save(connection, moves.lost_together(held, now=now, reason="connection_lost", **how), now)


def _expire(connection: sa.Connection, now: float, limit: int) -> tuple[Request, ...]:
    run_over = (_T.c.started_at.is_not(None)) & (now >= _T.c.started_at + _T.c.run_timeout_s)
    queue_over = (_T.c.started_at.is_(None)) & (_T.c.queue_deadline <= now)
    due = (rows.IS_PROCESSING & (run_over | (_T.c.lease_until <= now))) | (rows.IS_OPEN & queue_over)
    # What another node is changing just now is not overdue, or is that node's to move.
    found = rows.locked(connection, rows.IS_OPEN, due, limit=limit, skip=True)
    pairs = [(request, moves.expired(request, now=now)) for request in found]
    return _save(connection, [(a, b) for a, b in pairs if a is not b], now)


def cancel_open(connection: sa.Connection, where: Any, *, now: float, code: str) -> tuple[Request, ...]:
    """End every open request that ``where`` selects; the requests as they were before."""
    before = rows.locked(connection, rows.IS_OPEN, where)
    _save(connection, [(r, moves.ended(r, status=Status.CANCELLED, code=code, now=now)) for r in before], now)
    return tuple(before)


def _get(connection: sa.Connection, ids: Sequence[str]) -> list[Request | None]:
    found = rows.load(connection, ids, files=True)
    return [found.get(key) for key in ids]


def _positions(connection: sa.Connection, groups: Sequence[Collection[str]]) -> list[dict[str, int]]:
    wanted = {key for group in groups for key in group}
    found = rows.positions(connection, wanted)
    return [{key: found[key] for key in group if key in found} for group in groups]


def _queue_sizes(connection: sa.Connection, space_ids: Sequence[str]) -> list[int]:
    found = dict(map(tuple, _SIZES.all(connection, {"spaces": set(space_ids)})))
    return [found.get(space_id, 0) for space_id in space_ids]


_SUBMIT = Work(submit, rank=0)
_REPORT = Work(_report, rank=10)
_RENEW = Work(_renew, rank=20)
_FINISH = Work(_finish, rank=30)
_CLAIM = Work(_claim, rank=40)
_GET = Work(_get)
_POSITION = Work(_positions)
_QUEUE_SIZE = Work(_queue_sizes)


class SqlRequests:
    """``RequestStore`` over a writer's and a reader's lane. See the port for what each method promises."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def submit(self, command: Submit) -> Submitted:
        """See the port."""
        kept: Submitted = self._writer.run(_SUBMIT, command)
        return kept

    def claim(self, command: Claim) -> tuple[Request, ...]:
        """See the port."""
        return tuple(self._writer.run(_CLAIM, command))

    def finish(self, command: Finish) -> Finished:
        """See the port."""
        return self.finish_later(command).wait()

    def finish_later(self, command: Finish) -> Completion[Finished]:
        """See the port."""
        return self._writer.put(_FINISH, command)

    def renew(self, command: Renew) -> frozenset[str]:
        """See the port."""
        return frozenset(self._writer.run(_RENEW, command))

    def report(self, command: Report) -> Request | None:
        """See the port."""
        return self.report_later(command).wait()

    def report_later(self, command: Report) -> Completion[Request | None]:
        """See the port."""
        return self._writer.put(_REPORT, command)

    def resume(self, command: Resume) -> Resumed:
        """See the port."""
        return self._write(lambda connection: _resume(connection, command))

    def release(self, connection_id: str, *, keep_lease: bool, now: float, abreast: int = 1) -> tuple[Request, ...]:
        """See the port."""
        return self._write(
            lambda connection: _release(connection, connection_id, keep_lease=keep_lease, now=now, abreast=abreast)
        )

    def expire(self, now: float, *, limit: int = 500) -> tuple[Request, ...]:
        """See the port."""
        return self._write(lambda connection: _expire(connection, now, limit))

    def extend_leases(self, until: float) -> int:
        """See the port."""
        statement = _T.update().where(rows.IS_PROCESSING, _T.c.lease_until != until).values(lease_until=until)
        return self._write(lambda connection: connection.execute(statement).rowcount)

    def cancel(self, request_id: str, *, now: float, code: str) -> Request | None:
        """See the port."""
        where = _T.c.id == request_id
        ended = self._write(lambda connection: cancel_open(connection, where, now=now, code=code))
        return ended[0] if ended else None

    def get(self, request_id: str) -> Request | None:
        """See the port."""
        found: Request | None = self._reader.run(_GET, request_id)
        return found

    def positions(self, request_ids: Collection[str]) -> Mapping[str, int]:
        """See the port."""
        found: Mapping[str, int] = self._reader.run(_POSITION, request_ids)
        return found

    def queue_size(self, space_id: str) -> int:
        """See the port."""
        return int(self._reader.run(_QUEUE_SIZE, space_id))

    def waiting_spaces(self) -> frozenset[str]:
        """See the port."""
        query = sa.select(_T.c.space_id).where(rows.IS_QUEUED).distinct()
        return self._read(lambda connection: frozenset(connection.scalars(query)))

    def held(self, connection_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """See the port."""
        return self._read(lambda connection: queries.held(connection, connection_ids))

    def list(
        self,
        *,
        user_id: str | None = None,
        space_id: str | None = None,
        codes: Collection[str] = (),
        limit: int = 50,
        before_seq: int | None = None,
    ) -> Page:
        """See the port."""
        query = queries.newest_first(user_id, space_id, codes, limit=limit + 1, before_seq=before_seq)
        found = self._read(lambda connection: [rows.request_of(row) for row in connection.execute(query)])
        return Page(tuple(found[:limit]), found[limit - 1].seq if len(found) > limit else None)

    def forget(self, request_id: str) -> Purged:
        """See the port."""
        return self._write(lambda connection: retention.forget(connection, request_id))

    def purge(self, space_id: str | None, *, before: float, limit: int) -> Purged:
        """See the port."""
        return self._write(lambda connection: retention.purge(connection, space_id, before, limit))

    def keyed(self, user_id: str, key: str, *, since: float) -> Kept | None:
        """See the port."""
        return self._read(lambda connection: keys.find(connection, user_id, key, since))

    def purge_keys(self, before: float) -> int:
        """See the port."""
        return self._write(lambda connection: keys.purge(connection, before))

    def retries(self, request_ids: Collection[str]) -> Mapping[str, str]:
        """See the port."""
        return self._read(lambda connection: queries.retries(connection, request_ids))

    def recent_runs(self, space_id: str, *, limit: int) -> tuple[float, ...]:
        """See the port."""
        return self._read(lambda connection: queries.recent_runs(connection, space_id, limit))

    def history(self, request_id: str) -> tuple[Transition, ...]:
        """See the port."""
        return self._read(lambda connection: queries.history(connection, request_id))

    def add_file(self, file: StoredFile) -> None:
        """See the port."""
        self._write(lambda connection: rows.add_file(connection, file))

    def get_file(self, file_id: str) -> StoredFile | None:
        """See the port."""
        query = sa.select(*schema.files.c).where(schema.files.c.id == file_id)
        row = self._read(lambda connection: connection.execute(query).one_or_none())
        return rows.file_of(row) if row is not None else None

    def file_ids(self) -> frozenset[str]:
        """See the port."""
        return self._read(lambda connection: frozenset(connection.scalars(sa.select(schema.files.c.id))))

    def _write(self, function: Callable[[sa.Connection], T]) -> T:
        return self._writer.call(function)

    def _read(self, function: Callable[[sa.Connection], T]) -> T:
        return self._reader.call(function)
