"""What the parts of one run share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from project.load.core.plan import Plan
from project.load.core.recorder import Recorder
from project.load.engine.clock import Sleeper, now_us
from project.load.errors import CallFailed
from project.load.targets.base import CONNECTION_FAILURES, Answer, Session, Target

log = logging.getLogger(__name__)

Sink = Callable[[int, int | None, int, Answer], None]
"""Takes every call: meant to start, sent (None: it never was), ended (µs of the run's clock), and its answer."""


@dataclass
class State:
    """One run under way. ``stopping`` is set when no more calls should start."""

    plan: Plan
    target: Target
    recorder: Recorder
    sleeper: Sleeper
    sinks: tuple[Sink, ...] = ()
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    broken_off: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when calls under way are not waited for either."""
    outcome: str = "finished"
    draining: bool = False
    """Whether the plan is done and only calls under way are waited for."""
    in_flight: int = 0
    started: int = 0
    silent_since_us: int | None = None
    """Since when nothing but failed connections was met; None while something answers."""
    silent_last_us: int = 0
    """When the last of them was met."""
    broken: BaseException | None = None
    """What went wrong in the run itself, and ended it."""

    def stop(self, outcome: str) -> None:
        """Start no more calls; the first outcome but ``finished`` counts, and does not let those under way end."""
        if self.outcome == "finished":
            self.outcome = outcome
        self.stopping.set()
        if self.outcome != "finished":
            self.broken_off.set()

    def may_start(self) -> bool:
        """Whether one more call may start; takes its place among ``plan.requests`` if so."""
        if self.stopping.is_set() or (self.plan.requests is not None and self.started >= self.plan.requests):
            return False
        self.started += 1
        self.recorder.counts.planned += 1
        return True

    async def session(self, number: int, *, shared: bool) -> Session:
        """One more session of the target. Raises CallFailed."""
        began_us = now_us()
        try:
            session = await self.target.session(number, shared=shared)
        except CallFailed as error:
            log.debug("user %d: cannot connect (%s): %s", number, error.kind, error.message)
            raise
        log.debug("user %d: connected in %.1f ms", number, (now_us() - began_us) / 1000)
        return session

    def ended(self, intended_us: int, sent_us: int, done_us: int, answer: Answer) -> None:
        """Take one call's end."""
        if not answer.is_sent:
            self.recorder.refused(done_us, answer.failure)
            self._told(intended_us, None, done_us, answer)
            return
        self.recorder.ended(intended_us, sent_us, done_us, answer.failure, answer.endpoint)
        if answer.stages:
            for metric, took_us in answer.stages.items():
                self.recorder.observe(metric, took_us)
        self._told(intended_us, sent_us, done_us, answer)

    def refused(self, intended_us: int, at_us: int, failure: str) -> None:
        """One call cannot be sent: it has failed, and has no time."""
        self.ended(intended_us, at_us, at_us, Answer(failure, is_sent=False))

    def _told(self, intended_us: int, sent_us: int | None, done_us: int, answer: Answer) -> None:
        for sink in self.sinks:
            sink(intended_us, sent_us, done_us, answer)
        if answer.failure:
            log.debug("%s failed (%s) %s", answer.endpoint or "a call", answer.failure, answer.message)
        if answer.failure and answer.failure in CONNECTION_FAILURES:
            self.connection_failed(done_us)
        else:
            self.silent_since_us = None

    def unfinished(self, intended_us: int, sent_us: int, now_us_: int) -> None:
        """One call is given up at the end. It is a failure, unless somebody broke the run off."""
        self.recorder.counts.unfinished += 1
        if self.outcome == "finished":
            self.ended(intended_us, sent_us, now_us_, Answer("unfinished"))

    def connection_failed(self, at_us: int) -> None:
        """The target could not be reached, or left; too long of this and it counts as lost."""
        if self.silent_since_us is None:
            self.silent_since_us = at_us
        self.silent_last_us = at_us

    def watch(self, task: asyncio.Task[None]) -> None:
        """Take it that a task of the run ended: what nobody expected ends the run, and is not passed over."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken = self.broken or error
            self.stop("interrupted")

    def is_lost(self, within_s: float) -> bool:
        """Whether the target has been gone for so long, by what was met: a time in which nobody asked says nothing."""
        since = self.silent_since_us
        return since is not None and self.silent_last_us - since > within_s * 1e6
