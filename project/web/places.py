"""How many streams a person may hold: a new one takes the place of the oldest.

A server learns that a page was left only when it next writes to it. Refusing the page that is opened now, for the sake
of one that was left a moment ago, would be the wrong way round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator


class Place:
    """One person's place. ``displaced`` once a newer stream has taken it."""

    def __init__(self) -> None:
        self.displaced = False


class Held(Iterator[str]):
    """The events of one stream; ``give_back`` is called when the server closes it, begun or not."""

    def __init__(self, events: Iterator[str], give_back: Callable[[], None]):
        self._events = events
        self._give_back = give_back

    def __next__(self) -> str:
        return next(self._events)

    def close(self) -> None:
        """Give the place back."""
        self._give_back()
        self._events.close()  # type: ignore[attr-defined]


class Places:
    """Each person's places, at most ``most`` of them."""

    def __init__(self, most: int):
        self._most = most
        self._taken: dict[str, list[Place]] = {}
        self._lock = threading.Lock()

    def hold(self, user_id: str, events: Callable[[Place], Iterator[str]]) -> Held:
        """The events in a place of their own; they end when it is ``displaced``."""
        place = Place()
        with self._lock:
            taken = self._taken.setdefault(user_id, [])
            taken.append(place)
            if len(taken) > self._most:
                taken.pop(0).displaced = True
        return Held(events(place), lambda: self._give_back(user_id, place))

    def _give_back(self, user_id: str, place: Place) -> None:
        with self._lock:
            taken = self._taken.get(user_id, [])
            if place in taken:
                taken.remove(place)
            if not taken:
                self._taken.pop(user_id, None)

    def count(self, user_id: str) -> int:
        """How many places a person has taken."""
        return len(self._taken.get(user_id, ()))
