"""The audit log: who did what, when, from where. It holds names and ids, never a prompt, a token or a password."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from project.clock import Clock
from project.core.model import User
from project.core.people import AuditEntry, AuditFilter
from project.errors import SpacesError
from project.storage.port import AuditStore

KINDS: Final = (
    "login",
    "login_refused",
    "login_throttled",
    "logout",
    "registered",
    "password_changed",
    "session_ended",
    "second_factor_on",
    "second_factor_off",
    "second_factor_refused",
    "key_made",
    "key_revoked",
    "key_refused",
    "worker_refused",
    "access_refused",
    "content_viewed",
    "user_added",
    "user_disabled",
    "user_enabled",
    "user_role",
    "password_reset",
    "space_made",
    "space_changed",
    "space_deleted",
    "token_made",
    "token_revoked",
    "request_cancelled",
    "request_deleted",
    "request_retried",
    "request_retried",
    "test_run",
    "audit_exported",
)
"""Every kind of entry. ``test_run`` is for the console: whoever starts one writes it."""
QUIET_S: Final = 600.0
_MOST_REMEMBERED: Final = 10_000
_MOST_CHARS: Final = {"actor": 200, "subject": 300, "detail": 600, "address": 100}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a person or a program comes from: the network address, and what the browser says it is."""

    address: str = ""
    device: str = ""


NOWHERE: Final = Origin()
"""The site itself."""


class Audit:
    """Writes and reads the log."""

    def __init__(self, store: AuditStore, clock: Clock):
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._recent: dict[tuple[str, ...], float] = {}

    def record(
        self,
        kind: str,
        actor: User | str,
        origin: Origin = NOWHERE,
        *,
        subject: str = "",
        detail: str = "",
        seldom: bool = False,
    ) -> None:
        """Write an entry. With ``seldom`` the same one is written once in ``QUIET_S``: a poll or a flood is one event.

        Raises whatever keeps the store from writing: what cannot be recorded does not happen.
        """
        if kind not in KINDS:
            raise SpacesError(f"unknown kind of audit entry: {kind}")
        name = actor if isinstance(actor, str) else actor.username
        if seldom and self._said_lately(kind, name, origin.address, subject, detail):
            return
        self._store.add(
            AuditEntry(
                at=self._clock(),
                kind=kind,
                actor=_clean("actor", name),
                subject=_clean("subject", subject),
                detail=_clean("detail", detail),
                address=_clean("address", origin.address),
            )
        )

    def page(self, chosen: AuditFilter, *, limit: int, before_id: int | None = None) -> tuple[AuditEntry, ...]:
        """Entries, newest first."""
        return self._store.page(chosen, limit=limit, before_id=before_id)

    def purge(self, *, keep_s: float, most: int) -> int:
        """Forget what is older than ``keep_s`` and all but the newest ``most``; how many."""
        return self._store.purge(before=self._clock() - keep_s, most=most)

    def _said_lately(self, *what: str) -> bool:
        now = self._clock()
        with self._lock:
            if self._recent.get(what, 0.0) > now - QUIET_S:
                return True
            if len(self._recent) >= _MOST_REMEMBERED:
                self._recent.clear()
            self._recent[what] = now
            return False


def _clean(column: str, text: str) -> str:
    """The text with control characters escaped, as far as its column goes: nobody's input can forge a line."""
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
    return shown[: _MOST_CHARS[column]]
