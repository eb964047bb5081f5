"""Users and sessions in SQL."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa

from project.core.model import Role, Session, User
from project.errors import LastAdmin, UsernameTaken
from project.storage.sql import schema
from project.storage.sql.lane import Lane

_U = schema.users
_S = schema.sessions
OWNER = "owner_"
_USER = tuple(_U.c[entry.name] for entry in fields(User))
_SESSION = tuple(_S.c[entry.name] for entry in fields(Session))


def user_of(row: sa.Row[Any], prefix: str = "") -> User:
    """The user in a row, whose columns may have a prefix."""
    return User(**{column.name: row._mapping[prefix + column.name] for column in _USER})


def user_columns() -> list[sa.Label[Any]]:
    """The columns of a user for a query that joins, named with ``OWNER`` in front."""
    return [column.label(OWNER + column.name) for column in _USER]


_WITH_USER = sa.select(*_SESSION, *user_columns()).join(_U, _U.c.id == _S.c.user_id)


def _session(row: sa.Row[Any]) -> Session:
    return Session(**{column.name: row._mapping[column.name] for column in _SESSION})


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
        return user_of(row) if row is not None else None

    def users(self, *, containing: str = "", limit: int | None = None, offset: int = 0) -> tuple[User, ...]:
        """See the port."""
        query = sa.select(*_USER).order_by(_U.c.created_at, _U.c.id).offset(offset).limit(limit)
        if containing:
            query = query.where(_U.c.username_key.contains(containing.casefold(), autoescape=True))
        return tuple(self._reader.call(lambda connection: [user_of(row) for row in connection.execute(query)]))

    def set_password(
        self, user_id: str, password_hash: str, *, must_change: bool = False, seeded_hash: str | None = None
    ) -> None:
        """See the port."""
        values: dict[str, Any] = {"password_hash": password_hash, "must_change": must_change}
        if seeded_hash is not None:
            values["seeded_hash"] = seeded_hash

        def apply(connection: sa.Connection) -> None:
            connection.execute(_U.update().where(_U.c.id == user_id).values(values))
            connection.execute(_S.delete().where(_S.c.user_id == user_id))

        self._writer.call(apply)

    def set_disabled(self, user_id: str, disabled: bool) -> bool:
        """See the port."""
        return self._change(user_id, {"disabled": disabled}, may_end_admin=disabled)

    def set_role(self, user_id: str, role: Role) -> bool:
        """See the port."""
        return self._change(user_id, {"role": role}, may_end_admin=role != "admin")

    def _change(self, user_id: str, values: dict[str, Any], *, may_end_admin: bool) -> bool:
        # All of them are locked, in one order: two nodes must not each count on the administrator the other removes.
        concerned = (_U.c.id == user_id) | ((_U.c.role == "admin") & _U.c.disabled.is_(False))
        query = sa.select(_U.c.id, _U.c.role).where(concerned).order_by(_U.c.id).with_for_update()

        def apply(connection: sa.Connection) -> bool:
            roles: dict[str, str] = dict(connection.execute(query).all())
            role = roles.pop(user_id, None)
            if role is None:
                return False
            if may_end_admin and role == "admin" and not roles:
                raise LastAdmin
            connection.execute(_U.update().where(_U.c.id == user_id).values(values))
            connection.execute(_S.delete().where(_S.c.user_id == user_id))
            return True

        return bool(self._writer.call(apply))

    def add_session(self, session: Session) -> None:
        """See the port."""
        self._writer.call(lambda connection: connection.execute(_S.insert(), asdict(session)))

    def session(self, token_hash: str, *, now: float, seen_after: float = 0.0) -> tuple[Session, User] | None:
        """See the port."""
        query = _WITH_USER.where(
            _S.c.token_hash == token_hash,
            _S.c.expires_at > now,
            _S.c.seen_at > seen_after,
            _U.c.disabled.is_(False),
        )
        row = self._reader.call(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else (_session(row), user_of(row, OWNER))

    def sessions(self, user_id: str, *, now: float, seen_after: float = 0.0) -> tuple[Session, ...]:
        """See the port."""
        query = (
            sa.select(*_SESSION)
            .where(_S.c.user_id == user_id, _S.c.expires_at > now, _S.c.seen_at > seen_after)
            .order_by(_S.c.seen_at.desc(), _S.c.id)
        )
        return tuple(self._reader.call(lambda connection: [_session(row) for row in connection.execute(query)]))

    def touch_session(self, token_hash: str, *, now: float, address: str) -> None:
        """See the port."""
        statement = _S.update().where(_S.c.token_hash == token_hash).values(seen_at=now, address=address)
        self._writer.call(lambda connection: connection.execute(statement))

    def end_session(self, token_hash: str) -> None:
        """See the port."""
        self._delete(_S.c.token_hash == token_hash)

    def end_session_of(self, user_id: str, session_id: str) -> bool:
        """See the port."""
        return bool(self._delete((_S.c.user_id == user_id) & (_S.c.id == session_id)))

    def end_sessions(self, user_id: str, *, but: str = "") -> int:
        """See the port."""
        return self._delete((_S.c.user_id == user_id) & (_S.c.id != but) if but else _S.c.user_id == user_id)

    def purge_sessions(self, now: float, seen_after: float = 0.0) -> int:
        """See the port."""
        return self._delete((_S.c.expires_at <= now) | (_S.c.seen_at <= seen_after))

    def _delete(self, where: Any) -> int:
        statement = _S.delete().where(where)
        return int(self._writer.call(lambda connection: connection.execute(statement).rowcount))
