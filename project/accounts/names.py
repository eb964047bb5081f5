"""What may be a user's name."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from project.core import scripts
from project.errors import FieldInvalid, UsernameTaken

LEAST_CHARS: Final = 3
MOST_CHARS: Final = 64
_CATEGORIES: Final = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No"})


def normal(username: str) -> str:
    """The one form of a name, however it was typed; of what no database can hold, something nobody is called."""
    storable = username.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
    return unicodedata.normalize("NFKC", storable).strip()


def checked(username: str) -> str:
    """The normal form of a name for a new account. Raises FieldInvalid."""
    username = normal(username)
    if not _is_name(username):
        raise FieldInvalid("The user name needs 3 to 64 letters, digits, dots, dashes or underscores", field="username")
    if word := scripts.mixed(username):
        message = f"{word} has letters of several alphabets that look alike; write it in one"
        raise FieldInvalid(message, field="username")
    return username


def check_free(username: str, is_taken: Callable[[str], bool]) -> None:
    """Raise UsernameTaken for a name somebody has, or that is read as somebody's, whichever has the foreign letters."""
    if is_taken(username):
        raise UsernameTaken(field="username")
    latin = scripts.read_as(username) or username
    if any(map(is_taken, {latin, *scripts.spellings(latin)} - {username})):
        raise UsernameTaken("Everybody would read that name as somebody else's", field="username")


def _is_name(username: str) -> bool:
    """Whether it is 3 to 64 letters of any script, their marks (Thai and Hindi write vowels so), digits, . _ -"""
    if not LEAST_CHARS <= len(username) <= MOST_CHARS or unicodedata.category(username[0])[0] == "M":
        return False
    if scripts.UNSEEN.search(username):
        return False
    return all(char in "._-" or unicodedata.category(char) in _CATEGORIES for char in username)
