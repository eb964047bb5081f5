"""What may be a user's name."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from project.errors import FieldInvalid

LEAST_CHARS: Final = 3
MOST_CHARS: Final = 64
_CATEGORIES: Final = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No"})
_UNSEEN: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Letters and marks that show as nothing: with them one name could pass for another."""


def normal(username: str) -> str:
    """The one form of a name, however it was typed; of what no database can hold, something nobody is called."""
    storable = username.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
    return unicodedata.normalize("NFKC", storable).strip()


def checked(username: str) -> str:
    """The normal form of a name for a new account. Raises FieldInvalid."""
    username = normal(username)
    if not _is_name(username):
        raise FieldInvalid("The user name needs 3 to 64 letters, digits, dots, dashes or underscores", field="username")
    return username


def _is_name(username: str) -> bool:
    """Whether it is 3 to 64 letters of any script, their marks (Thai and Hindi write vowels so), digits, . _ -"""
    if not LEAST_CHARS <= len(username) <= MOST_CHARS or unicodedata.category(username[0])[0] == "M":
        return False
    if _UNSEEN.search(username):
        return False
    return all(char in "._-" or unicodedata.category(char) in _CATEGORIES for char in username)
