"""What the site keeps of people beside their names: keys, second factors, and a log of who did what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SCOPES: Final = ("submit", "read", "admin")
"""What an API key may be good for."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A named secret by which a program acts for its owner, within ``scopes``; only its SHA-256 is kept."""

    id: str
    user_id: str
    name: str
    key_hash: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None = None
    last_used_at: float | None = None
    revoked_at: float | None = None

    def is_live(self, now: float) -> bool:
        """Whether it still opens anything."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """One-time codes of an app. The secret is derived from ``nonce`` and the site's key, so that the database alone
    tells nobody a code; ``last_step`` is the newest 30-second step used; ``recovery`` are hashes of codes left.
    """

    user_id: str
    nonce: str
    created_at: float
    confirmed_at: float | None = None
    last_step: int = 0
    recovery: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to whom or what, when and from where. Never holds a prompt, a token or a password."""

    at: float
    kind: str
    actor: str
    subject: str = ""
    detail: str = ""
    address: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are asked for; empty texts ask for all."""

    kind: str = ""
    actor: str = ""
    subject: str = ""
    since: float | None = None
    until: float | None = None
