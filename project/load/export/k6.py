"""A run as a k6 script: one file, for ``k6 run``."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from project.load.core.profile import Stage
from project.load.errors import BadUsage
from project.load.export.script import Exported, data_of, part

_PER_S: Final = 60
"""k6 knows whole numbers of calls only: they are told per minute."""


_TIMES: Final = {"mean_ms": "avg", "p50_ms": "p(50)", "p90_ms": "p(90)", "p95_ms": "p(95)", "p99_ms": "p(99)"}
K6_MEASURES: Final = frozenset({*_TIMES, "max_ms", "error_percent", "rate"})
"""What k6 can be told to fail by."""


def k6_files(exported: Exported) -> dict[str, str]:
    """The script by its file's name. Raises BadUsage for what k6 cannot do."""
    bodies = ["k6_http.js"] if exported.kind == "http" else ["k6_socket.js", f"k6_{exported.kind}.js"]
    text = "".join(part(name) for name in bodies)
    # Imports come first in a module.
    imports = "".join(line + "\n" for line in text.splitlines() if line.startswith("import "))
    rest = "\n".join(line for line in text.splitlines() if not line.startswith("import ")).strip() + "\n"
    options = json.dumps(_options(exported), indent=2)
    name = f"{exported.name}.k6.js"
    script = (
        f"// {exported.plan.scenario}: k6 run {name}\n{imports}\n{data_of(exported)}\n{part('shape.js')}\n"
        + rest.replace("OPTIONS", options)
    )
    return {name: script}


def _options(exported: Exported) -> dict[str, Any]:
    options: dict[str, Any] = {"scenarios": {exported.plan.scenario: _executor(exported)}}
    if exported.plan.rate_limit is not None:
        if exported.kind != "http":
            raise BadUsage("k6 limits the rate of HTTP only: export without --rps")
        options["rps"] = math.ceil(exported.plan.rate_limit)
    if limits := _limits(exported):
        options["thresholds"] = limits
    return options


def _limits(exported: Exported) -> dict[str, list[str]]:
    """The limits at which a measure is critical; k6 knows no warnings."""
    is_http = exported.kind == "http"
    limits: dict[str, list[str]] = {}
    for rule in exported.thresholds:
        equal = "=" if rule.inclusive else ""
        if rule.metric in (*_TIMES, "max_ms"):
            metric, text = "http_req_duration" if is_http else "round_trip", _TIMES.get(rule.metric, "max")
            limits.setdefault(metric, []).append(f"{text}<{equal}{rule.warning:g}")
        elif rule.metric == "error_percent":
            metric = "http_req_failed" if is_http else "messages_failed"
            limits.setdefault(metric, []).append(f"rate<{equal}{rule.warning / 100:g}")
        elif rule.metric == "rate":
            metric = "http_reqs" if is_http else "messages_answered"
            limits.setdefault(metric, []).append(f"rate>{equal}{rule.warning:g}")
    return limits


def _executor(exported: Exported) -> dict[str, Any]:
    plan, stages = exported.plan, exported.stages
    seconds = sum(stage.duration_s for stage in stages)
    if plan.model == "open" and exported.kind != "http":
        # Each connection sends when it is time by its own schedule.
        return {
            "executor": "per-vu-iterations",
            "vus": exported.users,
            "iterations": 1,
            "maxDuration": _time(seconds + exported.drain_s + 30),
        }
    if plan.model == "open":
        most = max(exported.users, math.ceil(plan.profile.highest * exported.timeout_s))
        return {
            "executor": "ramping-arrival-rate",
            "startRate": round(stages[0].start * _PER_S),
            "timeUnit": f"{_PER_S}s",
            "stages": _stages(stages, _PER_S),
            "preAllocatedVUs": exported.users,
            "maxVUs": min(most, max(exported.users, 10_000)),
        }
    return {
        "executor": "ramping-vus",
        "startVUs": round(stages[0].start),
        "stages": _stages(stages, 1),
        "gracefulStop": _time(exported.drain_s),
    }


def _stages(stages: tuple[Stage, ...], scale: int) -> list[dict[str, Any]]:
    """k6 goes in a straight line from where the last stage ended; a jump is a stage of no length."""
    told: list[dict[str, Any]] = []
    level = stages[0].start
    for stage in stages:
        if stage.start != level:
            told.append({"duration": "0s", "target": round(stage.start * scale)})
        told.append({"duration": _time(stage.duration_s), "target": round(stage.end * scale)})
        level = stage.end
    return told


def _time(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
