"""The site's clock: wall time that does not jump while the process lives."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since the epoch, UTC."""


def steady_clock(now: float | None = None) -> Clock:
    """A clock set once and driven by the monotonic one: a changed system time expires no lease.

    It is set by the wall, or by ``now``: nodes take the time from the database they share, so that they agree.
    """
    offset = (time.time() if now is None else now) - time.monotonic()
    return lambda: offset + time.monotonic()
