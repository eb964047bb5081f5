"""Names that could be taken for others: letters of several alphabets that look alike, and characters nobody sees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice, product
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
_WORD: Final = re.compile(r"([^\W\d_]+)")
MOST_SPELLINGS: Final = 64


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


def spellings(latin: str) -> tuple[str, ...]:
    """Other names that are read as this one: each word in the letters of any alphabet that has them all.

    Of a name with very many such letters only the first ``MOST_SPELLINGS``.
    """
    options = [tuple(islice(_spelled(word), MOST_SPELLINGS)) for word in _WORD.split(latin)]
    return tuple(islice(map("".join, product(*options)), 1, MOST_SPELLINGS))


def _spelled(word: str) -> Iterator[str]:
    yield word
    for twins in _TWINS.values() if word else ():
        yield from map("".join, product(*(twins.get(char, ()) for char in word)))


def _alphabet(char: str) -> str:
    first = unicodedata.name(char, "").partition(" ")[0]
    return first if first in ALIKE else ""


def _twins() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for foreign, latin in AS_LATIN.items():
        alphabet = found.setdefault(_alphabet(chr(foreign)), {})
        alphabet[chr(int(latin))] = alphabet.get(chr(int(latin)), "") + chr(foreign)
    return found


_TWINS: Final = _twins()
"""By alphabet: its letters that look like each Latin one."""
