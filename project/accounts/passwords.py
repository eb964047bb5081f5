"""Hashing and the rules of passwords. Hashing takes tens of milliseconds of processor: never call it on the loop."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from werkzeug.security import check_password_hash, generate_password_hash

from project.errors import FieldInvalid, WeakPassword

LEAST_CHARS: Final = 8
MOST_CHARS: Final = 128
LONG_CHARS: Final = 15
_ENDS: Final = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_WRITTEN_AS: Final = tuple(str.maketrans("@4301!$57", f"aaeo{letter}{letter}sst") for letter in "il")
"""The usual ways to write letters as signs; ``1`` and ``!`` stand for two."""
METHOD: Final = "scrypt:32768:8:1"


def check_rules(password: str, username: str, *, field: str = "password", current: str | None = None) -> None:
    """Raise FieldInvalid or WeakPassword for a password that must not be chosen. Any characters will do."""
    if len(password) < LEAST_CHARS:
        raise FieldInvalid(f"The password needs at least {LEAST_CHARS} characters", field=field)
    if len(password) > MOST_CHARS:
        raise FieldInvalid(f"The password may have at most {MOST_CHARS} characters", field=field)
    if password == current:
        raise FieldInvalid("The new password is the old one", field=field)
    if is_weak(password, username):
        raise WeakPassword(field=field)


def is_weak(password: str, username: str = "") -> bool:
    """Whether guessing programs find it early: a common one, plain or decorated, a run, a repetition, the user's name.

    Every common word stands for hundreds of passwords, for case, digits and signs around it and letters written as
    digits do not make it another. From fifteen characters on only the word list itself counts.
    """
    plain = password.casefold()
    name = username.casefold()
    if plain in weak_passwords() or plain == name or len(set(plain)) < 3 or _is_run(plain):
        return True
    if len(password) >= LONG_CHARS:
        return False
    core = _ENDS.sub("", plain)
    bare = {core, *(_ENDS.sub("", text.translate(table)) for table in _WRITTEN_AS for text in (plain, core))}
    return bool(bare & weak_words()) or (bool(name) and name in bare)


def _is_run(text: str) -> bool:
    """Whether it is one short piece again and again, or letters or digits in their order, forth or back."""
    if any(len(text) % size == 0 and text[:size] * (len(text) // size) == text for size in (1, 2, 3, 4)):
        return True
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({1}, {-1})


@cache
def weak_passwords() -> frozenset[str]:
    """Passwords that everybody tries first, lower case."""
    text = Path(__file__).with_name("weak_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.strip().casefold() for line in text.splitlines() if line.strip())


@cache
def weak_words() -> frozenset[str]:
    """The words in them, without the digits and signs around."""
    return frozenset(word for word in (_ENDS.sub("", entry) for entry in weak_passwords()) if len(word) >= 4)


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
