"""Batches of client records in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

from project.core.batches import Batch


class MemoryBatches:
    """``BatchStore`` in memory."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._batches: dict[str, Batch] = {}

    def add(self, batch: Batch) -> None:
        """See the port."""
        with self._lock:
            self._batches[batch.id] = batch

    def list(self, user_id: str | None, *, limit: int = 50) -> tuple[Batch, ...]:
        """See the port."""
        with self._lock:
            found = [batch for batch in self._batches.values() if user_id in (None, batch.user_id)]
        newest = sorted(found, key=lambda batch: (-batch.created_at, batch.id))[:limit]
        return tuple(replace(batch, records=()) for batch in newest)

    def get(self, batch_id: str) -> Batch | None:
        """See the port."""
        return self._batches.get(batch_id)

    def remove(self, batch_id: str) -> bool:
        """See the port."""
        with self._lock:
            return self._batches.pop(batch_id, None) is not None
