"""Every scenario, a line each."""

from __future__ import annotations

from typing import Final

from project.load.errors import BadUsage
from project.load.scenarios import breaking, changing, losing, simple, upload
from project.load.scenarios.scenario import Scenario

SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.name: scenario
    for scenario in (
        simple.STEADY,
        simple.LOAD,
        simple.BURST,
        simple.RAMP,
        breaking.STRESS,
        changing.REALISTIC,
        changing.SOAK,
        changing.SPIKE,
        breaking.CAPACITY,
        losing.STORM,
        losing.FAILOVER,
        upload.UPLOAD,
    )
}


def scenario_named(name: str) -> Scenario:
    """A scenario by its name. Raises BadUsage, naming those there are."""
    if name not in SCENARIOS:
        raise BadUsage(f"There is no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]
