"""What happened at the stand-in site, in the order in which it happened there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from project.suites.expect import shown

CONNECTED: Final = "(connected)"
WELCOMED: Final = "(welcomed)"
"""Its registration was accepted, and it has been told."""
GONE: Final = "(gone)"
"""The connection is over; ``data`` is whether it was the worker who ended it."""
KNOCKED: Final = "(knocked)"
"""Somebody came while the site was away."""
PONG: Final = "(pong)"
OTHERWISE: Final = "(connected otherwise)"
"""Somebody wanted to connect by something else than a WebSocket; ``data`` says by what."""
FAULT: Final = "(fault)"
"""Something that no worker may do; ``data`` says what."""
FETCHED: Final = "(fetched)"
"""Or tried to; ``data`` is the address."""
UPLOADED: Final = "(uploaded)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing a worker did: an event of the protocol by its name, or one of the names above, in brackets.

    ``at``: monotonic seconds. ``link``: the number of the connection, 0 where there is none.
    """

    name: str
    data: Any = None
    link: int = 0
    ack_id: int | None = None
    at: float = 0.0

    @property
    def request_id(self) -> str:
        """Which request a message is about, as far as it says."""
        return str(self.data.get("request_id")) if isinstance(self.data, dict) else ""


Filter = Callable[[Entry], bool]


class Journal:
    """Entries, to be added by any thread and waited for by one. ``trace`` is told of each as a line."""

    def __init__(self, trace: Callable[[str], None] = lambda line: None) -> None:
        self._trace = trace
        self._entries: list[Entry] = []
        self._changed = threading.Condition()

    def add(self, name: str, data: Any = None, *, link: int = 0, ack_id: int | None = None) -> Entry:
        """Note what happened, now."""
        entry = Entry(name, data, link, ack_id, time.monotonic())
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()
        if name != PONG:
            self._trace(f"{link} {name} {'' if data is None else shown(data)}".rstrip())
        return entry

    @property
    def mark(self) -> int:
        """Where the journal ends now, to ask for what comes after."""
        with self._changed:
            return len(self._entries)

    def all(self, *names: str, since: int = 0, where: Filter | None = None) -> list[Entry]:
        """Entries of those names (of every name without any) from a mark on."""
        with self._changed:
            return self._matching(names, since, where)

    def wait(
        self, *names: str, since: int = 0, where: Filter | None = None, within_s: float, count: int = 1
    ) -> list[Entry]:
        """The same, once there are ``count`` of them or the time is over."""
        deadline = time.monotonic() + within_s
        with self._changed:
            while True:
                found = self._matching(names, since, where)
                left_s = deadline - time.monotonic()
                if len(found) >= count or left_s <= 0:
                    return found
                self._changed.wait(left_s)

    def _matching(self, names: tuple[str, ...], since: int, where: Filter | None) -> list[Entry]:
        entries = self._entries[since:]
        return [e for e in entries if (not names or e.name in names) and (where is None or where(e))]
