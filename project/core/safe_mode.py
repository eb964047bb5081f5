"""Safe mode: a request that goes the whole way and is kept nowhere, for tests under load (the safe load testing suite).

Such a request is known by its id, so that whoever has one at hand knows without asking where to look for it.
"""

from __future__ import annotations

from typing import Final

from project.errors import FieldInvalid

HEADER: Final = "X-Load-Test"
PREFIX: Final = "safe-"


def is_asked(value: str | None) -> bool:
    """Whether the header asks for safe mode. Raises FieldInvalid for a value that says neither yes nor no.

    A typing error must not store what was meant for a test.
    """
    text = (value or "").strip().lower()
    if text in ("", "false", "0", "no"):
        return False
    if text in ("true", "1", "yes"):
        return True
    raise FieldInvalid(f"{HEADER} must be true or false", field=HEADER)


def is_safe(request_id: str) -> bool:
    """Whether a request is one that is kept nowhere."""
    return request_id.startswith(PREFIX)
