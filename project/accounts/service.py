"""Registering, logging in and out, changing one's password; and everything else about accounts, put together."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from project.accounts import names, passwords
from project.accounts.api_keys import ApiKeys
from project.accounts.audit import NOWHERE, Audit, Origin
from project.accounts.first_run import DEVELOPMENT_ADMIN_PASSWORD, DEVELOPMENT_USER, FirstRun
from project.accounts.hashing import Hasher
from project.accounts.people import People
from project.accounts.second_factor import SecondFactors
from project.accounts.sessions import Login, Sessions
from project.accounts.throttle import Throttle
from project.clock import Clock
from project.config import Settings
from project.core.model import User
from project.errors import CodeRequired, NotAllowed, TooManyAttempts, WrongCredentials
from project.storage.port import Store

_UNKNOWN = "?"
"""Who is said to have been refused when there is no such user: people type passwords into the wrong field."""


class Accounts:
    """The use cases of accounts. ``run_blocking`` takes password hashing off the event loop."""

    def __init__(
        self,
        store: Store,
        run_blocking: Callable[..., Any],
        clock: Clock,
        settings: Settings,
        site_keys: Sequence[str],
    ):
        self._store = store.accounts
        self._throttles = store.throttles
        self._clock = clock
        self._settings = settings
        self._hasher = Hasher(run_blocking)
        self.audit = Audit(store.audit, clock)
        self.throttle = Throttle(store.throttles, clock)
        self.sessions = Sessions(store.accounts, clock, settings)
        self.keys = ApiKeys(store.keys, self.audit, self.throttle, clock, alone=settings.is_alone)
        self.factors = SecondFactors(store.factors, self.audit, self.throttle, clock, site_keys)
        self.people = People(store.accounts, self.sessions, self.keys, self.factors, self.audit, self._hasher, clock)
        self._first_run = FirstRun(store.accounts, self.sessions, self._hasher, clock, settings)

    def forget(self, user_id: str) -> None:
        """Logins or keys of a user have ended on another node."""
        self.sessions.forget(user_id)
        self.keys.forget()

    def seed(self, *, one_time: bool = False) -> str | None:
        """Make the accounts a site begins with: see ``FirstRun.seed``."""
        return self._first_run.seed(one_time=one_time)

    def register(self, username: str, password: str, origin: Origin = NOWHERE) -> User:
        """Make an account.

        Raises FieldInvalid, WeakPassword or UsernameTaken, naming the field; NotAllowed; TooManyAttempts.
        """
        if self._settings.registration != "open":
            raise NotAllowed("An administrator makes the accounts of this site")
        username = names.checked(username)
        names.check_free(username, lambda name: self._store.user_named(name) is not None)
        passwords.check_rules(password, username)
        if not self._settings.development_logins:
            self.throttle.new_account(origin.address)
        hashed = self._hasher.hashed(password, origin.address)
        user = User(secrets.token_hex(8), username, hashed, "user", self._clock())
        self._store.add_user(user)
        self.audit.record("registered", user, origin)
        return user

    def login(self, username: str, password: str, origin: Origin = NOWHERE, code: str = "") -> tuple[str, User]:
        """A new login: its token, and the user.

        Raises WrongCredentials, whichever of the two was wrong; TooManyAttempts; CodeRequired if the user's logins
        need a code and none came with it; WrongCode.
        """
        user = self._authenticated(username, password, origin)
        if self.factors.is_on(user):
            if not code:
                raise CodeRequired(field="code")
            self.factors.check(user, code, origin)
        return self._begin(user, origin), user

    def half_login(self, username: str, password: str, origin: Origin) -> tuple[str, bool]:
        """``login`` for a person with a form: the token, and whether a code is still needed to make it whole."""
        user = self._authenticated(username, password, origin)
        if self.factors.is_on(user):
            return self.sessions.begin(user, origin, half=True), True
        return self._begin(user, origin), False

    def finish_login(self, half_token: str, code: str, origin: Origin) -> str:
        """The code of a half login; the token of the whole one. Raises WrongCredentials if there is no half one."""
        half = self.sessions.find(half_token)
        if half is None or not half.session.half:
            raise WrongCredentials
        self.factors.check(half.user, code, origin)
        self.sessions.end(half_token)
        return self._begin(half.user, origin)

    def login_of(self, token: str, address: str = "") -> Login | None:
        """The live, whole login of a token, or None."""
        login = self.sessions.find(token, address)
        return None if login is None or login.session.half else login

    def user_of(self, token: str) -> User | None:
        """The user of a live login, or None. Cheap: see ``FreshCache``."""
        login = self.login_of(token)
        return login.user if login is not None else None

    def logout(self, token: str, origin: Origin = NOWHERE) -> None:
        """End a login, at once."""
        user = self.sessions.end(token)
        if user is not None:
            self.audit.record("logout", user, origin)

    def change_password(self, user: User, current: str, new: str, origin: Origin = NOWHERE) -> str:
        """Change one's password: every login of the user ends, and a new one begins; its token.

        Raises WrongCredentials, FieldInvalid, WeakPassword, TooManyAttempts.
        """
        with self.throttle.guessing("password", user.username, origin.address):
            if not self._hasher.matches(user.password_hash, current, origin.address):
                raise WrongCredentials(field="current_password")
        passwords.check_rules(new, user.username, field="new_password", current=current)
        self._store.set_password(user.id, self._hasher.hashed(new, origin.address))
        self.keys.forget()
        self.sessions.tell_ended(user.id)
        self.audit.record("password_changed", user, origin)
        return self.sessions.begin(user, origin)

    def tidy(self) -> None:
        """Forget what is over: logins past their end, old failures, old entries of the audit log."""
        self.sessions.purge()
        self.throttle.purge()
        self.audit.purge(keep_s=self._settings.audit_keep_s, most=self._settings.audit_most)

    def _authenticated(self, username: str, password: str, origin: Origin) -> User:
        """The user of a name and a password. The same work is done, and the same said, for a name nobody has."""
        username = names.normal(username)
        user = self._store.user_named(username)
        if user is not None and self._is_documented_login(user, password):
            # Everybody knows these; there is nothing to guess, and no test of the site must lock itself out.
            return self._checked(user, password, origin)
        known = user is not None and self.sessions.is_known(user.id, origin.address)
        try:
            with self.throttle.guessing("login", username, origin.address, known=known):
                return self._checked(user, password, origin)
        except TooManyAttempts:
            name = user.username if user is not None else _UNKNOWN
            self.audit.record("login_throttled", name, origin, seldom=True)
            raise

    def _checked(self, user: User | None, password: str, origin: Origin) -> User:
        stored = user.password_hash if user is not None else None
        correct = self._hasher.matches(stored, password, origin.address)
        if user is None or not correct or user.disabled or self._is_misplaced_login(user, password):
            self.audit.record("login_refused", user or _UNKNOWN, origin, detail="disabled" if correct else "")
            raise WrongCredentials
        return user

    def _begin(self, user: User, origin: Origin) -> str:
        token = self.sessions.begin(user, origin)
        self.audit.record("login", user, origin)
        return token

    def _is_documented_login(self, user: User, password: str) -> bool:
        """Whether the documentation tells this login, and it is one that works here."""
        return self._settings.development_logins and _is_development_login(user, password)

    def _is_misplaced_login(self, user: User, password: str) -> bool:
        """Whether this is a documented login that must not work here: those are for loopback alone."""
        return not self._settings.development_logins and _is_development_login(user, password)


def _is_development_login(user: User, password: str) -> bool:
    return (user.username, password) == DEVELOPMENT_USER or (user.is_admin and password == DEVELOPMENT_ADMIN_PASSWORD)
