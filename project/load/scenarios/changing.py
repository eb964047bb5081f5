"""Scenarios whose load or length is the point: realistic users, soak, spike."""

from __future__ import annotations

import random
from typing import Final

from project.load.core import profile
from project.load.core.plan import Plan
from project.load.core.record import RunRecord
from project.load.core.steps import LEAST_FOR_DRIFT, drift_per_hour, recovery_s
from project.load.errors import BadUsage
from project.load.generators import RealisticScenarioGenerator
from project.load.scenarios.scenario import (
    CLIENTS,
    DURATION_MOST_S,
    INTERVAL,
    SPACING,
    Conductor,
    Option,
    Options,
    Scenario,
)


def parse_profiles(text: str) -> dict[str, float]:
    """``active:0.2 regular:0.5 passive:0.3``; the numbers are shares, whatever they add up to."""
    shares: dict[str, float] = {}
    for part in text.replace(",", " ").split():
        name, colon, share = part.partition(":")
        if name not in RealisticScenarioGenerator.PROFILES:
            raise BadUsage(f"a user is {', '.join(RealisticScenarioGenerator.PROFILES)}, not {name!r}")
        try:
            shares[name] = float(share) if colon else 1.0
        except ValueError:
            raise BadUsage(f"a share is a number, as in {name}:0.5, not {share!r}") from None
        if not 0 <= shares[name] < 1e9:
            raise BadUsage("shares are numbers from 0")
    if not sum(shares.values()):
        raise BadUsage("user profiles are written as active:0.2 regular:0.5 passive:0.3")
    return shares


def profiles_of(clients: int, shares: dict[str, float], seed: int) -> list[str]:
    """The profile of every client: as many of each as the shares say, in an order by chance."""
    total = sum(shares.values())
    chosen: list[str] = []
    reached = 0.0
    for name, share in shares.items():
        reached += clients * share / total
        chosen += [name] * (round(reached) - len(chosen))
    random.Random(seed).shuffle(chosen)
    return chosen


def people_of(options: Options, seed: int) -> list[str]:
    """The profile of every user of the realistic scenario."""
    return profiles_of(options["clients"], parse_profiles(options["user_profiles"]), seed)


def _realistic_plan(options: Options, seed: int) -> Plan:
    pace, arrive_s = options["pace"], min(options["arrive"], options["duration"])
    return Plan(
        "realistic",
        "closed",
        profile.climb(options["clients"], arrive_s, options["duration"] - arrive_s),
        thinks=tuple(RealisticScenarioGenerator.THINK_S[name] / pace for name in people_of(options, seed)),
        seed=seed,
    )


async def _realistic(conductor: Conductor, options: Options) -> RunRecord:
    conductor.profiles = people_of(options, conductor.seed)
    record = await conductor.run(_realistic_plan(options, conductor.seed))
    shares = parse_profiles(options["user_profiles"])
    record.findings["users"] = {name: conductor.profiles.count(name) for name in shares}
    return record


def _soak_plan(options: Options, seed: int) -> Plan:
    rate = options["clients"] / options["message_interval"]
    return Plan(
        "soak",
        "open",
        profile.steady(rate, options["duration"]),
        connections=options["clients"],
        spacing=options["arrivals"],
        seed=seed,
    )


async def _soak(conductor: Conductor, options: Options) -> RunRecord:
    record = await conductor.run(_soak_plan(options, conductor.seed))
    drift = drift_per_hour(record.series)
    record.findings["drift"] = drift or f"not known: that takes at least {LEAST_FOR_DRIFT} intervals with calls"
    if drift:
        hours = record.duration_s / 3600
        record.findings["drifts"] = abs(drift["per_hour"]) * hours > options["most_drift"]
    return record


def _spike_plan(options: Options, seed: int) -> Plan:
    return Plan(
        "spike",
        "open",
        profile.spike(
            options["base_rate"],
            options["spike_rate"],
            options["before"],
            options["spike_duration"],
            options["after"],
        ),
        connections=options["clients"],
        spacing=options["arrivals"],
        seed=seed,
    )


async def _spike(conductor: Conductor, options: Options) -> RunRecord:
    before_s, peak_s = options["before"], options["spike_duration"]
    base, peak = options["base_rate"], options["spike_rate"]
    record = await conductor.run(_spike_plan(options, conductor.seed))
    record.events = [
        {"at_s": before_s, "what": "spike", "rate": peak},
        {"at_s": before_s + peak_s, "what": "over", "rate": base},
    ]
    recovered = recovery_s(record.series, before_s, before_s + peak_s)
    # Without a whole interval before the peak there is nothing to be as good as again.
    without = "not within the run" if before_s >= 1 else "not known: nothing came before the peak"
    record.findings["recovery_s"] = without if recovered is None else recovered
    return record


REALISTIC: Final = Scenario(
    "realistic",
    "People of different kinds at work: they come, think, ask, and think again.",
    (
        Option("clients", "int", 200, "Users.", 1, 100_000),
        Option("user_profiles", "text", "active:0.2 regular:0.5 passive:0.3", "Kinds of users with their shares."),
        Option("duration", "float", 300.0, "Seconds.", 0.05, DURATION_MOST_S),
        Option("arrive", "float", 10.0, "Seconds over which they come.", 0, 86_400),
        Option("pace", "float", 1.0, "How much faster than people they are.", 0.01, 1000),
    ),
    _realistic,
    planner=_realistic_plan,
)
SOAK: Final = Scenario(
    "soak",
    "A constant rate for long, and whether the times drift.",
    (
        CLIENTS,
        Option("duration", "float", 3600.0, "Seconds.", 0.05, DURATION_MOST_S),
        INTERVAL,
        Option("most_drift", "float", 0.2, "Share by which the median may change over the run.", 0, 1000),
        SPACING,
    ),
    _soak,
    planner=_soak_plan,
)
SPIKE: Final = Scenario(
    "spike",
    "A base rate, a sudden peak, the base rate again; and how long recovering took.",
    (
        CLIENTS,
        Option("base_rate", "float", 20.0, "Calls per second before and after.", 0.1, 1_000_000),
        Option("spike_rate", "float", 500.0, "Calls per second of the peak.", 0.1, 1_000_000),
        Option("before", "float", 30.0, "Seconds before it.", 0, 86_400),
        Option("spike_duration", "float", 10.0, "Seconds of it.", 0.05, 86_400),
        Option("after", "float", 60.0, "Seconds after it.", 0, 86_400),
        SPACING,
    ),
    _spike,
    planner=_spike_plan,
)
