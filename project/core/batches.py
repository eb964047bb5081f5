"""Batches of client records: what an upload held that was sent to be kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one upload, by field (``wire.clients.FIELDS``). ``name`` is the file's; times in s since the epoch.

    In listings ``records`` is empty; ``count`` always says how many there are.
    """

    id: str
    user_id: str
    name: str
    created_at: float
    count: int
    records: Sequence[Mapping[str, str]] = ()
