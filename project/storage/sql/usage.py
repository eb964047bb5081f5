"""What people use, counted for a batch of submissions."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from project.core.quotas import WINDOW_S, Usage
from project.storage.port import Submit
from project.storage.sql import rows, schema

_T, _F, _U = schema.requests, schema.files, schema.users


def usage_of(connection: sa.Connection, commands: Sequence[Submit]) -> dict[str, Usage]:
    """By user id, for those whose quota bounds anything.

    Where several nodes share the store, a person's submissions to different spaces wait for each other here.
    """
    bounded = [command for command in commands if command.quota.bounds]
    people = sorted({command.user_id for command in bounded})
    if not people:
        return {}
    if connection.dialect.name != "sqlite":
        connection.execute(sa.select(_U.c.id).where(_U.c.id.in_(people)).order_by(_U.c.id).with_for_update())
    since = min(command.now for command in bounded) - WINDOW_S
    mine = _T.c.user_id.in_(people)
    recent = {
        user_id: (count, at)
        for user_id, count, at in connection.execute(
            sa.select(_T.c.user_id, sa.func.count(), sa.func.min(_T.c.created_at))
            .where(mine, _T.c.created_at > since)
            .group_by(_T.c.user_id)
        )
    }
    waiting = sa.select(_T.c.user_id, sa.func.count()).where(mine, rows.IS_OPEN).group_by(_T.c.user_id)
    kept = (
        sa.select(_T.c.user_id, sa.func.sum(_F.c.size_bytes))
        .join(_F, _F.c.request_id == _T.c.id)
        .where(mine)
        .group_by(_T.c.user_id)
    )
    opened: dict[str, int] = dict(connection.execute(waiting).all())
    weighs = any(command.quota.kept_bytes for command in bounded)
    sizes: dict[str, int] = dict(connection.execute(kept).all()) if weighs else {}
    return {
        person: Usage(*recent.get(person, (0, 0.0)), open=opened.get(person, 0), kept_bytes=int(sizes.get(person, 0)))
        for person in people
    }
