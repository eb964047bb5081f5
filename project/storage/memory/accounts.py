"""Users and sessions in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from project.core.model import Role, Session, User
from project.errors import LastAdmin, UsernameTaken


class MemoryAccounts:
    """``AccountStore`` in memory."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._users: dict[str, User] = {}
        self._sessions: dict[str, Session] = {}

    def add_user(self, user: User) -> None:
        """See the port."""
        with self._lock:
            if self.user_named(user.username) is not None:
                raise UsernameTaken(field="username")
            self._users[user.id] = user

    def user(self, user_id: str) -> User | None:
        """See the port."""
        return self._users.get(user_id)

    def user_named(self, username: str) -> User | None:
        """See the port."""
        key = username.casefold()
        with self._lock:
            return next((user for user in self._users.values() if user.username.casefold() == key), None)

    def users(self, *, containing: str = "", limit: int | None = None, offset: int = 0) -> tuple[User, ...]:
        """See the port."""
        text = containing.casefold()
        with self._lock:
            found = [user for user in self._users.values() if text in user.username.casefold()]
        ordered = sorted(found, key=lambda user: (user.created_at, user.id))
        return tuple(ordered[offset : None if limit is None else offset + limit])

    def set_password(
        self, user_id: str, password_hash: str, *, must_change: bool = False, seeded_hash: str | None = None
    ) -> None:
        """See the port."""
        with self._lock:
            user = self._users.get(user_id)
            if user is not None:
                seeded = user.seeded_hash if seeded_hash is None else seeded_hash
                self._users[user_id] = replace(
                    user, password_hash=password_hash, must_change=must_change, seeded_hash=seeded
                )
            self.end_sessions(user_id)

    def set_disabled(self, user_id: str, disabled: bool) -> bool:
        """See the port."""
        return self._change(user_id, lambda user: replace(user, disabled=disabled))

    def set_role(self, user_id: str, role: Role) -> bool:
        """See the port."""
        return self._change(user_id, lambda user: replace(user, role=role))

    def _change(self, user_id: str, changed: Callable[[User], User]) -> bool:
        with self._lock:
            user = self._users.get(user_id)
            if user is None:
                return False
            after = changed(user)
            others = [other for other in self._users.values() if other.id != user_id]
            administers = any(one.is_admin and not one.disabled for one in (*others, after))
            if user.is_admin and not administers:
                raise LastAdmin
            self._users[user_id] = after
            self.end_sessions(user_id)
            return True

    def add_session(self, session: Session) -> None:
        """See the port."""
        with self._lock:
            self._sessions[session.token_hash] = session

    def session(self, token_hash: str, *, now: float, seen_after: float = 0.0) -> tuple[Session, User] | None:
        """See the port."""
        with self._lock:
            session = self._sessions.get(token_hash)
            user = self._users.get(session.user_id) if session is not None else None
            if session is None or user is None or user.disabled or not _is_live(session, now, seen_after):
                return None
            return session, user

    def sessions(self, user_id: str, *, now: float, seen_after: float = 0.0) -> tuple[Session, ...]:
        """See the port."""
        with self._lock:
            found = [s for s in self._sessions.values() if s.user_id == user_id and _is_live(s, now, seen_after)]
        return tuple(sorted(found, key=lambda session: (-session.seen_at, session.id)))

    def touch_session(self, token_hash: str, *, now: float, address: str) -> None:
        """See the port."""
        with self._lock:
            if token_hash in self._sessions:
                self._sessions[token_hash] = replace(self._sessions[token_hash], seen_at=now, address=address)

    def end_session(self, token_hash: str) -> None:
        """See the port."""
        self._end(lambda session: session.token_hash == token_hash)

    def end_session_of(self, user_id: str, session_id: str) -> bool:
        """See the port."""
        return bool(self._end(lambda session: session.user_id == user_id and session.id == session_id))

    def end_sessions(self, user_id: str, *, but: str = "") -> int:
        """See the port."""
        return self._end(lambda session: session.user_id == user_id and (not but or session.id != but))

    def purge_sessions(self, now: float, seen_after: float = 0.0) -> int:
        """See the port."""
        return self._end(lambda session: not _is_live(session, now, seen_after))

    def _end(self, ends: Callable[[Session], bool]) -> int:
        with self._lock:
            before = len(self._sessions)
            self._sessions = {key: kept for key, kept in self._sessions.items() if not ends(kept)}
            return before - len(self._sessions)


def _is_live(session: Session, now: float, seen_after: float) -> bool:
    return session.expires_at > now and session.seen_at > seen_after
