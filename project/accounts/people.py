"""What administrators do to accounts: add, disable, give a role, set a new password."""

from __future__ import annotations

import secrets

from project.accounts import names
from project.accounts.api_keys import ApiKeys
from project.accounts.audit import Audit, Origin
from project.accounts.hashing import Hasher
from project.accounts.second_factor import SecondFactors
from project.accounts.sessions import Sessions
from project.clock import Clock
from project.core.model import Role, User
from project.errors import FieldInvalid, Missing, NotAllowed
from project.storage.port import AccountStore


class People:
    """The use cases of the administrators' pages about people. Everything here is in the audit log."""

    def __init__(
        self,
        store: AccountStore,
        sessions: Sessions,
        keys: ApiKeys,
        factors: SecondFactors,
        audit: Audit,
        hasher: Hasher,
        clock: Clock,
    ):
        self._store = store
        self._sessions = sessions
        self._keys = keys
        self._factors = factors
        self._audit = audit
        self._hasher = hasher
        self._clock = clock

    def all(self) -> tuple[User, ...]:
        """Everybody with an account, oldest first."""
        return self._store.users()

    def page(self, containing: str, *, limit: int, offset: int) -> tuple[User, ...]:
        """Some of those whose name contains a text, oldest first."""
        return self._store.users(containing=names.normal(containing), limit=limit, offset=offset)

    def get(self, user_id: str) -> User:
        """One person. Raises Missing."""
        user = self._store.user(user_id)
        if user is None:
            raise Missing("There is no such user")
        return user

    def add(self, admin: User, username: str, role: str, origin: Origin) -> tuple[User, str]:
        """A new account and its first password, shown this once, to be changed at the first login."""
        username, given = names.checked(username), one_time_password()
        names.check_free(username, lambda name: self._store.user_named(name) is not None)
        user = User(
            secrets.token_hex(8),
            username,
            self._hasher.hashed(given),
            _role(role),
            self._clock(),
            must_change=True,
        )
        self._store.add_user(user)
        self._audit.record("user_added", admin, origin, subject=username, detail=user.role)
        return user, given

    def disable(self, admin: User, user_id: str, origin: Origin) -> None:
        """Keep somebody out: logins, streams and keys end at once. Raises Missing, NotAllowed, LastAdmin."""
        user = self._other(admin, user_id)
        self._store.set_disabled(user.id, True)
        self._ended(user)
        self._audit.record("user_disabled", admin, origin, subject=user.username)

    def enable(self, admin: User, user_id: str, origin: Origin) -> None:
        """Let somebody in again; keys that were not revoked work again. Raises Missing."""
        user = self._other(admin, user_id)
        self._store.set_disabled(user.id, False)
        self._ended(user)
        self._audit.record("user_enabled", admin, origin, subject=user.username)

    def set_role(self, admin: User, user_id: str, role: str, origin: Origin) -> None:
        """Make an administrator of a user or the other way round; logins end, for they were another role's."""
        user = self._other(admin, user_id)
        self._store.set_role(user.id, _role(role))
        self._ended(user)
        self._audit.record("user_role", admin, origin, subject=user.username, detail=role)

    def reset_password(self, admin: User, user_id: str, origin: Origin) -> str:
        """A new password, shown this once, to be changed at the next login. Logins end and keys are revoked."""
        user, given = self._other(admin, user_id), one_time_password()
        self._store.set_password(user.id, self._hasher.hashed(given), must_change=True)
        self._keys.revoke_all(user.id)
        self._ended(user)
        self._audit.record("password_reset", admin, origin, subject=user.username)
        return given

    def remove_second_factor(self, admin: User, user_id: str, origin: Origin) -> None:
        """For somebody who lost the app and the recovery codes. Logins end."""
        user = self._other(admin, user_id)
        self._factors.remove(user, origin, by=admin)
        self._sessions.end_all(user.id)

    def end_logins(self, admin: User, user_id: str, origin: Origin) -> None:
        """Log somebody out everywhere."""
        user = self._other(admin, user_id)
        self._sessions.end_all(user.id)
        self._audit.record("session_ended", admin, origin, subject=user.username, detail="all")

    def _other(self, admin: User, user_id: str) -> User:
        """Somebody else: one's own account is changed where the current password is asked for."""
        user = self.get(user_id)
        if user.id == admin.id:
            raise NotAllowed("Your own account is changed on its own page")
        return user

    def _ended(self, user: User) -> None:
        self._keys.forget()
        self._sessions.tell_ended(user.id)


def one_time_password() -> str:
    """Random, without what people confuse or shells read, long enough that it needs no wait to be safe."""
    letters = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(16))
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4))


def _role(role: str) -> Role:
    if role == "admin":
        return "admin"
    if role == "user":
        return "user"
    raise FieldInvalid("The role is user or admin", field="role")
