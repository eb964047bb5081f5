"""How much a connection may say: little before it has registered, and no faster than the site wants to listen after."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from project.config import Settings
from project.runtime import Runtime
from project.wire.limits import MAX_PAYLOAD_BYTES

MOST_BEFORE_REGISTERING: Final = 20
"""Messages of a client that has not registered yet; a worker needs two."""
MOST_BYTES_BEFORE: Final = MAX_PAYLOAD_BYTES
"""And their size together: a worker tells of all its leases when it comes back, which is the largest it has to say."""
BURST_S: Final = 2.0
"""So many seconds' worth of messages may come at once."""
LOOK_S: Final = 0.5


class Verdict(Enum):
    """What becomes of a message."""

    HEARD = auto()
    TOO_MANY = auto()
    GONE = auto()


@dataclass(slots=True)
class _Visitor:
    opened_at: float
    heard: int = 0
    heard_bytes: int = 0
    registered: bool = False
    tokens: float = 0.0
    counted_at: float = 0.0


class Gate:
    """The open connections, by the transport's id. ``cut`` closes one; the server sets it."""

    def __init__(self, runtime: Runtime, settings: Settings, clock: Callable[[], float] = time.monotonic):
        self._runtime = runtime
        self._register_s = settings.register_s
        self._per_s = settings.worker_messages_per_s
        self._clock = clock
        self._visitors: dict[str, _Visitor] = {}
        self._watching = False
        self.cut: Callable[[str, str], None] = lambda connection_id, reason: None

    def opened(self, connection_id: str) -> None:
        """A connection is there; it has to register before long."""
        self._visitors[connection_id] = _Visitor(self._clock())
        if not self._watching:
            self._watching = True
            self._runtime.spawn(self._watch)

    def registered(self, connection_id: str) -> None:
        """It is a worker of ours."""
        visitor = self._visitors.get(connection_id)
        if visitor is not None and not visitor.registered:
            visitor.registered = True
            visitor.tokens, visitor.counted_at = self._per_s * BURST_S, self._clock()

    def closed(self, connection_id: str) -> None:
        """It is gone."""
        self._visitors.pop(connection_id, None)

    def judge(self, connection_id: str, size_bytes: int = 0) -> Verdict:
        """Whether one more message of that size is listened to. A worker that says too much is heard later, not cut."""
        visitor = self._visitors.get(connection_id)
        if visitor is None:
            return Verdict.GONE
        if not visitor.registered:
            visitor.heard += 1
            visitor.heard_bytes += size_bytes
            little = visitor.heard <= MOST_BEFORE_REGISTERING and visitor.heard_bytes <= MOST_BYTES_BEFORE
            return Verdict.HEARD if little else Verdict.TOO_MANY
        now = self._clock()
        most = self._per_s * BURST_S
        visitor.tokens = min(most, visitor.tokens + (now - visitor.counted_at) * self._per_s) - 1
        visitor.counted_at = now
        if visitor.tokens < 0:
            # Its next frames wait in its own socket meanwhile: this is the task that reads them.
            self._runtime.sleep(-visitor.tokens / self._per_s)
        return Verdict.HEARD

    def _watch(self) -> None:
        """Cut whoever does not register in time, for as long as there is anybody who has not."""
        while True:
            self._runtime.sleep(LOOK_S)
            late = self._clock() - self._register_s
            waiting = [(key, visitor) for key, visitor in list(self._visitors.items()) if not visitor.registered]
            if not waiting:
                self._watching = False
                return
            for key, visitor in waiting:
                if visitor.opened_at < late:
                    self.cut(key, "did not register in time")
