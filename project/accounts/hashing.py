"""Hashing passwords without holding up the site: off the event loop, a few at a time, in fair turns.

A hash takes a core for a tenth of a second. A hundred people (or one attacker) logging in at once would take every
core from the loop that serves everybody else, so those beyond a few wait for their turn. Turns go round the addresses
they come from: whoever asks for a hundred waits for a hundred, and lets others between them.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, Final

from project.accounts import passwords
from project.core.throttling import network
from project.errors import TryLater
from project.runtime import waited

MOST_WAITING: Final = 200
"""From one address; the next is asked to come back."""


class Turns:
    """Lets a few run at once; the others wait, one queue an address, served in rotation."""

    def __init__(self, most_at_once: int, most_waiting: int = MOST_WAITING):
        self._free = most_at_once
        self._most_waiting = most_waiting
        self._waiting: OrderedDict[str, deque[threading.Event]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str) -> None:
        """Wait for a turn. Raises TryLater if too many of ``who`` wait already."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            queue = self._waiting.setdefault(who, deque())
            if len(queue) >= self._most_waiting:
                raise TryLater(retry_after_s=5.0)
            turn = threading.Event()
            queue.append(turn)
        waited(turn.wait)

    def give(self) -> None:
        """The turn is over: it goes to the next address."""
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            who, queue = next(iter(self._waiting.items()))
            turn = queue.popleft()
            if queue:
                self._waiting.move_to_end(who)
            else:
                del self._waiting[who]
        turn.set()


class Hasher:
    """Makes and checks hashes; ``run_blocking`` runs work on a native thread. ``address``: who asks for it."""

    def __init__(self, run_blocking: Callable[..., Any], most_at_once: int | None = None):
        self._run_blocking = run_blocking
        self._turns = Turns(most_at_once or max(1, (os.cpu_count() or 2) // 2))

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
        self._turns.take(network(address))
        try:
            return self._run_blocking(work, *arguments)
        finally:
            self._turns.give()


def _check_nobody(password: str) -> None:
    passwords.matches(passwords.nobodys_hash(), password)
