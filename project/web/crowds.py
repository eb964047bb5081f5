"""How many calls of one person are being read at once: bodies lie in memory before any quota can count them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from project.core.model import User
from project.core.quotas import BUSY_S
from project.errors import TooManyOpen
from project.web.site import current_site

_calls: Counter[str] = Counter()
_lock = threading.Lock()


@contextmanager
def one_of_few(user: User) -> Iterator[None]:
    """Around a call that brings much. Raises TooManyOpen when the person has as many under way as requests open."""
    most = 0 if user.is_admin else current_site().settings.quota.open
    with _lock:
        if 0 < most <= _calls[user.id]:
            raise TooManyOpen(retry_after_s=BUSY_S)
        _calls[user.id] += 1
    try:
        yield
    finally:
        with _lock:
            _calls[user.id] -= 1
            if not _calls[user.id]:
                del _calls[user.id]
