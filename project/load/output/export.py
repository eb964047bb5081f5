"""A scenario as a script for tools that teams may have already: k6, and Artillery."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from project.load.core.profile import Profile
from project.load.core.thresholds import Threshold
from project.load.errors import BadUsage


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the script."""

    method: str = "GET"
    path: str = "/"
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exported:
    """What is exported: the address, the calls in turn, the shape of the load, and what it is judged by."""

    name: str
    url: str
    calls: tuple[Call, ...]
    model: str
    profile: Profile
    think_s: float = 0.0
    thresholds: tuple[Threshold, ...] = ()

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https", "ws", "wss"):
            raise BadUsage(f"{self.url!r} is no address of a target")
        if not self.calls:
            raise BadUsage("there is nothing to call")

    @property
    def is_websocket(self) -> bool:
        """Whether messages are sent instead of requests."""
        return urlsplit(self.url).scheme in ("ws", "wss")


_K6_METRICS: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "error_percent": ("http_req_failed", lambda limit: f"rate<{limit / 100:g}"),
    "mean_ms": ("http_req_duration", lambda limit: f"avg<{limit:g}"),
    "p50_ms": ("http_req_duration", lambda limit: f"p(50)<{limit:g}"),
    "p90_ms": ("http_req_duration", lambda limit: f"p(90)<{limit:g}"),
    "p95_ms": ("http_req_duration", lambda limit: f"p(95)<{limit:g}"),
    "p99_ms": ("http_req_duration", lambda limit: f"p(99)<{limit:g}"),
    "rate": ("http_reqs", lambda limit: f"rate>{limit:g}"),
}


def k6_script(plan: Exported) -> str:
    """The scenario as a k6 script."""
    options = {"scenarios": {_word(plan.name): _k6_scenario(plan)}, "thresholds": _k6_thresholds(plan.thresholds)}
    head = "// Run with: k6 run FILE. Written by `python -m project.load export`.\n"
    setup = (
        f"export const options = {json.dumps(options, indent=2)};\nconst BASE = {json.dumps(plan.url.rstrip('/'))};\n"
    )
    return head + (_k6_websocket(setup, plan) if plan.is_websocket else _k6_http(setup, plan))


def _k6_scenario(plan: Exported) -> dict[str, Any]:
    stages = [
        stage
        for part in plan.profile.stages
        for stage in (
            {"duration": "0s", "target": round(part.start)},
            {"duration": f"{part.duration_s:g}s", "target": round(part.end)},
        )
    ]
    if plan.model == "closed":
        return {"executor": "ramping-vus", "startVUs": 0, "stages": stages, "gracefulRampDown": "10s"}
    most = max(10, round(plan.profile.highest))
    return {
        "executor": "ramping-arrival-rate",
        "startRate": round(plan.profile.stages[0].start),
        "timeUnit": "1s",
        "preAllocatedVUs": min(most, 1000),
        "maxVUs": min(10 * most, 10_000),
        "stages": stages,
    }


def _k6_thresholds(thresholds: Sequence[Threshold]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rule in thresholds:
        if rule.metric in _K6_METRICS:
            metric, write = _K6_METRICS[rule.metric]
            found.setdefault(metric, []).append(write(rule.warning))
    return found


def _k6_http(setup: str, plan: Exported) -> str:
    calls = [
        {"method": call.method, "path": call.path, "body": _text(call.body), "headers": _headers(call)}
        for call in plan.calls
    ]
    think = f"  sleep({plan.think_s:g});\n" if plan.think_s else ""
    return (
        "import http from 'k6/http';\nimport { check, sleep } from 'k6';\n\n"
        + setup
        + f"const CALLS = {json.dumps(calls, indent=2)};\n\n"
        "export default function () {\n"
        "  const call = CALLS[__ITER % CALLS.length];\n"
        "  const answer = http.request(call.method, BASE + call.path, call.body, { headers: call.headers });\n"
        "  check(answer, { 'below 400': (r) => r.status > 0 && r.status < 400 });\n" + think + "}\n"
    )


def _k6_websocket(setup: str, plan: Exported) -> str:
    return (
        "import ws from 'k6/ws';\nimport { check } from 'k6';\nimport { Trend } from 'k6/metrics';\n\n"
        + setup
        + "const roundTrip = new Trend('round_trip', true);\n\n"
        "export default function () {\n"
        "  let number = 0;\n  const sent = {};\n"
        "  const answer = ws.connect(BASE, {}, function (socket) {\n"
        f"    socket.setInterval(function () {{\n      const id = __VU + '-' + (number += 1);\n"
        "      sent[id] = Date.now();\n      socket.send(JSON.stringify({ id: id, type: 'ping' }));\n"
        f"    }}, {max(1, round((plan.think_s or 1) * 1000))});\n"
        "    socket.on('message', function (text) {\n      const id = JSON.parse(text).id;\n"
        "      if (sent[id]) { roundTrip.add(Date.now() - sent[id]); delete sent[id]; }\n    });\n"
        f"    socket.setTimeout(function () {{ socket.close(); }}, {round(plan.profile.duration_s * 1000)});\n  }});\n"
        "  check(answer, { connected: (r) => r && r.status === 101 });\n}\n"
    )


def artillery_file(plan: Exported) -> str:
    """The scenario as an Artillery file. It is JSON, which YAML, and so Artillery, takes as it is."""
    phases = [
        {
            "name": f"{plan.name} {number}",
            "duration": max(1, round(stage.duration_s)),
            "arrivalRate": _arrivals(plan, stage.start),
            "rampTo": _arrivals(plan, stage.end),
        }
        for number, stage in enumerate(plan.profile.stages, start=1)
    ]
    flow: list[dict[str, Any]] = [_artillery_step(plan, call) for call in plan.calls]
    config: dict[str, Any] = {"target": plan.url.rstrip("/"), "phases": phases}
    if ensured := _artillery_ensures(plan.thresholds):
        config |= {"plugins": {"ensure": {}}, "ensure": {"thresholds": ensured}}
    scenario: dict[str, Any] = {"name": plan.name, "flow": flow}
    if plan.is_websocket:
        scenario["engine"] = "ws"
    return json.dumps({"config": config, "scenarios": [scenario]}, indent=2) + "\n"


def _arrivals(plan: Exported, level: float) -> float:
    """New virtual users a second. One of Artillery's makes every call once and goes."""
    rate = level if plan.model == "open" else level / max(plan.think_s, 1.0)
    return max(1, round(rate / len(plan.calls)))


def _artillery_step(plan: Exported, call: Call) -> dict[str, Any]:
    if plan.is_websocket:
        return {"send": {"type": "ping"}}
    step: dict[str, Any] = {"url": call.path}
    if call.headers:
        step["headers"] = call.headers
    if call.body is not None:
        step["json"] = call.body
    return {call.method.lower(): step}


_ARTILLERY: Final = {
    "mean_ms": "http.response_time.mean",
    "p50_ms": "http.response_time.median",
    "p90_ms": "http.response_time.p90",
    "p95_ms": "http.response_time.p95",
    "p99_ms": "http.response_time.p99",
}


def _artillery_ensures(thresholds: Sequence[Threshold]) -> list[dict[str, float]]:
    return [{_ARTILLERY[rule.metric]: rule.warning} for rule in thresholds if rule.metric in _ARTILLERY]


def _headers(call: Call) -> dict[str, str]:
    return call.headers if call.body is None else {"Content-Type": "application/json", **call.headers}


def _text(body: Any) -> str | None:
    return None if body is None else json.dumps(body)


def _word(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name) or "scenario"


FORMATS: Final = {"k6": ("js", k6_script), "artillery": ("yml", artillery_file)}
