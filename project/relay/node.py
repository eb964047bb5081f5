"""This process among those that share the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its id, whether no other can share its store, and after how long without a heartbeat one is dead."""

    id: str
    alone: bool
    stale_after_s: float

    @property
    def beat_s(self) -> float:
        """How often it says that it is alive."""
        return min(2.0, self.stale_after_s / 4)


ALONE: Final = Node("", True, 15.0)
"""A node that nobody needs to know."""
