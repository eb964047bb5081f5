"""Hints that something changed. A hint carries nothing: whoever gets one asks the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType

from project.runtime import Event, waited


def space_topic(space_id: str) -> str:
    """The topic of a space: its workers and its queue."""
    return f"space:{space_id}"


def request_topic(request_id: str) -> str:
    """The topic of one request."""
    return f"request:{request_id}"


def ended_topic(request_id: str) -> str:
    """The topic of one request's end: whoever waits for nothing else need not be woken on the way."""
    return f"ended:{request_id}"


def logins_topic(user_id: str) -> str:
    """The topic of a person's logins: some have ended."""
    return f"logins:{user_id}"


def waiting_topic(space_id: str) -> str:
    """The topic of a space that has one more request to hand out."""
    return f"waiting:{space_id}"


def spaces_topic(space_id: str) -> str:
    """The topic of changes in a space's settings and tokens, its end included."""
    return f"spaces:{space_id}"


class Signals:
    """Who waits for which topic on this node; and who carries hints to others."""

    def __init__(self, new_event: Callable[[], Event]) -> None:
        self._new_event = new_event
        self._carry: Callable[[Iterable[str]], None] = lambda topics: None
        self._watches: dict[str, set[Watch]] = {}
        self._lock = threading.Lock()

    def carry_by(self, carry: Callable[[Iterable[str]], None]) -> None:
        """Give every hint of this node to ``carry`` as well, which must not wait."""
        self._carry = carry

    def notify(self, topics: Iterable[str]) -> None:
        """Wake those who watch any of the topics, here and on other nodes."""
        topics = tuple(topics)
        self.wake(topics)
        self._carry(topics)

    def wake(self, topics: Iterable[str]) -> None:
        """Wake those on this node who watch any of the topics."""
        for topic in topics:
            for watch in tuple(self._watches.get(topic, ())):
                watch.wake()

    def watch(self, *topics: str) -> Watch:
        """A watch on topics; a context manager."""
        return Watch(self, topics, self._new_event())

    def is_watched(self, topic: str) -> bool:
        """Whether somebody on this node watches the topic."""
        return topic in self._watches

    def add(self, watch: Watch, topics: Iterable[str]) -> None:
        """Begin to wake ``watch``."""
        with self._lock:
            for topic in topics:
                self._watches.setdefault(topic, set()).add(watch)

    def remove(self, watch: Watch, topics: Iterable[str]) -> None:
        """Wake ``watch`` no more."""
        with self._lock:
            for topic in topics:
                watches = self._watches.get(topic)
                if watches is not None:
                    watches.discard(watch)
                    if not watches:
                        del self._watches[topic]


class Watch:
    """Waits for hints on some topics; hints that come between two waits are not lost."""

    def __init__(self, signals: Signals, topics: tuple[str, ...], changed: Event):
        self._signals = signals
        self._topics = topics
        self._changed = changed

    def wake(self) -> None:
        """Something changed."""
        self._changed.set()

    def wait(self, timeout_s: float) -> bool:
        """Whether something changed since the last wait, waiting up to ``timeout_s`` for it."""
        changed = waited(partial(self._changed.wait, timeout_s), resting=True)
        self._changed.clear()
        return changed

    def __enter__(self) -> Watch:
        self._signals.add(self, self._topics)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signals.remove(self, self._topics)
