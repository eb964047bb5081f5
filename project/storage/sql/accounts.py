"""Users and sessions in SQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from project.core.model import Session, User
from project.errors import UsernameTaken
from project.storage.sql import schema
from project.storage.sql.lane import Lane

_U = schema.users
_S = schema.sessions
_USER = (_U.c.id, _U.c.username, _U.c.password_hash, _U.c.role, _U.c.created_at, _U.c.disabled)


def _user(row: Any) -> User:
    return User(**row._mapping)


class SqlAccounts:
    """``AccountStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def add_user(self, user: User) -> None:
        """See the port."""
        key = user.username.casefold()

        def apply(connection: sa.Connection) -> None:
            if connection.scalar(sa.select(sa.func.count()).where(_U.c.username_key == key)):
                raise UsernameTaken(field="username")
            connection.execute(_U.insert(), {**asdict(user), "username_key": key})

        self._writer.call(apply)

    def user(self, user_id: str) -> User | None:
        """See the port."""
        return self._one(_U.c.id == user_id)

    def user_named(self, username: str) -> User | None:
        """See the port."""
        return self._one(_U.c.username_key == username.casefold())

    def _one(self, where: Any) -> User | None:
        query = sa.select(*_USER).where(where)
        row = self._reader.call(lambda connection: connection.execute(query).one_or_none())
        return _user(row) if row is not None else None

    def users(self) -> tuple[User, ...]:
        """See the port."""
        query = sa.select(*_USER).order_by(_U.c.created_at, _U.c.id)
        return tuple(self._reader.call(lambda connection: [_user(row) for row in connection.execute(query)]))

    def set_password(self, user_id: str, password_hash: str) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            connection.execute(_U.update().where(_U.c.id == user_id).values(password_hash=password_hash))
            connection.execute(_S.delete().where(_S.c.user_id == user_id))

        self._writer.call(apply)

    def add_session(self, session: Session) -> None:
        """See the port."""
        self._writer.call(lambda connection: connection.execute(_S.insert(), asdict(session)))

    def session(self, token_hash: str, *, now: float) -> tuple[Session, User] | None:
        """See the port."""
        live = (_S.c.token_hash == token_hash) & (_S.c.expires_at > now) & _U.c.disabled.is_(False)
        sessions = sa.select(_S, *_USER[1:]).join(_U, _U.c.id == _S.c.user_id).where(live)
        query = sessions.with_only_columns(*_S.c, *(column.label(f"user_{column.name}") for column in _USER[1:]))
        row = self._reader.call(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        values = row._mapping
        session = Session(**{column.name: values[column.name] for column in _S.c})
        details = {column.name: values[f"user_{column.name}"] for column in _USER[1:] if column.name != "created_at"}
        return session, User(id=session.user_id, created_at=values["user_created_at"], **details)

    def end_session(self, token_hash: str) -> None:
        """See the port."""
        self._writer.call(
            lambda connection: connection.execute(_S.delete().where(_S.c.token_hash == token_hash)) and None
        )

    def purge_sessions(self, now: float) -> int:
        """See the port."""
        statement = _S.delete().where(_S.c.expires_at <= now)
        return int(self._writer.call(lambda connection: connection.execute(statement).rowcount))
