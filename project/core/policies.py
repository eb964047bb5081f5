"""Who may use what: the words for it, and how a view or the handler of an event declares its own.

Deny by default: a site with a route or an event that declares nothing does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from project.core.people import SCOPES

ROUTE_POLICIES: Final[Mapping[str, str]] = {
    "public": "everybody",
    "user": "who is logged in, or has an API key for it",
    "admin": "administrators",
    "lease": "a worker with a signed link",
}
EVENT_POLICIES: Final[Mapping[str, str]] = {
    "connection": "who has a connection: it is how a worker proves who it is",
    "worker": "a worker that has registered, for its own space and leases",
    "user": "who is logged in",
    "admin": "administrators",
}
BY_METHOD: Final = "by method"
NO_KEY: Final = "no key"
Declared = TypeVar("Declared", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Policy:
    """Who, and with which scope of an API key; ``always``: also while a password must be changed first."""

    name: str
    scope: str = BY_METHOD
    always: bool = False

    def scope_for(self, method: str) -> str:
        """The scope a key needs for a request of that method, or ``NO_KEY`` if no key will do."""
        if self.scope != BY_METHOD:
            return self.scope
        if self.name == "admin":
            return "admin"
        return "read" if method in ("GET", "HEAD", "OPTIONS") else "submit"


def policy(name: str, *, scope: str = BY_METHOD, always: bool = False) -> Callable[[Declared], Declared]:
    """Declare who may use a view or an event."""
    if name not in ROUTE_POLICIES and name not in EVENT_POLICIES:
        raise ValueError(f"there is no policy {name!r}")
    if scope not in (*SCOPES, BY_METHOD, NO_KEY):
        raise ValueError(f"there is no scope {scope!r}")

    def declare(subject: Declared) -> Declared:
        subject.policy = Policy(name, scope, always)  # type: ignore[attr-defined]
        return subject

    return declare


def declared(subject: object) -> Policy | None:
    """What a view or handler declares, or None."""
    found = getattr(subject, "policy", None)
    return found if isinstance(found, Policy) else None
