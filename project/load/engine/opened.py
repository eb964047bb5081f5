"""The open model: calls start when their time has come, whether or not earlier ones were answered.

A slow target does not slow the load down, so nobody's wait is left out: times count from the intended start.
"""

from __future__ import annotations

import asyncio
import random

from project.load.core.arrivals import arrivals
from project.load.engine.clock import now_us
from project.load.engine.connecting import open_all
from project.load.engine.state import State
from project.load.engine.waits import backoff, ended_within, stopped_within
from project.load.errors import CallFailed
from project.load.targets.base import Session

MOST_BEHIND_S = 1.0
"""How far past its end a schedule that could not be kept is still followed."""


class OpenDriver:
    """Drives one run of the open model."""

    def __init__(self, state: State):
        self._state = state
        self._sessions: list[Session | None] = [None] * state.plan.connections
        self._reopening: set[int] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._reconnecting: set[asyncio.Task[None]] = set()

    async def prepare(self) -> None:
        """Open the connections before the clock starts; some may fail, not all. Raises CallFailed."""
        self._sessions = await open_all(self._state, len(self._sessions))

    async def drive(self) -> None:
        """Start every call at its time; return when the profile is over or the run is stopped."""
        state = self._state
        plan = state.plan
        start_us = state.recorder.start_us
        last_us = start_us + int((plan.profile.duration_s + MOST_BEHIND_S) * 1e6)
        for order, at_s in enumerate(arrivals(plan.profile, plan.spacing, plan.seed)):
            intended_us = start_us + int(at_s * 1e6)
            if intended_us > now_us():
                await self._until(intended_us)
            elif order % 64 == 63:
                await asyncio.sleep(0)  # behind the schedule: answers must still be read
                if now_us() > last_us:
                    state.recorder.counts.never_started += (plan.planned or order) - order
                    return
            if not state.may_start():
                await self._answered()
                return
            self._start(order % len(self._sessions), intended_us)
        await self._until(start_us + int(plan.profile.duration_s * 1e6))

    async def _answered(self) -> None:
        """All calls that were asked for have begun: the run is as long as they are, to the moment."""
        await ended_within(self._calls, self._state.broken_off, self._state.plan.drain_s)

    async def _until(self, at_us: int) -> None:
        while not self._state.stopping.is_set() and (left_us := at_us - now_us()) > 0:
            await self._state.sleeper.until(at_us if left_us < 200_000 else now_us() + 100_000)

    def _start(self, number: int, intended_us: int) -> None:
        state = self._state
        session = self._sessions[number]
        if session is None or not session.is_open:
            self._reopen(number)
            state.refused(intended_us, now_us(), "not_connected")
        elif state.in_flight >= state.plan.most_open:
            state.refused(intended_us, now_us(), "too_many_open")
        else:
            self._keep(self._calls, asyncio.create_task(self._call(session, intended_us)))

    async def _call(self, session: Session, intended_us: int) -> None:
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
        state.ended(intended_us, sent_us, now_us(), answer)

    def _reopen(self, number: int) -> None:
        if number not in self._reopening:
            self._reopening.add(number)
            self._keep(self._reconnecting, asyncio.create_task(self._reconnect(number)))

    async def _reconnect(self, number: int) -> None:
        state = self._state
        old, self._sessions[number] = self._sessions[number], None
        try:
            if old is not None:
                await old.close()
            for pause in backoff(random.Random(state.plan.seed * 1_000_003 + number)):
                if await stopped_within(state.stopping, pause):
                    return
                try:
                    self._sessions[number] = await state.session(number, shared=True)
                except CallFailed:
                    state.connection_failed(now_us())
                    continue
                state.recorder.counts.reconnections += 1
                return
        finally:
            self._reopening.discard(number)

    def _keep(self, tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(self._state.watch)

    async def drain(self, seconds: float | None) -> None:
        """Wait for calls under way, then give up on the rest and close every connection."""
        await ended_within(self._calls, self._state.broken_off, seconds)
        left = self._calls | self._reconnecting  # a connection that no call would use is not waited for
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.gather(*(session.close() for session in self._sessions if session is not None))
