"""Made-up Canadian client records for uploads: unique, believable, and of nobody.

City, province, postal code and area code agree by the rules of ``project.wire.clients``, which the site checks. Mail
addresses are in ``.example`` domains, which cannot exist, and telephone numbers are from 555-0100 to 555-0199, which
are nobody's. The same seed gives the same records.
"""

from __future__ import annotations

import csv
import io
import random
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from project.load.errors import BadUsage
from project.wire.clients import CITIES, FIELDS, POSTAL_LETTERS, STATUSES

DOMAINS: Final = ("mail.example", "post.example", "letters.example", "inbox.example")
MOST_RECORDS: Final = 50_000
_NAMES: Final = 400
_BORN: Final = date(1940, 1, 1)
_BORN_DAYS: Final = 24_000
_POSTAL: Final = POSTAL_LETTERS


class ClientRecords:
    """Gives records, one after another; ``client_id`` and ``email`` never repeat."""

    def __init__(self, seed: int = 1):
        self._random = random.Random(seed)
        self._seed = seed
        self._made = 0
        # Here, because its tables of names take longer to load than most commands need in all.
        from faker import Faker

        faker = Faker(["en_CA", "fr_CA"])
        faker.seed_instance(seed)
        # Drawn once and combined by chance: ten thousand records in a moment, and still no two alike.
        self._first = [faker.first_name() for _ in range(_NAMES)]
        self._last = [faker.last_name() for _ in range(_NAMES)]
        self._streets = [faker.street_name().replace("\n", " ") for _ in range(_NAMES)]

    def __iter__(self) -> Iterator[dict[str, str]]:
        while True:
            yield self.next()

    def next(self) -> dict[str, str]:
        """One more record."""
        chance = self._random
        self._made += 1
        city = chance.choice(CITIES)
        first, last = chance.choice(self._first), chance.choice(self._last)
        area = chance.choice(city.sortation_areas)
        unit = f"{chance.randrange(10)}{chance.choice(_POSTAL)}{chance.randrange(10)}"
        record = {
            "client_id": f"LT-{self._seed}-{self._made:07d}",
            "first_name": first,
            "last_name": last,
            "email": f"{_plain(first)}.{_plain(last)}.{self._seed}.{self._made}@{chance.choice(DOMAINS)}",
            "phone": f"{chance.choice(city.area_codes)}-555-01{chance.randrange(100):02d}",
            "date_of_birth": (_BORN + timedelta(days=chance.randrange(_BORN_DAYS))).isoformat(),
            "address": f"{chance.randrange(1, 9999)} {chance.choice(self._streets)}",
            "city": city.name,
            "province": city.province,
            "postal_code": f"{area} {unit}",
            "status": chance.choice(STATUSES),
        }
        return {name: record[name] for name in FIELDS}

    def batch(self, count: int) -> list[dict[str, str]]:
        """The next ``count`` records."""
        if not 1 <= count <= MOST_RECORDS:
            raise BadUsage(f"a batch has 1 to {MOST_RECORDS} records, not {count}")
        return [self.next() for _ in range(count)]


def _plain(name: str) -> str:
    """A name as it may stand in a mail address."""
    spelled = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in spelled if letter.isascii() and letter.isalnum()).lower() or "client"


def as_csv(records: Sequence[dict[str, str]]) -> bytes:
    """The records as a CSV file, UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(FIELDS), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode("utf-8")


def as_xlsx(records: Sequence[dict[str, str]]) -> bytes:
    """The records as an Excel workbook, everything as text."""
    # Here, because few runs write one.
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("clients")
    sheet.append(list(FIELDS))
    for record in records:
        sheet.append([record[name] for name in FIELDS])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()
