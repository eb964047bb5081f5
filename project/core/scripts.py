"""Names that could be taken for others: letters of several alphabets that look alike, and characters nobody sees."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

ALIKE: Final = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "COPTIC", "CHEROKEE")
"""Alphabets with letters that are drawn alike. Names of ordinary words keep to one of them."""
UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""Letters and marks that show as nothing: with them one name could pass for another."""
AS_LATIN: Final = str.maketrans(
    "аеорсухіјѕԛԝԁһӏАЕОРСУХІЈЅԚԜВНКМТҺӀονΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsqwdhlAEOPCYXIJSQWBHKMThlovABEZHIKMNOPTYX",
)
"""Letters of other alphabets, and what they are read as in Latin."""
_WORD: Final = re.compile(r"[^\W\d_]+")


def mixed(name: str) -> str:
    """The first word of a name with letters of several alphabets that look alike; empty if there is none."""
    for word in _WORD.findall(name):
        if len({found for char in word if (found := _alphabet(char))}) > 1:
            return str(word)
    return ""


def read_as(name: str) -> str:
    """What somebody would read a name as, all of whose foreign letters look like Latin ones; empty for any other."""
    shown = name.translate(AS_LATIN)
    return shown if shown != name and shown.isascii() else ""


def _alphabet(char: str) -> str:
    first = unicodedata.name(char, "").partition(" ")[0]
    return first if first in ALIKE else ""
