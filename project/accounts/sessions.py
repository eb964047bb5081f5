"""Logins, kept on the server: the browser holds a random token, the store its hash. What ends here ends at once."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from project.accounts.audit import Origin
from project.accounts.cache import FreshCache
from project.clock import Clock
from project.config import Settings
from project.core.model import Session, User
from project.errors import Missing
from project.storage.port import AccountStore

HALF_S: Final = 300.0
"""How long a login waits for its code."""
MOST_DEVICE_CHARS: Final = 300
LEAST_TOUCH_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Login:
    """A live login and whose it is."""

    session: Session
    user: User


class Sessions:
    """Begins, finds and ends logins. ``on_ended`` is told the user id whenever some have ended."""

    def __init__(self, store: AccountStore, clock: Clock, settings: Settings):
        self._store = store
        self._clock = clock
        self._idle_s = settings.session_idle_s
        self._max_s = settings.session_max_s
        self._cache: FreshCache[Login] = FreshCache(clock, alone=settings.is_alone)
        self._listeners: list[Callable[[str], None]] = []

    def on_ended(self, listener: Callable[[str], None]) -> None:
        """Call ``listener(user_id)`` when logins of a user have ended: open streams and sockets of theirs must end."""
        self._listeners.append(listener)

    def begin(self, user: User, origin: Origin, *, half: bool = False) -> str:
        """A new login, under a name nobody has seen before; its token. A half one still lacks its code."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        self._store.add_session(
            Session(
                hashed(token),
                user.id,
                now,
                now,
                now + min(self._max_s, HALF_S if half else self._max_s),
                id=secrets.token_hex(8),
                address=origin.address,
                device=origin.device[:MOST_DEVICE_CHARS],
                half=half,
            )
        )
        return token

    def find(self, token: str, address: str = "") -> Login | None:
        """The live login of a token, half ones too. Cheap: see ``FreshCache``. It counts as used."""
        key = hashed(token)
        known, login = self._cache.get(key)
        if known:
            return login
        asked_at, now = self._cache.endings, self._clock()
        found = self._store.session(key, now=now, seen_after=now - self._idle_s)
        login = Login(*found) if found is not None else None
        if login is not None and now - login.session.seen_at >= min(LEAST_TOUCH_S, self._idle_s / 10):
            self._store.touch_session(key, now=now, address=address or login.session.address)
        self._cache.put(key, login, asked_at)
        return login

    def end(self, token: str) -> User | None:
        """Log out; whose login it was."""
        login = self.find(token)
        self._store.end_session(hashed(token))
        if login is not None:
            self.tell_ended(login.user.id)
        return login.user if login is not None else None

    def of_user(self, user_id: str) -> tuple[Session, ...]:
        """A user's live logins, the last seen first, without those that still lack a code."""
        now = self._clock()
        found = self._store.sessions(user_id, now=now, seen_after=now - self._idle_s)
        return tuple(session for session in found if not session.half)

    def is_known(self, user_id: str, address: str) -> bool:
        """Whether the user has a live login from that address."""
        return any(session.address == address for session in self.of_user(user_id))

    def end_one(self, user_id: str, session_id: str) -> None:
        """End one login of a user. Raises Missing."""
        if not self._store.end_session_of(user_id, session_id):
            raise Missing("There is no such login")
        self.tell_ended(user_id)

    def end_all(self, user_id: str, *, but: str = "") -> int:
        """End every login of a user, but the one with the id ``but``; how many."""
        count = self._store.end_sessions(user_id, but=but)
        self.tell_ended(user_id)
        return count

    def tell_ended(self, user_id: str) -> None:
        """Logins of the user have ended in the store: forget them here, and tell those who serve them."""
        self._cache.forget_all()
        for listener in self._listeners:
            listener(user_id)

    def forget(self, user_id: str) -> None:
        """Logins of a user have ended on another node."""
        self._cache.forget_all()

    def purge(self) -> None:
        """Forget logins past their end."""
        now = self._clock()
        self._store.purge_sessions(now, now - self._idle_s)


def hashed(secret: str) -> str:
    """What is stored of a secret with enough random bits that a plain hash can be looked up."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
