"""Taking submissions in SQL: a batch is judged in order, and what is accepted goes in by a handful of statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from project.core import limits, moves
from project.core.model import Request
from project.core.states import Status
from project.errors import SpaceNotFound
from project.storage.port import Submit, Submitted
from project.storage.sql import rows, schema

_T = schema.requests

# Statements of the hot path are built once: building one costs more than running it.
_COUNTS = (
    sa.select(_T.c.space_id, sa.func.count())
    .where(_T.c.status == Status.QUEUED.value, _T.c.space_id.in_(sa.bindparam("spaces", expanding=True)))
    .group_by(_T.c.space_id)
)
_KNOWN_SPACES = sa.select(schema.spaces.c.id).where(schema.spaces.c.id.in_(sa.bindparam("spaces", expanding=True)))
_INSERT = _T.insert().returning(_T.c.seq, sort_by_parameter_order=True)


def queued_counts(connection: sa.Connection, space_ids: Collection[str]) -> Counter[str]:
    """How many requests wait in each of these spaces."""
    return Counter(dict(connection.execute(_COUNTS, {"spaces": list(space_ids)}).all()))


def _last_submissions(connection: sa.Connection, commands: Sequence[Submit]) -> dict[tuple[str, str], float]:
    limited = [command for command in commands if command.rate_limit_s > 0]
    if not limited:
        return {}
    query = (
        sa.select(_T.c.user_id, _T.c.space_id, sa.func.max(_T.c.created_at))
        .where(_T.c.user_id.in_({c.user_id for c in limited}), _T.c.space_id.in_({c.space_id for c in limited}))
        .group_by(_T.c.user_id, _T.c.space_id)
    )
    return {(user_id, space_id): at for user_id, space_id, at in connection.execute(query)}


def submit(connection: sa.Connection, commands: Sequence[Submit]) -> list[Any]:
    """What becomes of each submission: Submitted, or why not."""
    wanted = {command.space_id for command in commands}
    known = set(connection.scalars(_KNOWN_SPACES, {"spaces": list(wanted)}))
    waiting = queued_counts(connection, wanted)
    last = _last_submissions(connection, commands)
    outcomes: list[Any] = []
    accepted: list[tuple[int, Request, int]] = []
    for command in commands:
        if command.space_id not in known:
            outcomes.append(SpaceNotFound())
            continue
        person = (command.user_id, command.space_id)
        refusal = limits.refuse_submission(command, queued=waiting[command.space_id], last_at=last.get(person))
        outcomes.append(refusal)
        if refusal is None:
            waiting[command.space_id] += 1
            last[person] = command.now
            accepted.append((len(outcomes) - 1, moves.submitted(command), waiting[command.space_id]))
    for (index, _, position), kept in zip(accepted, _insert(connection, [r for _, r, _ in accepted]), strict=True):
        outcomes[index] = Submitted(kept, position)
    return outcomes


def _insert(connection: sa.Connection, new: list[Request]) -> list[Request]:
    if not new:
        return []
    numbers = list(connection.execute(_INSERT, [rows.new_values(request) for request in new]).scalars())
    rows.add_history(connection, [moves.transition(None, request, at=request.created_at) for request in new])
    files = [rows.file_values(file) for request in new for file in request.files]
    if files:
        connection.execute(schema.files.insert(), files)
    return [moves.numbered(request, seq) for request, seq in zip(new, numbers, strict=True)]
