"""Results that the site has not acknowledged yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

RESEND_S = 10.0


@dataclass(slots=True)
class _Entry:
    message: Mapping[str, Any]
    sent_at: float


class Outbox:
    """Keeps each result, in memory, until it is settled; tells what was not acknowledged within ``resend_s``.

    ``Worker`` takes another object with these methods in its place, say one that keeps results on disk.
    """

    def __init__(self, *, resend_s: float = RESEND_S, clock: Callable[[], float] = time.monotonic):
        self._resend_s = resend_s
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._clock = clock

    def put(self, message: Mapping[str, Any]) -> None:
        """Keep a result that is being sent now."""
        with self._lock:
            self._entries[str(message["request_id"])] = _Entry(message, self._clock())

    def settle(self, message: Mapping[str, Any]) -> bool:
        """The site has this result, or will never take it; whether it was still here.

        Goes by the lease as well: the answer to a lost attempt says nothing of the next attempt's result.
        """
        request_id = str(message["request_id"])
        with self._lock:
            entry = self._entries.get(request_id)
            if entry is None or entry.message.get("lease_id") != message.get("lease_id"):
                return False
            del self._entries[request_id]
            return True

    def due(self, *, everything: bool = False) -> list[Mapping[str, Any]]:
        """Results to send now: all of them after a reconnection, else those unanswered for long."""
        now = self._clock()
        with self._lock:
            entries = [e for e in self._entries.values() if everything or now - e.sent_at >= self._resend_s]
            for entry in entries:
                entry.sent_at = now
        return [entry.message for entry in entries]

    def leases(self) -> dict[str, str]:
        """Lease ids by request id, of everything kept."""
        with self._lock:
            return {key: str(entry.message.get("lease_id", "")) for key, entry in self._entries.items()}

    def __len__(self) -> int:
        return len(self._entries)
