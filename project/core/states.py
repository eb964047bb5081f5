"""The states of a request and the legal moves between them, as data.

    queued ──> processing ──> completed | failed | cancelled
      ^            │
      └────────────┘  a lease was lost and attempts remain

The database repeats this table as constraints; an illegal move changes nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a request is."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TRANSITIONS: Final[dict[Status, frozenset[Status]]] = {
    Status.QUEUED: frozenset({Status.PROCESSING, Status.FAILED, Status.CANCELLED}),
    Status.PROCESSING: frozenset({Status.QUEUED, Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}
TERMINAL: Final = frozenset(status for status, moves in TRANSITIONS.items() if not moves)
OPEN: Final = frozenset(Status) - TERMINAL


def may_move(before: Status, after: Status) -> bool:
    """Whether a request may go from ``before`` to ``after``."""
    return after in TRANSITIONS[before]
