"""Work that only a few may do at once, whoever asks: the others wait, and turns go round among those who ask."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from project.errors import TryLater
from project.runtime import waited

MOST_WAITING: Final = 200
"""Of one who asks; the next is asked to come back."""


class Rotation:
    """Lets a few run at once; the others wait, one queue for each who asks, served in rotation."""

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
        """The turn is over: it goes to the next who asks."""
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

    @contextmanager
    def turn(self, who: str) -> Iterator[None]:
        """Around the work. Raises TryLater as ``take`` does."""
        self.take(who)
        try:
            yield
        finally:
            self.give()
