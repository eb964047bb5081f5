"""What of a run goes into a script of another tool, and the script's parts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from project.load.core.plan import Plan
from project.load.core.profile import Profile, Stage
from project.load.core.thresholds import Threshold
from project.load.errors import BadUsage
from project.load.targets.http import Endpoint
from project.load.targets.messages import ID_PLACES, Matching

SOCKETS: Final = ("websocket", "socketio")

MOST_DRAIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Exported:
    """One run as data. ``calls`` are an HTTP target's, already with the headers of all; ``messages`` a socket's."""

    name: str
    kind: str
    """``websocket``, ``socketio`` or ``http``."""
    url: str
    plan: Plan
    headers: Mapping[str, str]
    timeout_s: float
    calls: Sequence[Endpoint] = ()
    messages: Sequence[Mapping[str, Any]] = ()
    matching: Matching = "id"
    event: str = "message"
    safe: bool = False
    """Every answer must say that it was a load test and kept nothing; otherwise the run ends."""
    thresholds: Sequence[Threshold] = ()
    """What fails the run; each tool takes those it has a word for."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The plan's stages; in the open model they end with its last call. Raises BadUsage for what none can say."""
        plan = self.plan
        if plan.requests is None:
            return plan.profile.stages
        if plan.model == "closed":
            raise BadUsage("a script ends by time: export without --requests, with --duration")
        end_s = plan.profile.seconds_for(plan.requests)
        return plan.profile.stages if end_s is None else _until(plan.profile, end_s)

    @property
    def drain_s(self) -> float:
        """Seconds a script waits at its end for calls under way: other tools wait for all, or until then."""
        return min(MOST_DRAIN_S, self.timeout_s)

    @property
    def users(self) -> int:
        """Connections of the open model, users of the closed one."""
        return self.plan.connections if self.plan.model == "open" else round(self.plan.profile.highest)


def _until(profile: Profile, end_s: float) -> tuple[Stage, ...]:
    kept: list[Stage] = []
    left = end_s
    for stage in profile.stages:
        if left <= 0:
            break
        length = min(left, stage.duration_s)
        kept.append(Stage(length, stage.start, stage.level_at(length)))
        left -= length
    return tuple(kept)


def body_of(call: Endpoint) -> str | None:
    """A call's body as text. Raises BadUsage for one that is none."""
    if call.json is not None:
        return json.dumps(call.json, ensure_ascii=False)
    try:
        return call.body.decode("utf-8") if call.body is not None else None
    except UnicodeDecodeError:
        raise BadUsage(f"the body of {call.path} is not text and cannot go into a script") from None


def headers_of(exported: Exported, call: Endpoint) -> dict[str, str]:
    """The headers of a call."""
    headers = {**exported.headers, **call.headers}
    if call.json is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    return headers


def turns(calls: Sequence[Endpoint]) -> list[Endpoint]:
    """Each call as often as it weighs, for tools that take them in turn."""
    return [call for call in calls for _ in range(call.weight)]


def data_of(exported: Exported) -> str:
    """The line ``const RUN = …`` that the scripts go by."""
    plan = exported.plan
    stages = [{"seconds": one.duration_s, "from": one.start, "to": one.end} for one in exported.stages]
    run: dict[str, Any] = {
        "name": exported.name,
        "url": exported.url,
        "model": plan.model,
        "stages": stages,
        "users": exported.users,
        "thinks": [round(think, 6) for think in plan.thinks] or [plan.think_s],
        "timeout_s": exported.timeout_s,
        "drain_s": exported.drain_s,
    }
    if exported.kind == "http":
        run["safe"] = exported.safe
        run["calls"] = [
            {
                "method": call.method,
                "path": call.path,
                "headers": headers_of(exported, call),
                "body": body_of(call),
                "expect": list(call.expect),
            }
            for call in turns(exported.calls)
        ]
    else:
        run |= {
            "headers": dict(exported.headers),
            "messages": list(exported.messages),
            "prefix": "load",
            "id_places": list(ID_PLACES),
            "matching": exported.matching,
            "event": exported.event,
        }
    return f"const RUN = {json.dumps(run, indent=2, ensure_ascii=False)};\n"


def part(name: str) -> str:
    """A part of a script that is the same in every export."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
