"""Client records for tests: as various as real ones, whole by ``wire.clients``' rules, and nobody's.

The names of people are common ones put together by chance; addresses of mail end in domains that can never be real
(RFC 2606), telephone numbers in the range kept for fiction.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from project.wire.clients import CITIES, FIELDS, OLDEST, POSTAL_LETTERS, STATUSES

DOMAINS: Final = ("example.com", "example.net", "example.org", "clients.example", "mail.test")
FICTION: Final = "555-01"
YOUNGEST: Final = date(2007, 1, 1)
POOL: Final = 400
"""Names and streets are drawn from so many; making each anew would be the generator's own bottleneck."""
Record = dict[str, str]


class ClientRecords:
    """An endless row of records, no two with the same id or address of mail; the same for the same seed.

    ``first`` is the number of the first one, so that generators beside each other can stay apart.
    """

    def __init__(self, seed: int = 0, *, first: int = 1):
        self._random = random.Random(seed)
        self._next = first
        # Here, because its tables of names take longer to load than most commands need in all.
        from faker import Faker

        faker = Faker(["en_CA", "fr_CA"])
        faker.seed_instance(seed)
        self._first_names = [faker.first_name() for _ in range(POOL)]
        self._last_names = [faker.last_name() for _ in range(POOL)]
        self._streets = [faker["en_CA"].street_name() for _ in range(POOL)]

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        choose = self._random.choice
        number, self._next = self._next, self._next + 1
        first, last, city = choose(self._first_names), choose(self._last_names), choose(CITIES)
        born = YOUNGEST - timedelta(days=self._random.randrange((YOUNGEST - OLDEST).days // 2))
        return {
            "client_id": f"LT-{number:08d}",
            "first_name": first,
            "last_name": last,
            "email": f"{_plain(first)}.{_plain(last)}.{number}@{choose(DOMAINS)}",
            "phone": f"{choose(city.area_codes)}-{FICTION}{self._random.randrange(100):02d}",
            "date_of_birth": born.isoformat(),
            "address": f"{self._random.randrange(1, 9999)} {choose(self._streets)}",
            "city": city.name,
            "province": city.province,
            "postal_code": f"{choose(city.sortation_areas)} {self._half()}",
            "status": choose(STATUSES),
        }

    def batch(self, count: int) -> list[Record]:
        """The next ``count`` records."""
        return [next(self) for _ in range(count)]

    def _half(self) -> str:
        digit, letter = self._random.randrange, self._random.choice
        return f"{digit(10)}{letter(POSTAL_LETTERS)}{digit(10)}"


def as_csv(records: list[Record]) -> bytes:
    """Records as the file an upload takes."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(FIELDS))
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isascii() and char.isalpha()) or "client"
