"""Who a secret belongs to, remembered for a moment, so that a status poll does not ask the database who is asking."""

from __future__ import annotations

from typing import Generic, TypeVar

from project.clock import Clock

FRESH_S = 2.0
ALONE_FRESH_S = 20.0
"""Where no other process can end a login, what is remembered is true until this one does."""
MOST = 10_000
T = TypeVar("T")


class FreshCache(Generic[T]):
    """Answers by a secret's hash, at most ``FRESH_S`` old, or, if this process is ``alone`` with its store,
    ``ALONE_FRESH_S``. What this process ends is forgotten at once."""

    def __init__(self, clock: Clock, *, alone: bool):
        self._clock = clock
        self._fresh_s = ALONE_FRESH_S if alone else FRESH_S
        self._kept: dict[str, tuple[T | None, float]] = {}
        self.endings = 0

    def get(self, key: str) -> tuple[bool, T | None]:
        """Whether it is known, and what the store said (None: nobody's)."""
        kept = self._kept.get(key)
        if kept is None or kept[1] <= self._clock():
            return False, None
        return True, kept[0]

    def put(self, key: str, value: T | None, endings: int) -> None:
        """Remember an answer of the store, asked when ``self.endings`` was ``endings``.

        A login that ended while the store was being asked must not be remembered as live.
        """
        if endings != self.endings:
            return
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[key] = (value, self._clock() + self._fresh_s)

    def forget_all(self) -> None:
        """Something has ended. That is rare, and asking again is cheap, so all of it is asked again."""
        self.endings += 1
        self._kept.clear()
