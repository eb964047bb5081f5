"""What the upload of client records asks of a store. As in ``storage.port``: durable on return, all or nothing."""

from __future__ import annotations

from typing import Protocol

from project.core.batches import Batch


class BatchStore(Protocol):
    """Batches of client records."""

    def add(self, batch: Batch) -> None:
        """Keep a batch with its records."""

    def list(self, user_id: str | None, *, limit: int = 50) -> tuple[Batch, ...]:
        """A person's batches, or everybody's, newest first, without their records."""

    def get(self, batch_id: str) -> Batch | None:
        """One batch whole, or None."""

    def remove(self, batch_id: str) -> bool:
        """Forget a batch; whether it was there."""
