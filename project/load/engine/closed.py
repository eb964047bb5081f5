"""The closed model: so many users, each waiting for its answer and thinking before the next call."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from project.load.engine.clock import now_us
from project.load.engine.state import State
from project.load.engine.waits import backoff, ended_within, stopped_within
from project.load.errors import CallFailed
from project.load.targets.base import Session

ADJUST_S = 0.05
LONG_THINK_S = 1.0
"""From here on a task reads for the session, so that the server's pings are answered while its user thinks."""


class ClosedDriver:
    """Drives one run of the closed model."""

    def __init__(self, state: State):
        self._state = state
        self._users: dict[int, asyncio.Task[None]] = {}
        self._wanted = 0
        self._next_us = 0
        self._over = asyncio.Event()
        """No more calls will start: nobody needs to think, or to connect, any more."""

    async def prepare(self) -> None:
        """Nothing: users connect when they come."""

    async def drive(self) -> None:
        """Keep as many users as the profile says, until it is over or the run is stopped."""
        state = self._state
        profile = state.plan.profile
        start_us = self._next_us = state.recorder.start_us
        while (elapsed_s := (now_us() - start_us) / 1e6) < profile.duration_s and not self._is_over():
            self._adjust(round(profile.level_at(elapsed_s)))
            await stopped_within(self._over, min(ADJUST_S, profile.duration_s - elapsed_s))
        self._wanted = 0

    def _is_over(self) -> bool:
        state = self._state
        limit = state.plan.requests
        all_started = limit is not None and state.started >= limit and state.in_flight == 0
        return state.stopping.is_set() or all_started

    def _adjust(self, wanted: int) -> None:
        self._wanted = wanted
        for number in range(wanted):
            if number not in self._users:
                task = asyncio.create_task(self._user(number))
                task.add_done_callback(self._state.watch)
                self._users[number] = task
        self._state.recorder.users = wanted

    async def _user(self, number: int) -> None:
        """One user: connects, calls and thinks until it is one too many."""
        state = self._state
        chance = random.Random(state.plan.seed * 1_000_003 + number)
        think_s, paced = state.plan.think_of(number), state.plan.rate_limit is not None
        session: Session | None = None
        pauses: Iterator[float] | None = None
        try:
            while number < self._wanted and not state.stopping.is_set():
                if session is None or not session.is_open:
                    session = await self._connect(number, chance, session)
                    if session is None:
                        return
                    intended_us = now_us()
                if paced:
                    intended_us = await self._turn(intended_us)
                if number >= self._wanted or not state.may_start():
                    return
                intended_us = await self._call(session, intended_us)
                if state.silent_since_us is None:
                    pauses = None
                else:
                    # Nobody asks a server that is gone a thousand times a second.
                    pauses = pauses or backoff(chance)
                    await stopped_within(state.stopping, next(pauses))
                    intended_us = now_us()
                if think_s:
                    intended_us += int(chance.expovariate(1 / think_s) * 1e6)
                    await self._think(intended_us)
        finally:
            self._users.pop(number, None)
            if session is not None:
                await session.close()

    async def _turn(self, intended_us: int) -> int:
        """When the call may start: at once, or at its place under the limit of the rate."""
        limit = self._state.plan.rate_limit
        if limit is None:
            return intended_us
        at_us = max(self._next_us, intended_us)
        self._next_us = at_us + int(1e6 / limit)
        await self._think(at_us)
        return at_us

    async def _think(self, until_us: int) -> None:
        if (left_us := until_us - now_us()) > 200_000:
            await stopped_within(self._over, left_us / 1e6 - 0.1)
        if not self._over.is_set():
            await self._state.sleeper.until(until_us)

    async def _call(self, session: Session, intended_us: int) -> int:
        """One call; when it ended."""
        state = self._state
        sent_us = now_us()
        state.in_flight += 1
        try:
            answer = await session.call()
        except asyncio.CancelledError:
            state.unfinished(intended_us, sent_us, now_us())
            raise
        finally:
            state.in_flight -= 1
        done_us = now_us()
        state.ended(intended_us, sent_us, done_us, answer)
        if self._is_over():
            self._over.set()  # the run is as long as its calls, to the moment
        return done_us

    async def _connect(self, number: int, chance: random.Random, old: Session | None) -> Session | None:
        """A session, however long it takes; None when the user is no longer wanted."""
        state = self._state
        if old is not None:
            await old.close()
        shared = state.plan.think_of(number) >= LONG_THINK_S
        for pause in backoff(chance):
            try:
                session = await state.session(number, shared=shared)
            except CallFailed:
                state.connection_failed(now_us())
                if await stopped_within(self._over, pause) or number >= self._wanted:
                    return None
            else:
                state.recorder.counts.reconnections += old is not None
                return session
        return None

    async def drain(self, seconds: float | None) -> None:
        """Wait for calls under way, then give up on the rest; users close their own connections."""
        self._wanted = 0
        self._over.set()
        tasks = set(self._users.values())
        await ended_within(tasks, self._state.broken_off, seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
