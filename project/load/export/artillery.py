"""A run as an Artillery test: a file for ``artillery run`` (JSON, which is YAML) and its functions beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from project.load.core.profile import Stage
from project.load.errors import BadUsage
from project.load.export.script import Exported, body_of, data_of, headers_of, part, turns

_COME_S: Final = 1.0
"""As long connections have to come before the first messages, the same as in ``artillery_socket.js``."""

_TIMES: Final = {
    "mean_ms": "mean", "p50_ms": "median", "p90_ms": "p90", "p95_ms": "p95", "p99_ms": "p99", "max_ms": "max",
}  # fmt: skip
ARTILLERY_MEASURES: Final = frozenset(_TIMES)
"""What Artillery can be told to fail by."""


def artillery_files(exported: Exported) -> dict[str, str]:
    """Both files by their names. Raises BadUsage for what Artillery cannot do."""
    if exported.plan.rate_limit is not None:
        raise BadUsage("Artillery does not limit the rate of users who wait: export without --rps")
    functions = f"{exported.name}.artillery.cjs"
    config: dict[str, Any] = {
        "target": exported.url,
        "processor": f"./{functions}",
        "phases": _phases(exported),
        **_engine(exported),
    }
    if limits := _limits(exported):
        config |= {"plugins": {"ensure": {}}, "ensure": {"thresholds": limits}}
    test = {"config": config, "scenarios": _scenarios(exported)}
    bodies = (
        ["artillery_http.js"] if exported.kind == "http" else ["artillery_socket.js", f"artillery_{exported.kind}.js"]
    )
    return {
        f"{exported.name}.artillery.yml": json.dumps(test, indent=2, ensure_ascii=False) + "\n",
        functions: "\n".join([data_of(exported), part("shape.js"), *(part(name) for name in bodies)]),
    }


def _limits(exported: Exported) -> list[dict[str, float]]:
    """The limits (ms) at which a measure is critical; Artillery knows no warnings."""
    return [
        {f"{exported.kind}.response_time.{_TIMES[rule.metric]}": rule.warning}
        for rule in exported.thresholds
        if rule.metric in _TIMES
    ]


def _engine(exported: Exported) -> dict[str, Any]:
    if exported.kind == "http":
        return {"http": {"timeout": exported.timeout_s}}
    if exported.kind == "socketio":
        return {
            "socketio": {"transports": ["websocket"], "reconnection": False, "extraHeaders": dict(exported.headers)}
        }
    return {"ws": {"headers": dict(exported.headers)}}


def _phases(exported: Exported) -> list[dict[str, Any]]:
    if exported.plan.model == "open":
        if exported.kind != "http":
            return [_arrivals(_COME_S, exported.users)]
        return [_arrivals(stage.duration_s, stage.area) for stage in exported.stages]
    return _comings(exported.stages)


def _comings(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Users come until so many are there, and stay. Raises BadUsage when fewer are wanted later."""
    phases: list[dict[str, Any]] = []
    there = 0
    for stage in stages:
        for level, seconds in ((stage.start, 0.0), (stage.end, stage.duration_s)):
            missing = round(level) - there
            if missing < 0:
                raise BadUsage("Artillery cannot send users away")
            if missing or seconds:
                phases.append(_arrivals(seconds, missing))
            there += missing
    while phases and not phases[-1].get("arrivalCount"):
        phases.pop()  # users stay by themselves
    return phases


def _arrivals(seconds: float, count: float) -> dict[str, Any]:
    """A phase in which so many come; those that come at once come within a tenth of a second."""
    length = f"{max(100, round(seconds * 1000))}ms"
    return {"duration": length, "arrivalCount": round(count)} if round(count) else {"pause": length}


def _scenarios(exported: Exported) -> list[dict[str, Any]]:
    name = exported.plan.scenario
    if exported.kind == "websocket":
        return [{"name": name, "engine": "ws", "flow": [{"function": "work"}]}]
    if exported.kind == "socketio":
        return [{"name": name, "engine": "socketio", "flow": [{"function": "work"}]}]
    steps = [_step(exported, number) for number in range(len(turns(exported.calls)))]
    if exported.plan.model == "open":
        return [{"name": f"{name} {number}", "flow": [step]} for number, step in enumerate(steps)]
    paused = [part for step in steps for part in (step, {"function": "pause"})]
    return [{"name": name, "flow": [{"loop": paused, "whileTrue": "goesOn"}]}]


def _step(exported: Exported, number: int) -> dict[str, Any]:
    call = turns(exported.calls)[number]
    request: dict[str, Any] = {
        "url": call.path,
        "name": f"{call.method} {call.path}",
        "headers": headers_of(exported, call),
        "followRedirect": False,
        "afterResponse": f"check{number}",
    }
    body = body_of(call)
    if body is not None:
        request["body"] = body
    return {call.method.lower(): request}
