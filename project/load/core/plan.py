"""What a run is to do: frozen, and checked when it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from project.load.core.arrivals import Spacing
from project.load.core.profile import Profile
from project.load.errors import BadUsage

Model = Literal["open", "closed"]
"""Open: calls come when they come. Closed: so many users, each waiting for its answer, then thinking."""
MOST_USERS = 100_000
MOST_RATE = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Plan:
    """``profile``'s level is calls per second in the open model and users in the closed one."""

    scenario: str
    model: Model
    profile: Profile
    connections: int = 1
    """Open model: connections the calls take turns on."""
    spacing: Spacing = "constant"
    think_s: float = 0.0
    """Closed model: mean of the pause after each answer (exponential), 0 for none."""
    thinks: tuple[float, ...] = ()
    """Closed model: the same for every user by their number, in turn, instead of ``think_s``."""
    requests: int | None = None
    """At most so many calls; then the run is over, whatever the profile says."""
    rate_limit: float | None = None
    """Closed model: at most so many calls per second by all users together."""
    most_open: int = 50_000
    """Open model: calls under way at once; one more fails at once as ``too_many_open``, so that memory is bounded."""
    drain_s: float | None = None
    """How long calls that are under way at the end are waited for; None: until all have ended, each by its timeout."""
    give_up_s: float = 5.0
    """After so long with nothing but failed connections the target counts as lost."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.model not in ("open", "closed"):
            raise BadUsage(f"a model is open or closed, not {self.model!r}")
        most = MOST_RATE if self.model == "open" else MOST_USERS
        if self.profile.highest > most:
            raise BadUsage(f"{self.profile.highest:g} is more than the {most:g} one run may have")
        if self.profile.highest <= 0:
            raise BadUsage("a load needs a level above 0")
        if not 1 <= self.connections <= MOST_USERS:
            raise BadUsage(f"connections are from 1 to {MOST_USERS}")
        if self.requests is not None and self.requests < 1:
            raise BadUsage("requests are at least 1")
        if self.rate_limit is not None and not 0 < self.rate_limit <= MOST_RATE:
            raise BadUsage("a limit of the rate is above 0")
        if not all(math.isfinite(think) and think >= 0 for think in self.thinks):
            raise BadUsage("pauses are numbers of seconds from 0")
        for name in ("think_s", "drain_s", "give_up_s"):
            value = getattr(self, name)
            if value is not None and (not math.isfinite(value) or value < 0):
                raise BadUsage(f"{name} must be a number of seconds from 0")

    def think_of(self, number: int) -> float:
        """How long (s) a user pauses after an answer, on average."""
        return self.thinks[number % len(self.thinks)] if self.thinks else self.think_s

    @property
    def planned(self) -> int | None:
        """How many calls there will be, where that is known beforehand."""
        if self.model == "closed":
            return self.requests
        calls = math.ceil(self.profile.area - 1e-9)
        return min(calls, self.requests) if self.requests is not None else calls
