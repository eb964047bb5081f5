"""What a calibration server does to its n-th message, decided beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from project.load.core.histogram import place_of
from project.load.errors import BadUsage


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything planted. Messages are numbered from 1 over the whole server, in the order of their arrival."""

    delays_ms: tuple[float, ...] = (0.0,)
    """Taken in turn: message n is answered after the (n-1 mod length)-th."""
    lost: frozenset[int] = frozenset()
    """Never answered; HTTP: the connection is cut."""
    doubled: frozenset[int] = frozenset()
    swapped: frozenset[int] = frozenset()
    """Answered after the message that follows."""
    failed: frozenset[int] = frozenset()
    """HTTP: status 500."""
    freeze_at_s: float = 0.0
    """From the first message."""
    freeze_s: float = 0.0
    """The whole server stands still for so long, once."""
    most_per_s: float = 0.0
    """Messages it can take in a second, one after another; what comes faster waits. 0: as many as come."""

    def delay_ms(self, number: int) -> float:
        """Of the message with that number."""
        return self.delays_ms[(number - 1) % len(self.delays_ms)]

    def percentile_ms(self, percent: float) -> float:
        """The true percentile of the delays over whole rounds of them."""
        return sorted(self.delays_ms)[place_of(percent, len(self.delays_ms)) - 1]


def parse_delays(text: str) -> tuple[float, ...]:
    """``20*90,50*9,200``: ninety of 20 ms, nine of 50 ms, one of 200 ms."""
    delays: list[float] = []
    try:
        for part in text.split(","):
            value, _, times = part.partition("*")
            delays += [float(value)] * int(times or 1)
    except ValueError:
        raise BadUsage(f"delays are written as 20*90,50*9,200 (ms*times), not as {text!r}") from None
    if not delays or len(delays) > 100_000 or not all(0 <= delay <= 600_000 for delay in delays):
        raise BadUsage("delays are from 0 to 600000 ms, at most 100000 of them")
    return tuple(delays)


def parse_numbers(text: str) -> frozenset[int]:
    """``10,200,3000``: numbers of messages."""
    try:
        return frozenset(int(part) for part in text.split(",") if part)
    except ValueError:
        raise BadUsage(f"numbers of messages are written as 10,200,3000, not as {text!r}") from None


@dataclass(slots=True)
class Tally:
    """What the server saw."""

    messages: int = 0
    connections: int = 0
