"""Registering, logging in and out. Logins live on the server: the browser holds a random token, the store its hash."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Callable
from typing import Any, Final

from project.accounts import passwords
from project.accounts.cache import SessionCache
from project.clock import Clock
from project.config import Settings
from project.core.model import Role, Session, User
from project.errors import FieldInvalid, UsernameTaken, WrongCredentials
from project.storage.port import AccountStore

DEVELOPMENT_ADMIN_PASSWORD: Final = "admin123"
_OF_NAMES: Final = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No"})
_UNSEEN: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Letters and marks that show as nothing: with them one name could pass for another."""
DEVELOPMENT_USER: Final = ("testuser", "testpass123")
LEAST_NAME_CHARS: Final = 3
MOST_NAME_CHARS: Final = 64


class Accounts:
    """The use cases of accounts. ``run_blocking`` takes password hashing off the event loop."""

    def __init__(self, store: AccountStore, run_blocking: Callable[..., Any], clock: Clock, settings: Settings):
        self._store = store
        self._run_blocking = run_blocking
        self._clock = clock
        self._settings = settings
        self._cache = SessionCache(clock)

    def seed(self) -> None:
        """Make the first administrator, and on loopback the test user, unless they exist.

        A password set in the settings becomes the administrator's, also when the account exists already.
        """
        admin = self._store.user_named(self._settings.admin_user)
        if admin is None:
            self._add(self._settings.admin_user, self._settings.admin_password or DEVELOPMENT_ADMIN_PASSWORD, "admin")
        elif self._settings.admin_password and not self._matches(admin.password_hash, self._settings.admin_password):
            self._store.set_password(admin.id, self._hash(self._settings.admin_password))
        name, password = DEVELOPMENT_USER
        if self._settings.development_logins and self._store.user_named(name) is None:
            self._add(name, password, "user")

    def register(self, username: str, password: str) -> User:
        """Make an account. Raises FieldInvalid, WeakPassword or UsernameTaken, naming the field."""
        username = unicodedata.normalize("NFKC", username).strip()
        if not _is_name(username):
            raise FieldInvalid(
                "The user name needs 3 to 64 letters, digits, dots, dashes or underscores", field="username"
            )
        if self._store.user_named(username) is not None:
            raise UsernameTaken(field="username")
        passwords.check_rules(password, username)
        return self._add(username, password, "user")

    def login(self, username: str, password: str) -> tuple[str, User]:
        """A new login: its token, and the user. Raises WrongCredentials, whichever of the two was wrong."""
        user = self._store.user_named(unicodedata.normalize("NFKC", username).strip())
        stored = user.password_hash if user is not None else self._run_blocking(passwords.nobodys_hash)
        correct = len(password) <= passwords.MOST_CHARS and self._matches(stored, password)
        if user is None or not correct or user.disabled or self._is_development_login(user, password):
            raise WrongCredentials
        token = secrets.token_urlsafe(32)
        now = self._clock()
        self._store.add_session(Session(_hash(token), user.id, now, now, now + self._settings.session_max_s))
        return token, user

    def user_of(self, token: str) -> User | None:
        """The user of a live login, or None. Cheap: see ``SessionCache``."""
        key = _hash(token)
        found, user = self._cache.get(key)
        if not found:
            asked_at = self._cache.endings
            live = self._store.session(key, now=self._clock())
            user = live[1] if live is not None else None
            self._cache.put(key, user, asked_at)
        return user

    def logout(self, token: str) -> None:
        """End a login, at once."""
        key = _hash(token)
        self._store.end_session(key)
        self._cache.forget(key)

    def change_password(self, user: User, current: str, new: str) -> None:
        """Change one's password; every login of the user ends. Raises WrongCredentials, FieldInvalid, WeakPassword."""
        if not self._matches(user.password_hash, current):
            raise WrongCredentials(field="current_password")
        passwords.check_rules(new, user.username)
        self._store.set_password(user.id, self._hash(new))
        self._cache.forget_all()

    def users(self) -> tuple[User, ...]:
        """Every user, oldest first."""
        return self._store.users()

    def _is_development_login(self, user: User, password: str) -> bool:
        """Whether this is a documented login that must not work here: those are for loopback alone."""
        if self._settings.development_logins:
            return False
        return (user.username, password) == DEVELOPMENT_USER or (
            user.is_admin and password == DEVELOPMENT_ADMIN_PASSWORD
        )

    def _add(self, username: str, password: str, role: Role) -> User:
        user = User(secrets.token_hex(8), username, self._hash(password), role, self._clock())
        self._store.add_user(user)
        return user

    def _hash(self, password: str) -> str:
        return str(self._run_blocking(passwords.hashed, password))

    def _matches(self, stored: str, password: str) -> bool:
        return bool(self._run_blocking(passwords.matches, stored, password))


def _is_name(username: str) -> bool:
    """Whether it is 3 to 64 letters of any script, their marks (Thai and Hindi write vowels so), digits, . _ -"""
    if not LEAST_NAME_CHARS <= len(username) <= MOST_NAME_CHARS or unicodedata.category(username[0])[0] == "M":
        return False
    if _UNSEEN.search(username):
        return False
    return all(char in "._-" or unicodedata.category(char) in _OF_NAMES for char in username)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
