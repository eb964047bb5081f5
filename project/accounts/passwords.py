"""Hashing and the rules of passwords. Hashing takes tens of milliseconds of processor: never call it on the loop."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from werkzeug.security import check_password_hash, generate_password_hash

from project.errors import FieldInvalid, WeakPassword

LEAST_CHARS: Final = 8
MOST_CHARS: Final = 128
METHOD: Final = "scrypt:32768:8:1"


def check_rules(password: str, username: str) -> None:
    """Raise FieldInvalid or WeakPassword for a password that must not be chosen. Any characters will do."""
    if len(password) < LEAST_CHARS:
        raise FieldInvalid(f"The password needs at least {LEAST_CHARS} characters", field="password")
    if len(password) > MOST_CHARS:
        raise FieldInvalid(f"The password may have at most {MOST_CHARS} characters", field="password")
    plain = password.casefold()
    if plain in weak_passwords() or plain == username.casefold() or len(set(plain)) < 3:
        raise WeakPassword(field="password")


@cache
def weak_passwords() -> frozenset[str]:
    """Passwords that everybody tries first, lower case."""
    text = Path(__file__).with_name("weak_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.strip().casefold() for line in text.splitlines() if line.strip())


def hashed(password: str) -> str:
    """A password's salted hash, to be stored."""
    return generate_password_hash(password, METHOD)


def matches(stored: str, password: str) -> bool:
    """Whether a password belongs to a stored hash."""
    return check_password_hash(stored, password)


@cache
def nobodys_hash() -> str:
    """A hash to check against when there is no such user, so that the answer takes as long as for one."""
    return hashed("nobody has this password")
