"""Hashing passwords without holding up the site: off the event loop, and only a few at a time.

A hash takes a core for a tenth of a second. A hundred people (or one attacker) logging in at once would take every
core from the loop that serves everybody else, so those beyond a few wait for their turn, and those beyond many are
asked to come back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final

from project.accounts import passwords
from project.errors import TryLater

MOST_WAITING: Final = 200


class Hasher:
    """Makes and checks hashes; ``run_blocking`` runs work on a native thread."""

    def __init__(self, run_blocking: Callable[..., Any], most_at_once: int | None = None):
        self._run_blocking = run_blocking
        self._turn = threading.BoundedSemaphore(most_at_once or max(1, (os.cpu_count() or 2) // 2))
        self._waiting = 0

    def hashed(self, password: str) -> str:
        """A password's salted hash. Raises TryLater if too many wait already."""
        return str(self._run(passwords.hashed, password))

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether a password belongs to a stored hash; without one, False after the same time."""
        if len(password) > passwords.MOST_CHARS:
            return False
        if stored is None:
            self._run(passwords.matches, self._run(passwords.nobodys_hash), password)
            return False
        return bool(self._run(passwords.matches, stored, password))

    def _run(self, work: Callable[..., Any], *arguments: str) -> Any:
        if self._waiting >= MOST_WAITING:
            raise TryLater(retry_after_s=5.0)
        self._waiting += 1
        try:
            with self._turn:
                return self._run_blocking(work, *arguments)
        finally:
            self._waiting -= 1
