"""Scenarios in which connections are lost: a reconnect storm, and a failover to another server."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any, Final

from project.load.core import profile
from project.load.core.plan import Plan
from project.load.core.record import RunRecord
from project.load.core.recorder import Recorder
from project.load.engine.clock import now_us
from project.load.engine.connecting import open_all
from project.load.engine.state import State
from project.load.engine.waits import backoff, stopped_within
from project.load.errors import BadUsage, CallFailed, TargetUnreachable
from project.load.scenarios.scenario import CLIENTS, DURATION, INTERVAL, SPACING, Conductor, Option, Options, Scenario
from project.load.targets.base import Answer, Session, Target

CONNECTED: Final = ("websocket", "socketio")
"""Kinds of targets with connections that stay."""


@dataclass
class StormDriver:
    """Holds many connections, cuts all of them at once, and has them come back. A call is one coming back."""

    state: State
    clients: int
    storms: int
    hold_s: float
    jitter_s: float
    patience_s: float
    took: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sessions: list[Session | None] = [None] * self.clients
        self._chance = random.Random(self.state.plan.seed)

    async def prepare(self) -> None:
        """Open every connection. Raises CallFailed when none can be opened."""
        self._sessions = await open_all(self.state, self.clients)

    async def drive(self) -> None:
        """Storm after storm."""
        state = self.state
        for number in range(1, self.storms + 1):
            state.recorder.users = sum(session is not None and session.is_open for session in self._sessions)
            if await stopped_within(state.stopping, self.hold_s):
                return
            began_us = now_us()
            await asyncio.gather(*(self._comes_back(place, began_us) for place in range(self.clients)))
            back = sum(session is not None and session.is_open for session in self._sessions)
            self.took.append(
                {
                    "at_s": (began_us - state.recorder.start_us) / 1e6,
                    "what": f"storm {number}",
                    "clients": self.clients,
                    "back": back,
                    "all_back_s": round((now_us() - began_us) / 1e6, 4),
                }
            )

    async def _comes_back(self, place: int, began_us: int) -> None:
        state = self.state
        old, self._sessions[place] = self._sessions[place], None
        if old is not None:
            await old.close()
        if self.jitter_s and await stopped_within(state.stopping, self._chance.uniform(0, self.jitter_s)):
            return
        if not state.may_start():
            return
        failure = "stopped"
        state.in_flight += 1
        try:
            for pause_s in backoff(self._chance):
                try:
                    self._sessions[place] = await state.session(place, shared=True)
                except CallFailed as error:
                    failure = error.kind
                else:
                    failure = ""
                    state.recorder.counts.reconnections += 1
                    break
                late = now_us() - began_us > self.patience_s * 1e6
                if late or await stopped_within(state.stopping, pause_s):
                    break
        finally:
            state.in_flight -= 1
        # From the cut, not from the first attempt: that is how long the user was away.
        state.ended(began_us, began_us, now_us(), Answer(failure, "reconnect"))

    async def drain(self, seconds: float | None) -> None:
        """Close every connection."""
        await asyncio.gather(*(session.close() for session in self._sessions if session is not None))


def _need_connections(scenario: str, target: Target) -> None:
    """Raises BadUsage for a target without connections that stay: there is nothing to cut, and nothing to move."""
    if target.kind not in CONNECTED:
        raise BadUsage(f"{scenario} needs connections that stay ({', '.join(CONNECTED)}), which {target.kind} has not")


async def _storm(conductor: Conductor, options: Options) -> RunRecord:
    target = conductor.make_target(1)
    _need_connections("storm", target)
    length_s = options["storms"] * (options["hold"] + options["patience"]) + 60
    drivers: list[StormDriver] = []

    def make(state: State) -> StormDriver:
        drivers.append(
            StormDriver(
                state, options["clients"], options["storms"], options["hold"], options["jitter"], options["patience"]
            )
        )
        return drivers[0]

    plan = Plan(
        "storm",
        "closed",
        profile.steady(options["clients"], length_s),
        requests=options["clients"] * options["storms"],
        give_up_s=options["patience"] + 1,
        seed=conductor.seed,
    )
    record = await conductor.run(plan, target=target, driver=make)
    record.events = drivers[0].took
    if record.events:
        record.findings["all_back_s"] = max(event["all_back_s"] for event in record.events)
        record.findings["not_back"] = sum(event["clients"] - event["back"] for event in record.events)
    return record


@dataclass
class FailoverTarget:
    """Several servers, of which one serves at a time: the first that can be reached, from the one used last."""

    targets: tuple[Target, ...]
    cut_after_s: float = 0.0
    """Treat the first server as dead from then on; 0: only when it is."""

    def __post_init__(self) -> None:
        self.kind = self.targets[0].kind
        self.url = self.targets[0].url
        self.failovers: list[dict[str, Any]] = []
        self._current = 0
        self._dead: set[int] = set()
        self._usable: set[int] = set()
        self._sessions: list[tuple[int, Session]] = []
        self._recorder: Recorder | None = None
        self._cutting: asyncio.Task[None] | None = None

    async def open(self, recorder: Recorder) -> None:
        """Open every server that is there. Raises TargetUnreachable when the first is not: nothing could fail over."""
        self._recorder = recorder
        for place, target in enumerate(self.targets):
            try:
                await target.open(recorder)
            except TargetUnreachable:
                if not place:
                    raise
                continue
            self._usable.add(place)
        if len(self._usable) < 2:
            await self.close()
            raise TargetUnreachable("None of the servers to fail over to can be reached")
        if self.cut_after_s:
            self._cutting = asyncio.create_task(self._cut())

    async def _cut(self) -> None:
        assert self._recorder is not None
        # The clock of the run starts after the connections are open.
        while self._recorder.counts.done == 0:
            await asyncio.sleep(0.01)
        await asyncio.sleep(max(0.0, self.cut_after_s - (now_us() - self._recorder.start_us) / 1e6))
        self._dead.add(0)
        await asyncio.gather(*(session.close() for place, session in self._sessions if place == 0))

    async def session(self, number: int, *, shared: bool) -> Session:
        """A session on the current server, or on the next that is there. Raises CallFailed when none is."""
        problem = CallFailed("not_connected")
        for step in range(len(self.targets)):
            place = (self._current + step) % len(self.targets)
            if place in self._dead or place not in self._usable:
                continue
            try:
                session = await self.targets[place].session(number, shared=shared)
            except CallFailed as error:
                problem = error
                continue
            if place != self._current:
                self._note(place)
            self._sessions.append((place, session))
            return session
        raise problem

    def _note(self, place: int) -> None:
        assert self._recorder is not None
        at_s = (now_us() - self._recorder.start_us) / 1e6
        self.failovers.append({"at_s": at_s, "what": "failover", "to": self.targets[place].url})
        self._current = place

    async def close(self) -> None:
        """Close every server."""
        if self._cutting is not None:
            self._cutting.cancel()
        await asyncio.gather(*(self.targets[place].close() for place in self._usable))


class Gaps:
    """A sink that keeps the longest time without any success."""

    def __init__(self) -> None:
        self._longest_us = 0
        self._first_us: int | None = None
        self._last_us = 0

    def take(self, intended_us: int, sent_us: int | None, done_us: int, answer: Answer) -> None:
        """Take one call."""
        if answer.failure:
            return
        if self._first_us is None:
            self._first_us = self._last_us = done_us
        self._longest_us = max(self._longest_us, done_us - self._last_us)
        self._last_us = max(self._last_us, done_us)

    def longest_us(self, from_us: int, to_us: int) -> int:
        """Of a run, its beginning and its end included: a service that is not back is away until then."""
        if self._first_us is None:
            return to_us - from_us
        return max(self._first_us - from_us, self._longest_us, to_us - self._last_us)


async def _failover(conductor: Conductor, options: Options) -> RunRecord:
    urls = [url for url in options["failover_url"].replace(",", " ").split() if url]
    if not urls:
        raise BadUsage("failover needs --failover-url: another server of the same kind")
    first = conductor.make_target(1)
    _need_connections("failover", first)
    target = FailoverTarget(
        (first, *(conductor.other_target(place + 2, url) for place, url in enumerate(urls))), options["cut_after"]
    )
    gaps = Gaps()
    plan = Plan(
        "failover",
        "open",
        profile.steady(options["clients"] / options["message_interval"], options["duration"]),
        connections=options["clients"],
        spacing=options["arrivals"],
        give_up_s=options["patience"],
        seed=conductor.seed,
    )
    record = await conductor.run(plan, target=target, sinks=(gaps.take,))
    record.events = target.failovers
    record.findings["failovers"] = len(target.failovers)
    begun_us = conductor.current.start_us if conductor.current is not None else 0
    record.findings["longest_gap_s"] = gaps.longest_us(begun_us, begun_us + int(record.duration_s * 1e6)) / 1e6
    record.findings["failed_calls"] = record.counts.failed
    return record


PATIENCE: Final = Option("patience", "float", 30.0, "Seconds to wait for a connection to come back.", 0.1, 3600)

STORM: Final = Scenario(
    "storm",
    "A reconnect storm: every connection is cut at once, and all come back at once (WebSocket, Socket.IO).",
    (
        CLIENTS,
        Option("storms", "int", 3, "Storms.", 1, 1000),
        Option("hold", "float", 5.0, "Seconds between them.", 0, 3600),
        Option("jitter", "float", 0.0, "Seconds over which the clients spread their return.", 0, 3600),
        PATIENCE,
    ),
    _storm,
)
FAILOVER: Final = Scenario(
    "failover",
    "Clients move to another server when theirs is gone; how long nobody was served (WebSocket, Socket.IO).",
    (
        CLIENTS,
        DURATION,
        INTERVAL,
        Option("failover_url", "text", "", "Other servers, separated by spaces."),
        Option("cut_after", "float", 0.0, "Treat the first server as dead after so many seconds.", 0, 86_400),
        PATIENCE,
        SPACING,
    ),
    _failover,
)
