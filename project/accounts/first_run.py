"""The accounts a site begins with: its first administrator and, on one's own machine, the documented logins."""

from __future__ import annotations

import secrets
from typing import Final

from project.accounts.hashing import Hasher
from project.accounts.passwords import check_rules
from project.accounts.people import one_time_password
from project.accounts.sessions import Sessions
from project.clock import Clock
from project.config import Settings
from project.core.model import Role, User
from project.errors import BadInput, SettingInvalid, UsernameTaken
from project.storage.port import AccountStore

DEVELOPMENT_ADMIN_PASSWORD: Final = "admin123"
FIRST_ACCOUNTS: Final = 2
DEVELOPMENT_USER: Final = ("testuser", "testpass123")


class FirstRun:
    """Makes those accounts, and gives the administrator the password of the settings."""

    def __init__(self, store: AccountStore, sessions: Sessions, hasher: Hasher, clock: Clock, settings: Settings):
        self._store = store
        self._sessions = sessions
        self._hasher = hasher
        self._clock = clock
        self._settings = settings

    def seed(self, *, one_time: bool = False) -> str | None:
        """Make what is missing; a one-time password of the administrator, to be printed, if there is one.

        ``one_time`` asks for a new one whatever there is. Raises SettingInvalid where the site would otherwise be
        reached from elsewhere with a password that is in its documentation.
        """
        for _ in range(FIRST_ACCOUNTS):
            try:
                return self._seeded(one_time)
            except UsernameTaken:
                # Another node has started at the same moment, and was quicker with one of them: now it is found.
                continue
        return self._seeded(one_time)

    def _seeded(self, one_time: bool) -> str | None:
        given = self._administrator(one_time)
        name, password = DEVELOPMENT_USER
        if self._settings.development_logins and self._store.user_named(name) is None:
            self._add(name, self._hasher.hashed(password), "user")
        return given

    def _administrator(self, one_time: bool) -> str | None:
        settings = self._settings
        admin = self._store.user_named(settings.admin_user)
        if admin is not None and not admin.is_admin:
            raise SettingInvalid(
                f"{settings.admin_user} is not an administrator: set SPACES_ADMIN_USER to another name",
                field="admin_user",
            )
        if one_time:
            return self._give_one_time(admin)
        if settings.admin_password:
            self._check_rules(settings.admin_password)
            self._give_once(admin, settings.admin_password)
        elif admin is None and settings.development_logins:
            self._add(settings.admin_user, self._hasher.hashed(DEVELOPMENT_ADMIN_PASSWORD), "admin")
        elif not settings.development_logins and self._has_no_own_password(admin):
            if not settings.is_loopback:
                raise SettingInvalid(
                    f"refusing to listen on {settings.host} with the default login: set SPACES_ADMIN_PASSWORD to a "
                    "password of your own, or start once with --one-time-password, or keep --host 127.0.0.1",
                    field="admin_password",
                )
            return self._give_one_time(admin)
        return None

    def _check_rules(self, password: str) -> None:
        if self._settings.development_logins:
            return
        try:
            check_rules(password, self._settings.admin_user)
        except BadInput as error:
            raise SettingInvalid(f"SPACES_ADMIN_PASSWORD: {error.message}", field="admin_password") from None

    def _has_no_own_password(self, admin: User | None) -> bool:
        return admin is None or self._hasher.matches(admin.password_hash, DEVELOPMENT_ADMIN_PASSWORD)

    def _give_one_time(self, admin: User | None) -> str:
        given = one_time_password()
        hashed = self._hasher.hashed(given)
        if admin is None:
            self._add(self._settings.admin_user, hashed, "admin", must_change=True)
        else:
            self._store.set_password(admin.id, hashed, must_change=True)
            self._sessions.tell_ended(admin.id)
        return given

    def _give_once(self, admin: User | None, password: str) -> None:
        """Each password of the settings is given once: whoever changes it on the site keeps what was chosen there."""
        if admin is None:
            hashed = self._hasher.hashed(password)
            self._add(self._settings.admin_user, hashed, "admin", seeded_hash=hashed)
        elif not admin.seeded_hash or not self._hasher.matches(admin.seeded_hash, password):
            hashed = self._hasher.hashed(password)
            self._store.set_password(admin.id, hashed, seeded_hash=hashed)
            self._sessions.tell_ended(admin.id)

    def _add(self, username: str, hashed: str, role: Role, *, must_change: bool = False, seeded_hash: str = "") -> None:
        self._store.add_user(
            User(
                secrets.token_hex(8),
                username,
                hashed,
                role,
                self._clock(),
                must_change=must_change,
                seeded_hash=seeded_hash,
            )
        )
