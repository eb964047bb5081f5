"""Message accounting of one connection, by sequence number: what was answered, lost, late, doubled, out of order.

Memory is bounded: numbers that are waited for (as many as may be open at once) and those given up (the latest
``remembered``). An answer to a number given up longer ago than that counts as doubled, not as late.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from project.load.core.record import Counts

REMEMBERED: Final = 10_000


class Receipt(Enum):
    """What a received message was."""

    ANSWER = "answer"
    LATE = "late"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    AFTER = "after"
    """The answer to a message that nobody waited for any more, because the run was over: no part of it."""


class Ledger:
    """Numbers messages from 1 and adds to ``counts``, which other ledgers of the run share."""

    __slots__ = ("_counts", "_given_up", "_highest", "_last", "_remembered", "waiting")

    def __init__(self, counts: Counts, remembered: int = REMEMBERED):
        self._counts = counts
        self._last = 0
        self._highest = 0
        self._remembered = remembered
        self._given_up: dict[int, bool] = {}  # whether it counts as lost
        self.waiting: set[int] = set()

    def sent(self, size_bytes: int = 0) -> int:
        """A message is sent; its number."""
        self._last += 1
        self.waiting.add(self._last)
        self._counts.sent += 1
        self._counts.bytes_sent += size_bytes
        return self._last

    def received(self, number: int | None, size_bytes: int = 0) -> Receipt:
        """A message came; ``number`` is the one it answers, None when it answers nothing."""
        if number is not None and self._given_up.get(number) is False:
            return Receipt.AFTER
        counts = self._counts
        counts.received += 1
        counts.bytes_received += size_bytes
        if number is None or not 0 < number <= self._last:
            counts.unknown += 1
            return Receipt.UNKNOWN
        if number in self.waiting:
            self.waiting.discard(number)
            self._in_order(number)
            return Receipt.ANSWER
        if number in self._given_up:
            del self._given_up[number]
            counts.lost -= 1
            counts.late += 1
            self._in_order(number)
            return Receipt.LATE
        counts.duplicated += 1
        return Receipt.DUPLICATE

    def give_up(self, number: int) -> None:
        """An answer was waited for long enough: the message counts as lost until it comes after all."""
        if number not in self.waiting:
            return
        self._counts.lost += 1
        self._give_up(number, lost=True)

    def abandon(self, number: int) -> None:
        """The run is over before the message was answered: it is neither lost nor, should the answer come, doubled."""
        if number in self.waiting:
            self._give_up(number, lost=False)

    def _give_up(self, number: int, *, lost: bool) -> None:
        self.waiting.discard(number)
        self._given_up[number] = lost
        if len(self._given_up) > self._remembered:
            del self._given_up[next(iter(self._given_up))]

    def unsent(self, number: int) -> None:
        """The message did not go out after all."""
        self.waiting.discard(number)
        self._counts.sent -= 1

    def _in_order(self, number: int) -> None:
        if number < self._highest:
            self._counts.out_of_order += 1
        else:
            self._highest = number
