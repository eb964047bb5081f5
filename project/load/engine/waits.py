"""Waiting that a stop ends early, and the pauses between attempts to connect."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Coroutine, Iterator
from typing import Any


async def stopped_within(stopping: asyncio.Event, seconds: float) -> bool:
    """Sleep, unless a stop comes; whether it came."""
    if seconds <= 0:
        return stopping.is_set()
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def unless_stopped(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether some work was done; a stop that comes first cancels it. Raises what it raises."""
    working, stop = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((working, stop), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        working.cancel()
        stop.cancel()
        await asyncio.gather(working, stop, return_exceptions=True)


async def ended_within(tasks: Collection[asyncio.Task[Any]], broken_off: asyncio.Event, seconds: float | None) -> None:
    """Wait until tasks have ended; at most so long (None: however long), and not once the run is broken off.

    Whoever presses Ctrl+C wants the results now.
    """
    if not tasks:
        return
    watching = {asyncio.create_task(asyncio.wait(set(tasks))), asyncio.create_task(broken_off.wait())}
    await asyncio.wait(watching, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in watching:
        task.cancel()


def backoff(chance: random.Random, first_s: float = 0.1, most_s: float = 5.0) -> Iterator[float]:
    """Pauses (s) that double up to ``most_s``, each up to a half shorter by chance, so that not all come at once."""
    pause = first_s
    while True:
        yield pause * chance.uniform(0.5, 1.0)
        pause = min(most_s, pause * 2)
