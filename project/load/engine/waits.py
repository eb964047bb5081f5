"""Waiting that a stop ends early, and the pauses between attempts to connect."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator


async def stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    """Sleep, unless a stop comes; whether it came."""
    if seconds <= 0:
        return stopping.is_set()
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True


def backoff(chance: random.Random, first_s: float = 0.1, most_s: float = 5.0) -> Iterator[float]:
    """Pauses (s) that double up to ``most_s``, each up to a half shorter by chance, so that not all come at once."""
    pause = first_s
    while True:
        yield pause * chance.uniform(0.5, 1.0)
        pause = min(most_s, pause * 2)
