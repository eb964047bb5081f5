"""Hashing passwords without holding up the site: off the event loop, a few at a time, in fair turns.

A hash takes a core for a tenth of a second. A hundred people (or one attacker) logging in at once would take every
core from the loop that serves everybody else, so those beyond a few wait for their turn. Turns go round the addresses
they come from: whoever asks for a hundred waits for a hundred, and lets others between them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from project.accounts import passwords
from project.core.throttling import network
from project.rotation import Rotation


class Hasher:
    """Makes and checks hashes; ``run_blocking`` runs work on a native thread. ``address``: who asks for it."""

    def __init__(self, run_blocking: Callable[..., Any], most_at_once: int | None = None):
        self._run_blocking = run_blocking
        self._rotation = Rotation(most_at_once or max(1, (os.cpu_count() or 2) // 2))

    def hashed(self, password: str, address: str = "") -> str:
        """A password's salted hash. Raises TryLater if too many wait already."""
        return str(self._run(address, passwords.hashed, password))

    def matches(self, stored: str | None, password: str, address: str = "") -> bool:
        """Whether a password belongs to a stored hash; without one, False after the same time."""
        if len(password) > passwords.MOST_CHARS:
            return False
        if stored is None:
            self._run(address, _check_nobody, password)
            return False
        return bool(self._run(address, passwords.matches, stored, password))

    def _run(self, address: str, work: Callable[..., Any], *arguments: str) -> Any:
        with self._rotation.turn(network(address)):
            return self._run_blocking(work, *arguments)


def _check_nobody(password: str) -> None:
    passwords.matches(passwords.nobodys_hash(), password)
