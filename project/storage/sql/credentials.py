"""API keys and second factors in SQL."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa

from project.core.model import User
from project.core.people import ApiKey, SecondFactor
from project.storage.sql import schema
from project.storage.sql.accounts import OWNER, user_columns, user_of
from project.storage.sql.lane import Lane

_K = schema.api_keys
_F = schema.second_factors
_U = schema.users
_KEY = tuple(_K.c[entry.name] for entry in fields(ApiKey))


def _key(row: sa.Row[Any]) -> ApiKey:
    values = {column.name: row._mapping[column.name] for column in _KEY}
    return ApiKey(**{**values, "scopes": tuple(values["scopes"])})


class SqlKeys:
    """``KeyStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def add(self, key: ApiKey) -> None:
        """See the port."""
        values = {**asdict(key), "scopes": list(key.scopes)}
        self._writer.call(lambda connection: connection.execute(_K.insert(), values))

    def of_user(self, user_id: str) -> tuple[ApiKey, ...]:
        """See the port."""
        query = sa.select(*_KEY).where(_K.c.user_id == user_id).order_by(_K.c.created_at.desc(), _K.c.id)
        return tuple(self._reader.call(lambda connection: [_key(row) for row in connection.execute(query)]))

    def find(self, key_hash: str, *, now: float) -> tuple[ApiKey, User] | None:
        """See the port."""
        query = (
            sa.select(*_KEY, *user_columns())
            .join(_U, _U.c.id == _K.c.user_id)
            .where(
                _K.c.key_hash == key_hash,
                _K.c.revoked_at.is_(None),
                _K.c.expires_at.is_(None) | (_K.c.expires_at > now),
                _U.c.disabled.is_(False),
            )
        )
        row = self._reader.call(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else (_key(row), user_of(row, OWNER))

    def touch(self, key_id: str, *, now: float) -> None:
        """See the port."""
        self._update(_K.c.id == key_id, last_used_at=now)

    def revoke(self, user_id: str, key_id: str, *, now: float) -> bool:
        """See the port."""
        live = (_K.c.user_id == user_id) & (_K.c.id == key_id) & _K.c.revoked_at.is_(None)
        return bool(self._update(live, revoked_at=now))

    def revoke_all(self, user_id: str, *, now: float) -> int:
        """See the port."""
        return self._update((_K.c.user_id == user_id) & _K.c.revoked_at.is_(None), revoked_at=now)

    def _update(self, where: Any, **values: float) -> int:
        statement = _K.update().where(where).values(values)
        return int(self._writer.call(lambda connection: connection.execute(statement).rowcount))


class SqlFactors:
    """``FactorStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def get(self, user_id: str) -> SecondFactor | None:
        """See the port."""
        query = sa.select(_F).where(_F.c.user_id == user_id)
        row = self._reader.call(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else SecondFactor(**{**row._mapping, "recovery": tuple(row.recovery)})

    def put(self, factor: SecondFactor) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            connection.execute(_F.delete().where(_F.c.user_id == factor.user_id))
            connection.execute(_F.insert(), {**asdict(factor), "recovery": list(factor.recovery)})

        self._writer.call(apply)

    def remove(self, user_id: str) -> bool:
        """See the port."""
        statement = _F.delete().where(_F.c.user_id == user_id)
        return bool(self._writer.call(lambda connection: connection.execute(statement).rowcount))

    def use_step(self, user_id: str, step: int) -> bool:
        """See the port."""
        statement = _F.update().where(_F.c.user_id == user_id, _F.c.last_step < step).values(last_step=step)
        return bool(self._writer.call(lambda connection: connection.execute(statement).rowcount))

    def use_recovery(self, user_id: str, code_hash: str) -> bool:
        """See the port."""

        def apply(connection: sa.Connection) -> bool:
            left = connection.scalar(sa.select(_F.c.recovery).where(_F.c.user_id == user_id).with_for_update())
            if left is None or code_hash not in left:
                return False
            rest = [code for code in left if code != code_hash]
            connection.execute(_F.update().where(_F.c.user_id == user_id).values(recovery=rest))
            return True

        return bool(self._writer.call(apply))
