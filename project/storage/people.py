"""The part of the Store port that is about people: accounts, logins, keys, second factors, throttles, the audit log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from project.core.model import Role, Session, User
from project.core.people import ApiKey, AuditEntry, AuditFilter, SecondFactor
from project.core.throttling import Bucket


class AccountStore(Protocol):
    """Users and their sessions."""

    def add_user(self, user: User) -> None:
        """Keep a new user. Raises UsernameTaken (names are compared without regard to case)."""

    def user(self, user_id: str) -> User | None:
        """One user, or None."""

    def user_named(self, username: str) -> User | None:
        """The user of that name, without regard to case."""

    def users(self, *, containing: str = "", limit: int | None = None, offset: int = 0) -> tuple[User, ...]:
        """Users whose name contains a text, without regard to case; oldest first, from the ``offset``-th on."""

    def set_password(
        self, user_id: str, password_hash: str, *, must_change: bool = False, seeded_hash: str | None = None
    ) -> None:
        """Replace a password hash and end every session of the user. ``seeded_hash`` stays as it is when None."""

    def set_disabled(self, user_id: str, disabled: bool) -> bool:
        """Whether there is such a user. Ends the user's sessions. Raises LastAdmin if nobody could administer then."""

    def set_role(self, user_id: str, role: Role) -> bool:
        """Whether there is such a user. Ends the user's sessions. Raises LastAdmin if nobody could administer then."""

    def add_session(self, session: Session) -> None:
        """Keep a login."""

    def session(self, token_hash: str, *, now: float, seen_after: float = 0.0) -> tuple[Session, User] | None:
        """A live login and its user.

        None if unknown, past ``expires_at``, not seen since ``seen_after``, or if the user is disabled.
        """

    def sessions(self, user_id: str, *, now: float, seen_after: float = 0.0) -> tuple[Session, ...]:
        """The live logins of a user, the last seen first; half ones too."""

    def touch_session(self, token_hash: str, *, now: float, address: str) -> None:
        """The login was used."""

    def end_session(self, token_hash: str) -> None:
        """Log out."""

    def end_session_of(self, user_id: str, session_id: str) -> bool:
        """Whether a login of that user, of that id, was ended."""

    def end_sessions(self, user_id: str, *, but: str = "") -> int:
        """End every login of the user but the one with the id ``but``; how many."""

    def purge_sessions(self, now: float, seen_after: float = 0.0) -> int:
        """Forget logins past their end, or not seen since ``seen_after``; how many."""


class KeyStore(Protocol):
    """API keys."""

    def add(self, key: ApiKey) -> None:
        """Keep a key (its hash)."""

    def of_user(self, user_id: str) -> tuple[ApiKey, ...]:
        """Keys of a user, revoked ones too, newest first."""

    def find(self, key_hash: str, *, now: float) -> tuple[ApiKey, User] | None:
        """The live key with that hash and its owner; None if unknown, revoked, past its end, or the owner disabled."""

    def touch(self, key_id: str, *, now: float) -> None:
        """The key was used."""

    def revoke(self, user_id: str, key_id: str, *, now: float) -> bool:
        """Whether a key of that user that was not revoked is so now."""

    def revoke_all(self, user_id: str, *, now: float) -> int:
        """Revoke every key of a user; how many."""


class FactorStore(Protocol):
    """Second factors: one a person."""

    def get(self, user_id: str) -> SecondFactor | None:
        """A person's factor, confirmed or not, or None."""

    def put(self, factor: SecondFactor) -> None:
        """Keep a factor; it replaces another of the same person."""

    def remove(self, user_id: str) -> bool:
        """Whether there was one to remove."""

    def use_step(self, user_id: str, step: int) -> bool:
        """Whether ``step`` is newer than the last one used; then it is the last one used. Decided in one go."""

    def use_recovery(self, user_id: str, code_hash: str) -> bool:
        """Whether that recovery code was left; then it no longer is."""


class ThrottleStore(Protocol):
    """Failures by bucket, shared by every node and kept over restarts."""

    def attempt(self, buckets: Sequence[Bucket], *, now: float) -> float:
        """Seconds to wait, or 0 and the attempt counts as failed in every bucket, until it is ``settled``.

        Decided and counted in one go, so that attempts at the same moment cannot pass together.
        """

    def settle(self, *, clear: Collection[str] = (), give_back: Collection[str] = ()) -> None:
        """An attempt did not fail: empty the buckets ``clear``, take its one failure out of ``give_back``."""

    def purge(self, before: float) -> int:
        """Forget buckets whose last failure is older; how many."""


class AuditStore(Protocol):
    """The audit log."""

    def add(self, entry: AuditEntry) -> None:
        """Write an entry; its id is the store's to give."""

    def page(self, chosen: AuditFilter, *, limit: int, before_id: int | None = None) -> tuple[AuditEntry, ...]:
        """Entries, newest first; ``kind``, ``actor`` and ``subject`` are compared whole, without regard to case."""

    def purge(self, *, before: float, most: int) -> int:
        """Forget entries older than ``before`` and all but the newest ``most``; how many."""
