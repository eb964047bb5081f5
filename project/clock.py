"""The site's clock: wall time that does not jump while the process lives."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since the epoch, UTC."""


def steady_clock() -> Clock:
    """A clock set by the wall once and driven by the monotonic one: a changed system time expires no lease."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()
