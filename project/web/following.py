"""One request as a stream tells of it: the whole at first, then only what is new.

The text that comes in pieces is never sent twice: the stream's cursor says how much of which attempt's text the other
end has, and one that comes back with its cursor goes on from there, by what the store has kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Event = tuple[str, Mapping[str, Any]]
_CURSOR: Final = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})(\.end)?")
ESTIMATE_S: Final = 5.0
"""An estimate changes all the time; alone it is worth an event this often."""
_ESTIMATE: Final = "eta_seconds"


class Following:
    """What the other end knows of one request. ``cursor`` is what it said last, empty if it knows nothing yet."""

    def __init__(self, cursor: str = ""):
        found = _CURSOR.fullmatch(cursor)
        self._attempt, self._chars = (int(found[1]), int(found[2])) if found else (-1, 0)
        self.over = bool(found and found[3])
        self._facts: Mapping[str, Any] | None = None
        self._told_at = 0.0

    @property
    def cursor(self) -> str:
        """Where the other end is when it has got everything so far."""
        return f"{max(0, self._attempt)}.{self._chars}{'.end' if self.over else ''}"

    def news(self, status: Mapping[str, Any], now_s: float) -> Iterator[Event]:
        """Events that bring the other end from what it knows to ``status``; ``now_s`` is any steady clock.

        ``request``: the status, whole, or without ``partial`` where that is known; ``chunk``: text to be put behind it.
        ``cursor`` is where the other end is with each event, when it is asked for it before the next.
        """
        partial, attempt = str(status["partial"]), int(status["attempt"])
        facts = {name: value for name, value in status.items() if name not in ("partial", _ESTIMATE)}
        over = status["finished_at"] is not None
        text_known = attempt == self._attempt and self._chars <= len(partial)
        same = facts == self._facts
        if over and same:
            return
        if over or not text_known:
            self._attempt, self._chars, self.over = attempt, len(partial), over
            yield self._told("request", status, facts, now_s)
            return
        if not same or now_s - self._told_at >= ESTIMATE_S:
            known = {name: value for name, value in status.items() if name != "partial"}
            yield self._told("request", known, facts, now_s)
        if len(partial) > self._chars:
            had, self._chars = self._chars, len(partial)
            body = {"request_id": status["request_id"], "attempt": attempt, "from": had, "text": partial[had:]}
            yield "chunk", body

    def _told(self, name: str, body: Mapping[str, Any], facts: Mapping[str, Any], now_s: float) -> Event:
        self._facts, self._told_at = facts, now_s
        return name, body
