"""Uploads of client records: every row is checked, and the good ones are kept, unless it is a load test."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from project.clock import Clock
from project.core.batches import Batch
from project.core.model import User
from project.errors import BatchNotFound, FieldInvalid
from project.storage.batches import BatchStore
from project.wire.clients import FIELDS, problems

MOST_ROWS: Final = 50_000
MOST_PROBLEMS: Final = 100
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row; the first below the heading is row 1."""

    row: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The good rows of an upload, how many others there were, and the first of the problems."""

    good: Sequence[Row]
    bad: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Processed:
    """What became of an upload: how many rows were good and bad, the first of the problems, and the batch if kept."""

    good: int
    bad: int
    problems: tuple[Problem, ...]
    batch_id: str | None


class Batches:
    """The use cases of client records."""

    def __init__(self, store: BatchStore, clock: Clock):
        self._store = store
        self._clock = clock

    def settle(self, user: User, name: str, checked: Checked, *, safe: bool) -> Processed:
        """Keep the good rows as a batch, or with ``safe`` none."""
        batch_id = None if safe else self._keep(user, name, checked.good)
        return Processed(len(checked.good), checked.bad, checked.problems, batch_id)

    def list(self, user: User) -> tuple[Batch, ...]:
        """The batches that ``user`` may see, newest first, without their records."""
        return self._store.list(None if user.is_admin else user.id)

    def get(self, user: User, batch_id: str) -> Batch:
        """A batch with its records. Raises BatchNotFound, also for somebody else's."""
        batch = self._store.get(batch_id)
        if batch is None or not (user.is_admin or batch.user_id == user.id):
            raise BatchNotFound
        return batch

    def remove(self, user: User, batch_id: str) -> None:
        """Forget a batch. Raises BatchNotFound."""
        self._store.remove(self.get(user, batch_id).id)

    def _keep(self, user: User, name: str, records: Sequence[Row]) -> str:
        batch = Batch(secrets.token_hex(16), user.id, name, self._clock(), len(records), records)
        self._store.add(batch)
        return batch.id


def check(rows: Sequence[Row]) -> Checked:
    """Check every row; pure, and long for many.

    Raises FieldInvalid for a file without rows, with too many, without a column, or with no good row at all.
    """
    _check_shape(rows)
    good: list[Row] = []
    found: list[Problem] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        wrong = problems(row) or _repeated(row, number, seen)
        found += [Problem(number, field, message) for field, message in wrong.items()]
        if not wrong:
            good.append({field: row[field] for field in FIELDS})
    if not good:
        first = found[0]
        raise FieldInvalid(f"No row can be used; row {first.row}: {first.field} {first.message}", field=first.field)
    return Checked(good, len(rows) - len(good), tuple(found[:MOST_PROBLEMS]))


def _check_shape(rows: Sequence[Row]) -> None:
    if not rows:
        raise FieldInvalid("The file has no rows below its heading", field="file")
    if len(rows) > MOST_ROWS:
        raise FieldInvalid(f"At most {MOST_ROWS} rows are taken at once", field="file")
    missing = [field for field in FIELDS if field not in rows[0]]
    if missing:
        raise FieldInvalid(f"The file has no column {', '.join(missing)}", field=missing[0])


def _repeated(row: Row, number: int, seen: dict[str, int]) -> dict[str, str]:
    first = seen.setdefault(row["client_id"], number)
    return {} if first == number else {"client_id": f"is that of row {first} as well"}
