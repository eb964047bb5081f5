"""When calls are meant to start, in the open model: they come whether or not earlier ones were answered."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal, get_args

from project.load.core.profile import Profile
from project.load.errors import BadUsage

Spacing = Literal["constant", "poisson"]


def arrivals(profile: Profile, spacing: Spacing, seed: int) -> Iterator[float]:
    """Seconds from the start, ascending. ``constant``: even gaps; ``poisson``: independent callers, exponential gaps.

    Both walk along the area under the profile, so both follow any shape exactly; the same seed gives the same times.
    """
    if spacing not in get_args(Spacing):
        raise BadUsage(f"arrivals are {' or '.join(get_args(Spacing))}, not {spacing!r}")
    chance = random.Random(seed)
    covered = 0.0 if spacing == "constant" else chance.expovariate(1.0)
    count = 0
    while (at_s := profile.seconds_for(covered)) is not None:
        yield at_s
        count += 1
        # Multiplied, not summed: a million sums of 1.0 stay exact, but not those of other gaps.
        covered = float(count) if spacing == "constant" else covered + chance.expovariate(1.0)
