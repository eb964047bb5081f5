"""What one person may use of the site, over all its spaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from project.core.model import StoredFile
from project.errors import TooManyOpen, TooManyRequests, TooMuchKept, TryLater

WINDOW_S: Final = 60.0
BUSY_S: Final = 5.0
KEPT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests a minute, requests that are open at once, bytes of files kept; 0: no bound."""

    per_minute: int = 0
    open: int = 0
    kept_bytes: int = 0

    @property
    def bounds(self) -> bool:
        """Whether it bounds anything."""
        return bool(self.per_minute or self.open or self.kept_bytes)


NONE: Final = Quota()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a person uses: requests of the last minute and when the oldest of them came, open ones, bytes kept."""

    recent: int = 0
    oldest_at: float = 0.0
    open: int = 0
    kept_bytes: int = 0

    def with_request(self, now: float, size_bytes: int) -> Usage:
        """The same after one more request with so many bytes of files."""
        oldest = self.oldest_at if self.recent else now
        return Usage(self.recent + 1, oldest, self.open + 1, self.kept_bytes + size_bytes)


def size_of(files: Iterable[StoredFile]) -> int:
    """How many bytes files have together."""
    return sum(file.size_bytes for file in files)


def refuse(quota: Quota, usage: Usage, *, now: float, size_bytes: int) -> TryLater | None:
    """Why a request with ``size_bytes`` of files is more than the person may use, or None."""
    if 0 < quota.per_minute <= usage.recent:
        return TooManyRequests(retry_after_s=max(1.0, usage.oldest_at + WINDOW_S - now))
    if 0 < quota.open <= usage.open:
        return TooManyOpen(retry_after_s=BUSY_S)
    if 0 < quota.kept_bytes < usage.kept_bytes + size_bytes:
        return TooMuchKept(retry_after_s=KEPT_S)
    return None
