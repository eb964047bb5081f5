"""The load engine: from Python by the names below, from a shell as ``python -m project.load SCENARIO --url TARGET``.

How it is built, from the inside out:

    core/         pure: profiles and arrivals, histograms, accounting of messages, series, thresholds, validity,
                  comparison, capacity search. Times are arguments. ``core.record.RunRecord`` is the one shape that
                  every face reads: reports, comparison, merging, the console, Prometheus.
    targets/      what can be driven: ``websocket``, ``socketio``, ``relay``, ``http`` (and services from TOML). One
                  ``Target`` opens ``Session``s; a session's ``call`` sends one message and returns its ``Answer``.
    engine/       runs a plan against a target: precise timers, open and closed drivers, own cost, progress, stop.
    scenarios/    one table: name, flags with defaults, how a plan is made of them.
    generators, sources   the messages of a run.
    api/          the Python API: clients, pool, lifecycles, scenarios, metrics.
    calibration/  a server whose delays, freezes and losses are known, to test the engine itself.
    output/       run.json (the record), metrics.json, results.csv, progress; other reports beside them.
    cli/          the command line.

It imports nothing of the site but ``project.wire`` and ``project.errors``, so it runs on a machine without Flask, and
beside a site of any async mode: it is a process of its own.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from project.load.api.client import ClientMetrics, ConnectionState, WebSocketClient
    from project.load.api.clients import WebSocketClientManager
    from project.load.api.lifecycles import (
        BurstyLifecycle,
        ConnectionLifecycle,
        FailoverLifecycle,
        IntermittentLifecycle,
        PersistentLifecycle,
    )
    from project.load.api.metrics import MetricsCollector
    from project.load.api.performance import PerformanceTestFramework, ServiceResults
    from project.load.api.pool import ConnectionPool
    from project.load.api.scenarios import (
        BurstLoadScenario,
        LoadScenario,
        RampUpScenario,
        RealisticUsageScenario,
        ScenarioConfig,
        SteadyLoadScenario,
        StressTestScenario,
    )
    from project.load.generators import (
        CommandMessageGenerator,
        EventMessageGenerator,
        MessageGenerator,
        MixedMessageGenerator,
        MonitoringMessageGenerator,
        QueryMessageGenerator,
        RealisticScenarioGenerator,
    )

_NAMES: Final[dict[str, str]] = {
    name: module
    for module, names in {
        "api.client": ("ClientMetrics", "ConnectionState", "WebSocketClient"),
        "api.clients": ("WebSocketClientManager",),
        "generators": (
            "CommandMessageGenerator",
            "EventMessageGenerator",
            "MessageGenerator",
            "MixedMessageGenerator",
            "MonitoringMessageGenerator",
            "QueryMessageGenerator",
            "RealisticScenarioGenerator",
        ),
        "api.lifecycles": (
            "BurstyLifecycle",
            "ConnectionLifecycle",
            "FailoverLifecycle",
            "IntermittentLifecycle",
            "PersistentLifecycle",
        ),
        "api.metrics": ("MetricsCollector",),
        "api.performance": ("PerformanceTestFramework", "ServiceResults"),
        "api.pool": ("ConnectionPool",),
        "api.scenarios": (
            "BurstLoadScenario",
            "LoadScenario",
            "RampUpScenario",
            "RealisticUsageScenario",
            "ScenarioConfig",
            "SteadyLoadScenario",
            "StressTestScenario",
        ),
    }.items()
    for name in names
}
"""Where each public name lives. They are loaded when asked for: ``project.load.core`` alone needs no aiohttp."""

__all__ = [
    "BurstLoadScenario",
    "BurstyLifecycle",
    "ClientMetrics",
    "CommandMessageGenerator",
    "ConnectionLifecycle",
    "ConnectionPool",
    "ConnectionState",
    "EventMessageGenerator",
    "FailoverLifecycle",
    "IntermittentLifecycle",
    "LoadScenario",
    "MessageGenerator",
    "MetricsCollector",
    "MixedMessageGenerator",
    "MonitoringMessageGenerator",
    "PerformanceTestFramework",
    "PersistentLifecycle",
    "QueryMessageGenerator",
    "RampUpScenario",
    "RealisticScenarioGenerator",
    "RealisticUsageScenario",
    "ScenarioConfig",
    "ServiceResults",
    "SteadyLoadScenario",
    "StressTestScenario",
    "WebSocketClient",
    "WebSocketClientManager",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"project.load.{_NAMES[name]}"), name)
