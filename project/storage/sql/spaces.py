"""Spaces and worker tokens in SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from project.core.model import Request, Space, SpaceSettings, WorkerToken
from project.storage.sql import schema
from project.storage.sql.lane import Lane
from project.storage.sql.requests import cancel_open

_S = schema.spaces
_K = schema.worker_tokens


def _space(row: sa.Row[Any]) -> Space:
    return Space(id=row.id, settings=SpaceSettings(**row.settings), created_at=row.created_at, owner_id=row.owner_id)


def _token(row: sa.Row[Any]) -> WorkerToken:
    return WorkerToken(**row._mapping)


class SqlSpaces:
    """``SpaceStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def add(self, space: Space) -> None:
        """See the port."""
        values = {
            "id": space.id,
            "name": space.name,
            "settings": asdict(space.settings),
            "owner_id": space.owner_id,
            "created_at": space.created_at,
        }
        self._writer.call(lambda connection: connection.execute(_S.insert(), values))

    def change(self, space_id: str, settings: SpaceSettings) -> Space | None:
        """See the port."""
        statement = _S.update().where(_S.c.id == space_id).values(name=settings.name, settings=asdict(settings))
        self._writer.call(lambda connection: connection.execute(statement))
        return self.get(space_id)

    def remove(self, space_id: str, *, now: float) -> tuple[Request, ...]:
        """See the port."""

        def apply(connection: sa.Connection) -> tuple[Request, ...]:
            connection.execute(_K.delete().where(_K.c.space_id == space_id))
            connection.execute(_S.delete().where(_S.c.id == space_id))
            connection.execute(schema.absences.delete().where(schema.absences.c.space_id == space_id))
            of_space = schema.requests.c.space_id == space_id
            return cancel_open(connection, of_space, now=now, code="space_deleted")

        return tuple(self._writer.call(apply))

    def get(self, space_id: str) -> Space | None:
        """See the port."""
        found = self._select(_S.c.id == space_id)
        return found[0] if found else None

    def named(self, name: str) -> tuple[Space, ...]:
        """See the port."""
        return self._select(_S.c.name == name)

    def all(self) -> tuple[Space, ...]:
        """See the port."""
        return self._select(sa.true())

    def _select(self, where: Any) -> tuple[Space, ...]:
        query = sa.select(_S).where(where).order_by(_S.c.created_at.desc(), _S.c.id)
        return tuple(self._reader.call(lambda connection: [_space(row) for row in connection.execute(query)]))

    def add_token(self, token: WorkerToken) -> None:
        """See the port."""
        self._writer.call(lambda connection: connection.execute(_K.insert(), asdict(token)))

    def tokens(self, space_id: str) -> tuple[WorkerToken, ...]:
        """See the port."""
        query = sa.select(_K).where(_K.c.space_id == space_id).order_by(_K.c.created_at.desc(), _K.c.id)
        return tuple(self._reader.call(lambda connection: [_token(row) for row in connection.execute(query)]))

    def use_token(self, token_hash: str, *, now: float) -> WorkerToken | None:
        """See the port."""
        live = (_K.c.token_hash == token_hash) & _K.c.revoked_at.is_(None)

        def apply(connection: sa.Connection) -> WorkerToken | None:
            connection.execute(_K.update().where(live).values(last_used_at=now))
            row = connection.execute(sa.select(_K).where(live)).one_or_none()
            return _token(row) if row is not None else None

        found: WorkerToken | None = self._writer.call(apply)
        return found

    def revoke_token(self, token_id: str, *, now: float) -> bool:
        """See the port."""
        statement = _K.update().where(_K.c.id == token_id, _K.c.revoked_at.is_(None)).values(revoked_at=now)
        return bool(self._writer.call(lambda connection: connection.execute(statement).rowcount))

    def live_tokens(self) -> frozenset[str]:
        """See the port."""
        query = sa.select(_K.c.id).where(_K.c.revoked_at.is_(None))
        return self._reader.call(lambda connection: frozenset(connection.scalars(query)))
