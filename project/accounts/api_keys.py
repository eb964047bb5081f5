"""API keys: how programs act for a person without a login, within limits."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from typing import Final

from project.accounts.audit import Audit, Origin
from project.accounts.cache import FreshCache
from project.accounts.sessions import hashed
from project.accounts.throttle import Throttle
from project.clock import Clock
from project.core.model import User
from project.core.people import SCOPES, ApiKey
from project.errors import BadApiKey, Conflict, FieldInvalid, Missing
from project.storage.port import KeyStore

PREFIX: Final = "wsk_"
MOST_NAME_CHARS: Final = 100
MOST_LIVE: Final = 20
MOST_DAYS: Final = 3650
TOUCH_S: Final = 60.0
DAY_S: Final = 86400.0


class ApiKeys:
    """Makes, finds and revokes keys."""

    def __init__(self, store: KeyStore, audit: Audit, throttle: Throttle, clock: Clock, *, alone: bool):
        self._store = store
        self._audit = audit
        self._throttle = throttle
        self._clock = clock
        self._listeners: list[Callable[[str], None]] = []
        self._cache: FreshCache[tuple[ApiKey, User]] = FreshCache(clock, alone=alone)

    def on_ended(self, listener: Callable[[str], None]) -> None:
        """Call ``listener(user_id)`` when a key of a user has ended: what is answered to it must end."""
        self._listeners.append(listener)

    def make(
        self, user: User, name: str, scopes: Collection[str], days: float | None, origin: Origin
    ) -> tuple[ApiKey, str]:
        """A new key and its text, which is shown this once; it lasts ``days``, or for good. Raises FieldInvalid."""
        name = name.strip()
        if not 0 < len(name) <= MOST_NAME_CHARS or not name.isprintable():
            raise FieldInvalid(f"A key needs a name of at most {MOST_NAME_CHARS} characters", field="key_name")
        chosen = tuple(scope for scope in SCOPES if scope in scopes)
        if not chosen or set(scopes) - set(SCOPES) or ("admin" in chosen and not user.is_admin):
            raise FieldInvalid("Choose what the key is good for", field="scopes")
        if days is not None and not 0 < days <= MOST_DAYS:
            raise FieldInvalid(f"A key lasts from 1 to {MOST_DAYS} days, or for good", field="days")
        now = self._clock()
        if sum(key.is_live(now) for key in self._store.of_user(user.id)) >= MOST_LIVE:
            raise Conflict(f"At most {MOST_LIVE} live keys; revoke one first", field="key_name")
        key_id = secrets.token_hex(6)
        text = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
        expires_at = None if days is None else now + days * DAY_S
        key = ApiKey(key_id, user.id, name, hashed(text), chosen, now, expires_at)
        self._store.add(key)
        self._audit.record("key_made", user, origin, subject=key_id, detail=f"{name} ({', '.join(chosen)})")
        return key, text

    def of_user(self, user_id: str) -> tuple[ApiKey, ...]:
        """A user's keys, revoked ones too, newest first."""
        return self._store.of_user(user_id)

    def find(self, text: str, origin: Origin) -> tuple[ApiKey, User]:
        """The live key with that text and its owner; it counts as used. Raises BadApiKey, TooManyAttempts."""
        found = self._live(text) if text.startswith(PREFIX) else None
        if found is None:
            self._throttle.wrong_secret("key", origin.address)
            self._audit.record("key_refused", "", origin, seldom=True)
            raise BadApiKey
        return found

    def is_live(self, text: str) -> bool:
        """Whether the key still opens anything."""
        return self._live(text) is not None

    def revoke(self, user: User, key_id: str, origin: Origin) -> None:
        """End a key of one's own. Raises Missing, also for somebody else's."""
        if not self._store.revoke(user.id, key_id, now=self._clock()):
            raise Missing("There is no such key")
        self._cache.forget_all()
        for listener in self._listeners:
            listener(user.id)
        self._audit.record("key_revoked", user, origin, subject=key_id)

    def revoke_all(self, user_id: str) -> int:
        """End every key of a user; how many."""
        count = self._store.revoke_all(user_id, now=self._clock())
        self._cache.forget_all()
        return count

    def forget(self) -> None:
        """A user changed: what is remembered of keys may be wrong."""
        self._cache.forget_all()

    def _live(self, text: str) -> tuple[ApiKey, User] | None:
        digest = hashed(text)
        known, found = self._cache.get(digest)
        if known:
            return found
        asked_at, now = self._cache.endings, self._clock()
        found = self._store.find(digest, now=now)
        if found is not None and now - (found[0].last_used_at or 0.0) >= TOUCH_S:
            self._store.touch(found[0].id, now=now)
        self._cache.put(digest, found, asked_at)
        return found
