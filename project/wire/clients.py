"""Client records of the safe load testing suite: their fields, their rules, and which parts must agree.

The site checks uploaded rows by these rules; the load engine makes rows that keep them. A Canadian address is
believed when its postal code and its telephone number's area code belong to its province.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final


@dataclass(frozen=True, slots=True)
class Province:
    """A province or territory: its name, the first letters of its postal codes, its area codes."""

    name: str
    letters: str
    area_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class City:
    """A city with the first halves of some of its postal codes, and its area codes."""

    name: str
    province: str
    sortation_areas: tuple[str, ...]
    area_codes: tuple[str, ...]


PROVINCES: Final[Mapping[str, Province]] = {
    "AB": Province("Alberta", "T", ("403", "587", "780", "825", "368")),
    "BC": Province("British Columbia", "V", ("236", "250", "604", "672", "778")),
    "MB": Province("Manitoba", "R", ("204", "431", "584")),
    "NB": Province("New Brunswick", "E", ("506", "428")),
    "NL": Province("Newfoundland and Labrador", "A", ("709", "879")),
    "NS": Province("Nova Scotia", "B", ("902", "782")),
    "NT": Province("Northwest Territories", "X", ("867",)),
    "NU": Province("Nunavut", "X", ("867",)),
    "ON": Province(
        "Ontario",
        "KLMNP",
        (
            "226",
            "249",
            "289",
            "343",
            "365",
            "416",
            "437",
            "519",
            "548",
            "613",
            "647",
            "683",
            "705",
            "742",
            "807",
            "905",
        ),
    ),
    "PE": Province("Prince Edward Island", "C", ("902", "782")),
    "QC": Province(
        "Quebec", "GHJ", ("263", "354", "367", "418", "438", "450", "468", "514", "579", "581", "819", "873")
    ),
    "SK": Province("Saskatchewan", "S", ("306", "474", "639")),
    "YT": Province("Yukon", "Y", ("867",)),
}
CITIES: Final[tuple[City, ...]] = (
    City("Calgary", "AB", ("T2P", "T2R", "T3A"), ("403", "587")),
    City("Edmonton", "AB", ("T5J", "T5K", "T6E"), ("780", "587")),
    City("Red Deer", "AB", ("T4N", "T4P"), ("403",)),
    City("Vancouver", "BC", ("V5K", "V6B", "V6E"), ("604", "778")),
    City("Victoria", "BC", ("V8V", "V8W"), ("250", "778")),
    City("Kelowna", "BC", ("V1Y", "V1X"), ("250", "236")),
    City("Winnipeg", "MB", ("R2C", "R3B", "R3C"), ("204", "431")),
    City("Brandon", "MB", ("R7A", "R7B"), ("204",)),
    City("Moncton", "NB", ("E1A", "E1C"), ("506",)),
    City("Fredericton", "NB", ("E3A", "E3B"), ("506",)),
    City("St. John's", "NL", ("A1A", "A1B", "A1C"), ("709",)),
    City("Halifax", "NS", ("B3H", "B3J", "B3K"), ("902", "782")),
    City("Yellowknife", "NT", ("X1A",), ("867",)),
    City("Iqaluit", "NU", ("X0A",), ("867",)),
    City("Toronto", "ON", ("M4B", "M5V", "M6G"), ("416", "647", "437")),
    City("Ottawa", "ON", ("K1P", "K1N", "K2P"), ("613", "343")),
    City("Hamilton", "ON", ("L8N", "L8P"), ("905", "289")),
    City("London", "ON", ("N6A", "N6B"), ("519", "226")),
    City("Thunder Bay", "ON", ("P7A", "P7B"), ("807",)),
    City("Charlottetown", "PE", ("C1A", "C1E"), ("902",)),
    City("Montreal", "QC", ("H2X", "H2Y", "H3B"), ("514", "438")),
    City("Quebec City", "QC", ("G1R", "G1K"), ("418", "581")),
    City("Laval", "QC", ("H7N", "H7T"), ("450", "579")),
    City("Gatineau", "QC", ("J8X", "J8Y"), ("819", "873")),
    City("Regina", "SK", ("S4P", "S4R"), ("306", "639")),
    City("Saskatoon", "SK", ("S7K", "S7H"), ("306", "639")),
    City("Whitehorse", "YT", ("Y1A",), ("867",)),
)
POSTAL_LETTERS: Final = "ABCEGHJKLMNPRSTVWXYZ"
"""Letters of a postal code; D, F, I, O, Q and U are never used."""
STATUSES: Final = ("active", "inactive", "prospect")
MOST_TEXT_CHARS: Final = 200
OLDEST: Final = date(1900, 1, 1)
_POSTAL: Final = re.compile(rf"([{POSTAL_LETTERS}]\d[{POSTAL_LETTERS}]) ?(\d[{POSTAL_LETTERS}]\d)")
_PHONE: Final = re.compile(r"(?:\+?1[ .-]?)?\(?([2-9]\d\d)\)?[ .-]?[2-9]\d\d[ .-]?\d{4}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
Check = Callable[[str], "str | None"]


def _text(value: str) -> str | None:
    return None if len(value) <= MOST_TEXT_CHARS else f"may have at most {MOST_TEXT_CHARS} characters"


def _email(value: str) -> str | None:
    return (
        None if len(value) <= MOST_TEXT_CHARS and _EMAIL.fullmatch(value) else "is not an address like name@example.ca"
    )


def _phone(value: str) -> str | None:
    return None if _PHONE.fullmatch(value) else "is not a Canadian number like 416-555-0123"


def _province(value: str) -> str | None:
    return None if value.upper() in PROVINCES else f"is not one of {', '.join(PROVINCES)}"


def _postal_code(value: str) -> str | None:
    return None if _POSTAL.fullmatch(value.upper()) else "is not a postal code like K1A 0B1"


def _birthday(value: str) -> str | None:
    try:
        born = date.fromisoformat(value)
    except ValueError:
        return "is not a date like 1980-12-31"
    return None if born >= OLDEST else f"is before {OLDEST}"


def _status(value: str) -> str | None:
    return None if value.lower() in STATUSES else f"is not one of {', '.join(STATUSES)}"


FIELDS: Final[Mapping[str, Check]] = {
    "client_id": _text,
    "first_name": _text,
    "last_name": _text,
    "email": _email,
    "phone": _phone,
    "date_of_birth": _birthday,
    "address": _text,
    "city": _text,
    "province": _province,
    "postal_code": _postal_code,
    "status": _status,
}
"""The columns of a record, all required, each with its rule: what is wrong with a value, or None."""


def problems(row: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a record, by field; empty when nothing is. Values are texts without blanks around them."""
    found = {name: "is missing" for name in FIELDS if not row.get(name)}
    for name, check in FIELDS.items():
        problem = check(row[name]) if name not in found else None
        if problem is not None:
            found[name] = problem
    return found or _disagreements(row)


def _disagreements(row: Mapping[str, str]) -> dict[str, str]:
    code = row["province"].upper()
    province = PROVINCES[code]
    found: dict[str, str] = {}
    if row["postal_code"][0].upper() not in province.letters:
        found["postal_code"] = f"is not one of {province.name}"
    phone = _PHONE.fullmatch(row["phone"])
    if phone is None or phone[1] not in province.area_codes:
        found["phone"] = f"has no area code of {province.name}"
    known = {city.province for city in CITIES if city.name.casefold() == row["city"].casefold()}
    if known and code not in known:
        found["city"] = f"is not in {province.name}"
    return found
