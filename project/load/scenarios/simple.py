"""Scenarios that are one run of one plan."""

from __future__ import annotations

from typing import Final

from project.load.core import profile
from project.load.core.plan import Plan
from project.load.core.record import RunRecord
from project.load.scenarios.scenario import (
    CLIENTS,
    DURATION,
    DURATION_MOST_S,
    INTERVAL,
    RATE_LIMIT,
    SPACING,
    Conductor,
    Option,
    Options,
    Planner,
    Play,
    Scenario,
)


def _steady(options: Options, seed: int) -> Plan:
    rate = options["rate"] or options["clients"] / options["message_interval"]
    return Plan(
        "steady",
        "open",
        profile.steady(rate, options["duration"]),
        connections=options["clients"],
        spacing=options["arrivals"],
        requests=options["requests"],
        seed=seed,
    )


def _load(options: Options, seed: int) -> Plan:
    return Plan(
        "load",
        "closed",
        profile.steady(options["users"], options["duration"]),
        think_s=options["think"],
        requests=options["requests"],
        rate_limit=options["rps"],
        seed=seed,
    )


def _burst(options: Options, seed: int) -> Plan:
    high = options["burst_size"] / options["message_interval"]
    low = options["idle_rate"]
    length = options["burst_duration"] + options["idle_duration"]
    shape = profile.burst(low, high, options["burst_duration"], options["idle_duration"], length * options["cycles"])
    return Plan("burst", "open", shape, connections=options["clients"], spacing=options["arrivals"], seed=seed)


def _ramp(options: Options, seed: int) -> Plan:
    shape = profile.ramp(
        options["initial_clients"], options["clients"], options["ramp_steps"], options["step_duration"]
    )
    return Plan("ramp", "closed", shape, think_s=options["message_interval"], seed=seed)


def _player(planner: Planner) -> Play:
    async def play(conductor: Conductor, options: Options) -> RunRecord:
        return await conductor.run(planner(options, conductor.seed))

    return play


REQUESTS: Final = Option("requests", "int", None, "End after so many calls.", 1, 10**9)

STEADY: Final = Scenario(
    "steady",
    "A constant number of connections and a constant rate, whatever the target does (open model).",
    (
        CLIENTS,
        DURATION,
        INTERVAL,
        Option("rate", "float", None, "Calls per second; instead of --message-interval.", 0.001, 1_000_000),
        SPACING,
        REQUESTS,
    ),
    _player(_steady),
    planner=_steady,
)
LOAD: Final = Scenario(
    "load",
    "A constant number of users, each waiting for its answer before it asks again (closed model).",
    (
        Option("users", "int", 10, "Users at once.", 1, 100_000),
        Option("duration", "float", 60.0, "Seconds.", 0.05, DURATION_MOST_S),
        Option("think", "float", 0.0, "Seconds a user thinks after each answer, on average.", 0, 3600),
        RATE_LIMIT,
        REQUESTS,
    ),
    _player(_load),
    planner=_load,
)
BURST: Final = Scenario(
    "burst",
    "Bursts of messages with rests between.",
    (
        Option("clients", "int", 200, "Connections.", 1, 100_000),
        Option("burst_size", "int", 100, "Clients that send during a burst.", 1, 100_000),
        Option("burst_duration", "float", 30.0, "Seconds of a burst.", 0.05, 86_400),
        Option("idle_duration", "float", 60.0, "Seconds of rest after it.", 0, 86_400),
        INTERVAL,
        Option("idle_rate", "float", 0.0, "Messages per second during the rests.", 0, 1_000_000),
        Option("cycles", "int", 3, "Bursts, each with its rest.", 1, 10_000),
        SPACING,
    ),
    _player(_burst),
    planner=_burst,
)
RAMP: Final = Scenario(
    "ramp",
    "More and more clients, in equal steps.",
    (
        Option("clients", "int", 500, "Clients at the end.", 1, 100_000),
        Option("initial_clients", "int", 10, "Clients at the beginning.", 0, 100_000),
        Option("ramp_steps", "int", 10, "Steps.", 1, 10_000),
        Option("step_duration", "float", 30.0, "Seconds of a step.", 0.05, 86_400),
        Option("message_interval", "float", 1.0, "Seconds a client pauses after an answer, on average.", 0, 3600),
    ),
    _player(_ramp),
    planner=_ramp,
)
