"""Results that the site has not acknowledged yet."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("project.worker")
RESEND_S = 10.0
MOST_RESULTS = 2000
"""More than a worker can hold of requests: what is beyond was left by earlier ones that the site did not take back."""
Message = Mapping[str, Any]


@dataclass(slots=True)
class _Entry:
    message: Message
    sent_at: float


class Outbox:
    """Keeps each result, in memory, until it is settled; tells what was not acknowledged within ``resend_s``.

    At most ``most_results`` are kept: the oldest goes first, and the log says so.
    """

    lasting = False
    """Whether results are still here when the process has ended."""

    def __init__(
        self,
        *,
        resend_s: float = RESEND_S,
        most_results: int = MOST_RESULTS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._resend_s = resend_s
        self._most_results = most_results
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._clock = clock

    def put(self, message: Message) -> None:
        """Keep a result that is being sent now."""
        request_id = str(message["request_id"])
        with self._lock:
            self._entries[request_id] = _Entry(message, self._clock())
            excess = list(self._entries)[: max(0, len(self._entries) - self._most_results)]
            for oldest in excess:
                del self._entries[oldest]
        for oldest in excess:
            log.error("more than %d results wait for the site: that of %s is given up", self._most_results, oldest)
        self._changed(request_id, *excess)

    def settle(self, message: Message) -> bool:
        """The site has this result, or will never take it; whether it was still here.

        Goes by the lease as well: the answer to a lost attempt says nothing of the next attempt's result.
        """
        request_id = str(message["request_id"])
        with self._lock:
            entry = self._entries.get(request_id)
            if entry is None or entry.message.get("lease_id") != message.get("lease_id"):
                return False
            del self._entries[request_id]
        self._changed(request_id)
        return True

    def due(self, *, everything: bool = False) -> list[Message]:
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

    def close(self) -> None:
        """Nothing more is put; what is here may be kept for later."""

    def __len__(self) -> int:
        return len(self._entries)

    def _kept(self, request_id: str) -> Message | None:
        """The result of a request, if it is here."""
        with self._lock:
            entry = self._entries.get(request_id)
        return entry.message if entry is not None else None

    def _changed(self, *request_ids: str) -> None:
        """These results have come or gone. Called without the lock."""
