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
    """Keeps each result until it is settled; sends again what was not acknowledged in time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._clock = clock

    def put(self, message: Mapping[str, Any]) -> None:
        """Keep a result that is being sent now."""
        with self._lock:
            self._entries[str(message["request_id"])] = _Entry(message, self._clock())

    def settle(self, request_id: str) -> bool:
        """The site has it, or will never take it; whether it was still here."""
        with self._lock:
            return self._entries.pop(request_id, None) is not None

    def due(self, *, everything: bool = False) -> list[Mapping[str, Any]]:
        """Results to send now: all of them after a reconnection, else those unanswered for long."""
        now = self._clock()
        with self._lock:
            entries = [e for e in self._entries.values() if everything or now - e.sent_at >= RESEND_S]
            for entry in entries:
                entry.sent_at = now
        return [entry.message for entry in entries]

    def leases(self) -> dict[str, str]:
        """Lease ids by request id, of everything kept."""
        with self._lock:
            return {key: str(entry.message.get("lease_id", "")) for key, entry in self._entries.items()}

    def __len__(self) -> int:
        return len(self._entries)
