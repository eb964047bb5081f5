"""The order in which a space's requests are handed out: by turn, and within a turn by ``seq``.

First in, first out: everybody is in the same turn. Fair: each person has at most one request in a turn, so that
turns go round robin over the people who wait. A turn is given once, at submission, and kept: a request that is
queued again after a lost attempt comes before all that had not been handed out yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Order = Literal["fifo", "fair"]


@dataclass(frozen=True, slots=True)
class Line:
    """What a person finds in a space: who waits there, and the turns they have.

    ``own_waiting`` are the person's own. ``last_turn`` is the highest of all open requests; ``first_turn`` the lowest,
    and ``own_last_turn`` the person's highest, of those that were not handed out yet (None: there are none).
    """

    waiting: int = 0
    own_waiting: int = 0
    last_turn: int = 0
    first_turn: int | None = None
    own_last_turn: int | None = None


def turn_of(order: Order, line: Line) -> int:
    """The turn of a new request: the last one, or, if the order is fair, the first one that its person is not in."""
    if order == "fifo":
        return line.last_turn
    now = line.last_turn if line.first_turn is None else line.first_turn
    return now if line.own_last_turn is None else max(now, line.own_last_turn + 1)
