"""What is told to people: notifications, messages, and that a request of theirs has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

EVERYBODY: Final = "*"
"""In place of a user's id."""
NOBODY: Final = "?"
"""Before an address that is no user's: kept and counted, but never anybody's, whoever takes that name later."""
Kind = Literal["notification", "message", "request"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice in an inbox. ``id`` is random, or made of what it tells of, so that this is told once.

    ``type`` is the sender's own word (``info``, ``test``, ...). ``read`` is of the person who asks.
    """

    id: str
    user_id: str
    kind: Kind
    type: str
    title: str
    message: str
    created_at: float
    sender: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0
    read: bool = False


@dataclass(frozen=True, slots=True)
class NoticeCount:
    """How many notices of a kind and type were sent, to whom, and how many have been read."""

    kind: str
    type: str
    sent: int
    to_everybody: int
    to_nobody: int
    read: int
    last_at: float
