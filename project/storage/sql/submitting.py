"""Taking submissions in SQL: a batch is judged in order, and what is accepted goes in by a handful of statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from project.core import limits, moves, quotas
from project.core.model import Request
from project.core.ordering import Line, turn_of
from project.core.quotas import Usage
from project.core.records import changed
from project.core.states import Status
from project.errors import AlreadyRetried, SpaceNotFound
from project.storage.port import Kept, Submit, Submitted
from project.storage.sql import keys, rows, schema
from project.storage.sql.among import among
from project.storage.sql.prepared import Prepared
from project.storage.sql.usage import usage_of

_T = schema.requests
_FRESH = sa.and_(_T.c.attempt == 0, _T.c.lease_id.is_(None))

# Statements of the hot path are built once: building one costs more than running it.
_LINE = Prepared(
    sa.select(_T.c.status, sa.func.count(), sa.func.max(_T.c.turn))
    .where(rows.IS_OPEN, _T.c.space_id == sa.bindparam("space"))
    .group_by(_T.c.status)
)
# Along the index of open requests, which is in the order of turns, to the first that was not begun.
_FIRST_TURN = Prepared(
    sa.select(_T.c.turn)
    .where(rows.IS_QUEUED, _T.c.space_id == sa.bindparam("space"), _FRESH)
    .order_by(_T.c.turn, _T.c.seq)
    .limit(1)
)
_OWN = Prepared(
    sa.select(_T.c.space_id, _T.c.user_id, sa.func.count(), sa.func.max(sa.case((_FRESH, _T.c.turn), else_=sa.null())))
    .where(rows.IS_WAITING, among(_T.c.space_id, "spaces"), among(_T.c.user_id, "users"))
    .group_by(_T.c.space_id, _T.c.user_id)
)
_LAST = Prepared(
    sa.select(_T.c.created_at)
    .where(_T.c.user_id == sa.bindparam("user"), _T.c.space_id == sa.bindparam("space"))
    .order_by(_T.c.seq.desc())
    .limit(1)
)
_SPACE = sa.select(schema.spaces.c.id).where(schema.spaces.c.id == sa.bindparam("space"))
_KNOWN = Prepared(_SPACE)
# Where several nodes share the store, two that count at once would both find the last place of a queue free: they
# take a space's submissions one after another.
_KNOWN_LOCKED = Prepared(_SPACE.with_for_update())
_INSERT = Prepared(_T.insert().returning(_T.c.id, _T.c.seq), rows.NEW_FIELDS)
Person = tuple[str, str]
"""A space and a user."""


@dataclass(slots=True)
class _Lines:
    """The lines of the spaces of a batch, and what the batch itself adds to them."""

    spaces: dict[str, Line]
    own: dict[Person, Line]

    def of(self, command: Submit) -> Line:
        own = self.own.get((command.space_id, command.user_id), Line())
        line = self.spaces.get(command.space_id, Line())
        return changed(line, own_waiting=own.own_waiting, own_last_turn=own.own_last_turn)

    def grow(self, command: Submit, turn: int) -> None:
        line = self.of(command)
        first = turn if line.first_turn is None else min(line.first_turn, turn)
        last = max(line.last_turn, turn)
        self.spaces[command.space_id] = Line(waiting=line.waiting + 1, last_turn=last, first_turn=first)
        own_last = turn if line.own_last_turn is None else max(line.own_last_turn, turn)
        self.own[command.space_id, command.user_id] = Line(own_waiting=line.own_waiting + 1, own_last_turn=own_last)


def submit(connection: sa.Connection, commands: Sequence[Submit]) -> list[Any]:
    """What becomes of each submission: Submitted, or why not."""
    known = _known_spaces(connection, commands)
    lines = _lines(connection, commands)
    last = _last_submissions(connection, commands)
    retried = _retried(connection, commands)
    usage = usage_of(connection, commands)
    kept = keys.known(connection, [command for command in commands if command.key])
    outcomes: list[Any] = []
    accepted: list[tuple[int, Request]] = []
    for command in commands:
        earlier = kept.get((command.user_id, command.key)) if command.key else None
        if earlier is not None:
            outcomes.append(keys.judge(earlier, command))
            continue
        refusal = _refusal(command, known, retried, lines, last, usage)
        outcomes.append(refusal)
        if refusal is None:
            line = lines.of(command)
            request = moves.submitted(command, turn_of(command.order, line))
            lines.grow(command, request.turn)
            last[command.space_id, command.user_id] = command.now
            if command.user_id in usage:
                used = usage[command.user_id]
                usage[command.user_id] = used.with_request(command.now, quotas.size_of(command.files))
            accepted.append((len(outcomes) - 1, request))
            if command.key:
                kept[command.user_id, command.key] = Kept(command.fingerprint, command.id)
            if command.retry_of:
                retried.add(command.retry_of)
    keys.add(connection, [commands[index] for index, _ in accepted if commands[index].key])
    _insert(connection, commands, outcomes, accepted, lines)
    return keys.resolved(connection, outcomes)


def _refusal(
    command: Submit,
    known: set[str],
    retried: set[str],
    lines: _Lines,
    last: Mapping[Person, float],
    usage: Mapping[str, Usage],
) -> Exception | None:
    if command.space_id not in known:
        return SpaceNotFound()
    if command.retry_of in retried:
        return AlreadyRetried()
    used = usage.get(command.user_id)
    if used is not None:
        refusal = quotas.refuse(command.quota, used, now=command.now, size_bytes=quotas.size_of(command.files))
        if refusal is not None:
            return refusal
    return limits.refuse_submission(command, lines.of(command), last_at=last.get((command.space_id, command.user_id)))


def _known_spaces(connection: sa.Connection, commands: Sequence[Submit]) -> set[str]:
    query = _KNOWN if connection.dialect.name == "sqlite" else _KNOWN_LOCKED
    wanted = sorted({command.space_id for command in commands})
    return {space_id for space_id in wanted if query.all(connection, {"space": space_id})}


def _lines(connection: sa.Connection, commands: Sequence[Submit]) -> _Lines:
    spaces: dict[str, Line] = {}
    wanted = {command.space_id for command in commands}
    for space_id in wanted:
        line = Line()
        for status, count, turn in _LINE.all(connection, {"space": space_id}):
            waiting = count if status == Status.QUEUED.value else line.waiting
            line = Line(waiting=waiting, last_turn=max(line.last_turn, turn))
        spaces[space_id] = line
    for space_id in {command.space_id for command in commands if command.order == "fair"}:
        for (turn,) in _FIRST_TURN.all(connection, {"space": space_id}):
            spaces[space_id] = changed(spaces[space_id], first_turn=turn)
    own: dict[Person, Line] = {}
    personal = [command for command in commands if command.order == "fair" or command.max_queue_per_user]
    if personal:
        people = {"spaces": {c.space_id for c in personal}, "users": {c.user_id for c in personal}}
        for space_id, user_id, count, turn in _OWN.all(connection, people):
            own[space_id, user_id] = Line(own_waiting=count, own_last_turn=turn)
    return _Lines(spaces, own)


def _last_submissions(connection: sa.Connection, commands: Sequence[Submit]) -> dict[Person, float]:
    limited = {(command.space_id, command.user_id) for command in commands if command.rate_limit_s > 0}
    return {
        (space_id, user_id): at
        for space_id, user_id in limited
        for (at,) in _LAST.all(connection, {"space": space_id, "user": user_id})
    }


def _retried(connection: sa.Connection, commands: Sequence[Submit]) -> set[str]:
    wanted = [command.retry_of for command in commands if command.retry_of]
    if not wanted:
        return set()
    return set(connection.scalars(sa.select(_T.c.retry_of).where(_T.c.retry_of.in_(wanted))))


def _insert(
    connection: sa.Connection,
    commands: Sequence[Submit],
    outcomes: list[Any],
    accepted: Sequence[tuple[int, Request]],
    lines: _Lines,
) -> None:
    """Write what was accepted, and put what became of it in its place among the outcomes."""
    if not accepted:
        return
    new = [request for _, request in accepted]
    # Rows are numbered in the order in which they are given, but told of in any.
    numbers = dict(map(tuple, _INSERT.insert(connection, [rows.new_values(request) for request in new])))
    rows.add_history(connection, [moves.transition(None, request, at=request.created_at) for request in new])
    files = [rows.file_values(file) for request in new for file in request.files]
    if files:
        connection.execute(schema.files.insert(), files)
    # In the order of arrival a new request is the last; the batch's own are counted back from the end.
    behind: dict[str, int] = {}
    fair = [request.id for index, request in accepted if commands[index].order == "fair"]
    places = rows.positions(connection, fair)
    for index, request in reversed(accepted):
        last = lines.spaces[request.space_id].waiting - behind.get(request.space_id, 0)
        behind[request.space_id] = behind.get(request.space_id, 0) + 1
        outcomes[index] = Submitted(moves.numbered(request, numbers[request.id]), places.get(request.id, last))
