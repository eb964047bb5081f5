"""A scenario: a name, flags with defaults, and how it is played."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from project.load.core.plan import Plan
from project.load.core.record import RunRecord
from project.load.engine.run import DriverMaker, Run, Watcher
from project.load.engine.state import Sink
from project.load.errors import BadUsage
from project.load.targets.base import Target

Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Option:
    """One flag of a scenario. ``kind``: ``int``, ``float`` or ``text``; ``least`` and ``most`` are included."""

    name: str
    kind: str
    default: Any
    help: str
    least: float = 0
    most: float = math.inf

    @property
    def flag(self) -> str:
        """As it is typed."""
        return "--" + self.name.replace("_", "-")

    def checked(self, value: Any) -> Any:
        """The value as its kind. Raises BadUsage."""
        if value is None or self.kind == "text":
            return value
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise BadUsage(f"{self.flag} must be a number, not {value!r}") from None
        if self.kind == "int":
            if not number.is_integer():
                raise BadUsage(f"{self.flag} must be a whole number, not {value!r}")
            number = int(number)
        if not self.least <= number <= self.most:
            most = f" to {self.most:.15g}" if math.isfinite(self.most) else ""
            raise BadUsage(f"{self.flag} must be a number from {self.least:.15g}{most}, not {value}")
        return number


@dataclass
class Conductor:
    """Runs plans for a scenario, one after another, and can be stopped from outside at any time."""

    make_target: Callable[[int], Target]
    """A fresh target for the n-th run of the scenario."""
    seed: int = 1
    watchers: Sequence[Watcher] = ()
    sinks: Sequence[Sink] = ()
    name: str = ""
    stopped_as: str = ""
    current: Run | None = None
    runs: int = field(default=0)
    give_up_s: float | None = None
    """How long a target may be gone, instead of what the plan says."""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 30.0
    check: Callable[[Plan], None] = lambda plan: None
    """Raises RunRefused when a plan is more than the target may get."""
    make_other: Callable[[int, str], Target] | None = None
    profiles: Sequence[str] = ()
    """Of the users, by their number, where the scenario has different ones; the target's messages go by it."""

    async def run(
        self,
        plan: Plan,
        *,
        driver: DriverMaker | None = None,
        target: Target | None = None,
        watchers: Sequence[Watcher] = (),
        sinks: Sequence[Sink] = (),
    ) -> RunRecord:
        """One run of a plan, by ``driver`` where the model's own does not do."""
        self.check(plan)
        if self.give_up_s is not None:
            plan = replace(plan, give_up_s=self.give_up_s)
        self.runs += 1
        self.current = Run(
            plan,
            target or self.make_target(self.runs),
            watchers=(*self.watchers, *watchers),
            sinks=(*self.sinks, *sinks),
            name=self.name,
            driver=driver,
        )
        if self.stopped_as:
            self.current.stop(self.stopped_as)
        return await self.current.go()

    def epoch_s(self, at_us: int) -> float:
        """When, by the calendar, a moment of the run under way was."""
        run = self.current
        return run.started_at + (at_us - run.start_us) / 1e6 if run is not None else 0.0

    def other_target(self, number: int, url: str) -> Target:
        """A target like the run's own, at another address. Raises BadUsage where there is only one."""
        if self.make_other is None:
            raise BadUsage("this run has one target only")
        return self.make_other(number, url)

    def stop(self, outcome: str) -> None:
        """End the run under way, and start no other."""
        self.stopped_as = self.stopped_as or outcome
        if self.current is not None:
            self.current.stop(outcome)


Play = Callable[[Conductor, Options], Awaitable[RunRecord]]
Planner = Callable[[Options, int], Plan]
"""The plan of options and a seed."""


TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """``play`` gets every option by name, checked."""

    name: str
    summary: str
    options: tuple[Option, ...]
    play: Play
    profile: str = "none"
    """Thresholds it is judged by when nobody says which."""
    timeout_s: float = TIMEOUT_S
    """How long an answer is waited for when nobody says."""
    planner: Planner | None = None
    """What it does, where that is one plan known beforehand: other tools can do it, too."""

    def checked(self, given: Options) -> dict[str, Any]:
        """Defaults with what was given over them. Raises BadUsage, also for what this scenario does not know."""
        known = {option.name: option for option in self.options}
        for name in given:
            if name not in known:
                raise BadUsage(f"{self.name} has no {name!r}; it has {', '.join(known)}")
        return {name: option.checked(given.get(name, option.default)) for name, option in known.items()}


DURATION_MOST_S: Final = 7 * 24 * 3600
CLIENTS: Final = Option("clients", "int", 100, "Connections.", 1, 100_000)
DURATION: Final = Option("duration", "float", 300.0, "Seconds.", 0.05, DURATION_MOST_S)
INTERVAL: Final = Option("message_interval", "float", 1.0, "Seconds between two messages of a client.", 0.0001, 3600)
RATE_LIMIT: Final = Option("rps", "float", None, "At most so many calls per second by all users.", 0.001, 1e6)
SPACING: Final = Option("arrivals", "text", "constant", "constant: even gaps; poisson: independent callers.")
