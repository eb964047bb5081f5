"""Who a token belongs to, remembered for a moment, so that a status poll does not ask the database who is asking."""

from __future__ import annotations

from project.clock import Clock
from project.core.model import User

FRESH_S = 2.0
MOST = 10_000


class SessionCache:
    """Users by token hash, at most ``FRESH_S`` old. What this process ends is forgotten at once."""

    def __init__(self, clock: Clock):
        self._clock = clock
        self._kept: dict[str, tuple[User | None, float]] = {}
        self.endings = 0

    def get(self, key: str) -> tuple[bool, User | None]:
        """Whether it is known, and the user (None: no live login)."""
        kept = self._kept.get(key)
        if kept is None or kept[1] <= self._clock():
            return False, None
        return True, kept[0]

    def put(self, key: str, user: User | None, endings: int) -> None:
        """Remember an answer of the store, asked when ``self.endings`` was ``endings``.

        A login that ended while the store was being asked must not be remembered as live.
        """
        if endings != self.endings:
            return
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[key] = (user, self._clock() + FRESH_S)

    def forget(self, key: str) -> None:
        """A login has ended."""
        self.endings += 1
        self._kept.pop(key, None)

    def forget_all(self) -> None:
        """Logins have ended, nobody knows which."""
        self.endings += 1
        self._kept.clear()
