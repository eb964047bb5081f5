"""Connections to a target: opening many before a run, without opening all at the same moment."""

from __future__ import annotations

import asyncio
from typing import Final

from project.load.engine.state import State
from project.load.errors import CallFailed
from project.load.targets.base import Session

CONNECTING_AT_ONCE: Final = 100


async def open_all(state: State, count: int) -> list[Session | None]:
    """The sessions 0 to ``count - 1``; None where one failed. Raises CallFailed when all did."""
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)
    problems: list[CallFailed] = []

    async def one(number: int) -> Session | None:
        async with gate:
            if state.stopping.is_set():
                return None
            try:
                return await state.session(number, shared=True)
            except CallFailed as error:
                problems.append(error)
                return None

    sessions = await asyncio.gather(*(one(number) for number in range(count)))
    if len(problems) == count:
        raise problems[0]
    return sessions
