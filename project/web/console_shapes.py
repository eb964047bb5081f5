"""The JSON of the console's routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from project.core.calls import Call, Outcome, Reason, Relayed, Statistics
from project.core.notices import EVERYBODY, NOBODY, Notice, NoticeCount
from project.core.runs import LoadRun, LoadSchedule, LoadTarget, Template, whole
from project.relay.views import iso
from project.rpc.load import step_report
from project.rpc.methods import Method
from project.rpc.monitor import Compared, Health, Served
from project.web.words import METHODS

NameOf = Callable[[str], str]


def sent(call: Call) -> dict[str, Any]:
    """The answer of the test client: five fields as documented, and on failure what is known of it."""
    answer: dict[str, Any] = {
        "success": call.outcome is Outcome.SUCCESS,
        "duration_ms": call.duration_ms,
        "response": call.response,
        "error": call.error,
        "correlation_id": call.id,
    }
    if call.outcome is not Outcome.SUCCESS:
        answer |= {"code": call.code, "field": call.field, "outcome": call.outcome.value, "trace": call.trace}
    return answer


def listed(entry: Call | Relayed, name_of: NameOf) -> dict[str, Any]:
    """One line of the log, whichever of the two it comes from."""
    if isinstance(entry, Call):
        return {
            "source": "rpc",
            "id": entry.id,
            "at": iso(entry.at),
            "method": entry.method,
            "caller": entry.caller,
            "outcome": entry.outcome.value,
            "ok": entry.outcome is Outcome.SUCCESS,
            "duration_ms": entry.duration_ms,
            "wait_ms": None,
            "worker": None,
            "error": entry.error,
            "code": entry.code,
            "test_id": entry.test_id,
            "replay_of": entry.replay_of,
        }
    return {
        "source": "relay",
        "id": entry.id,
        "at": iso(entry.at),
        "method": name_of(entry.space_id),
        "caller": entry.username,
        "outcome": entry.status,
        "ok": None if entry.status in ("queued", "processing", "cancelled") else entry.status == "completed",
        "duration_ms": _ms(entry.run_ms),
        "wait_ms": _ms(entry.wait_ms),
        "worker": entry.worker_id,
        "error": entry.error,
        "code": entry.code,
        "test_id": entry.test_id,
        "replay_of": None,
    }


def whole_call(call: Call) -> dict[str, Any]:
    """One call with what was sent and what came back."""
    return listed(call, str) | {
        "params": call.params,
        "response": call.response,
        "field": call.field,
        "trace": call.trace,
    }


def reason(one: Reason, name_of: NameOf) -> dict[str, Any]:
    """Why some calls or requests failed; ``filter`` is what the log's filter ``method`` calls them."""
    name = name_of(one.name) if one.source == "relay" else one.name
    told = {"source": one.source, "name": name, "filter": one.name, "code": one.code}
    return told | {"count": one.count, "last": iso(one.last_at)}


def compared(one: Compared, name: str) -> dict[str, Any]:
    """A group's statistics beside those of the week before."""
    return {
        "name": name,
        "part": one.now.part,
        **_statistics(one.now),
        "before": _statistics(one.before) if one.before is not None else None,
        "verdict": one.verdict,
    }


def _statistics(one: Statistics) -> dict[str, Any]:
    return {
        "count": one.count,
        "failures": one.failures,
        "p50_ms": round(one.p50_ms, 2),
        "p95_ms": round(one.p95_ms, 2),
        "last": iso(one.last_at) if one.count else None,
    }


def method(one: Method, space_id: str) -> dict[str, Any]:
    """A method as the test client offers it."""
    return {
        "name": one.name,
        "about": str(METHODS[one.name]),
        "timeout": one.timeout_s,
        "schema": one.schema(),
        "template": one.sample(space_id),
    }


def health(one: Health) -> dict[str, Any]:
    """A part of the site and how it is."""
    return {"name": one.name, "ok": one.ok, "detail": dict(one.detail)}


def served(one: Served) -> dict[str, Any]:
    """A space, its workers and its queue."""
    return {
        "space_id": one.space.id,
        "name": one.space.name,
        "queue_size": one.queue_size,
        "workers": [
            {
                "worker_id": worker.worker_id,
                "since": iso(worker.connected_at),
                "capacity": worker.capacity,
                "draining": worker.draining,
                "node": worker.node_id,
            }
            for worker in one.workers
        ],
    }


def status(run: LoadRun | None) -> dict[str, Any]:
    """The document's status of the load test under way, or of none."""
    if run is None:
        return {
            "test_id": None,
            "running": False,
            "progress": 0,
            "total": 0,
            "success_count": 0,
            "failed_count": 0,
            "avg_duration_ms": 0.0,
            "elapsed_time": 0.0,
            "rps": 0.0,
        }
    step = whole(run)
    return {
        "test_id": run.id,
        "running": run.state == "running",
        "progress": step.done,
        "total": run.target.total,
        "success_count": step.success,
        "failed_count": step.failed,
        "avg_duration_ms": round(step.avg_ms, 2),
        "elapsed_time": round(step.elapsed_s, 2),
        "rps": round(step.rps, 2),
    }


def report(run: LoadRun, user_of: NameOf) -> dict[str, Any]:
    """A run with everything that was measured."""
    return {
        "test_id": run.id,
        "state": run.state,
        **target(run.target),
        "started_by": user_of(run.started_by),
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "result": step_report(whole(run)),
        "steps": [step_report(step) for step in run.steps],
        "baseline": run.baseline,
        "alerts": list(run.alerts),
        "compared_to": run.compared_to,
        "schedule_id": run.schedule_id,
        "error": run.error,
        "code": run.code,
    }


def target(one: LoadTarget) -> dict[str, Any]:
    """What a run calls."""
    return {
        "method": one.method,
        "params": one.params,
        "total_requests": one.total,
        "concurrency": one.concurrency,
        "timeout": one.timeout_s,
        "mode": one.mode,
    }


def schedule(one: LoadSchedule, user_of: NameOf) -> dict[str, Any]:
    """A schedule."""
    return {
        "id": one.id,
        "name": one.name,
        **target(one.target),
        "every_s": one.every_s,
        "next_at": iso(one.next_at),
        "created_by": user_of(one.created_by),
        "last_run_id": one.last_run_id,
        "last_error": one.last_error,
        "last_code": one.last_code,
    }


def template(one: Template) -> dict[str, Any]:
    """Parameters kept under a name."""
    return asdict(one) | {"created_at": iso(one.created_at)}


def notice(one: Notice, user_of: NameOf) -> dict[str, Any]:
    """A notice as administrators see it: to whom, not what it said."""
    to = one.user_id
    return {
        "id": one.id,
        "at": iso(one.created_at),
        "kind": one.kind,
        "type": one.type,
        "to": None if to == EVERYBODY else to.removeprefix(NOBODY) if to.startswith(NOBODY) else user_of(to),
        "to_everybody": to == EVERYBODY,
        "to_nobody": to.startswith(NOBODY),
        "sender": one.sender,
        "title": one.title if one.kind == "notification" else "",
        "read": one.read,
    }


def counted(one: NoticeCount) -> dict[str, Any]:
    """How many notices of a kind there were."""
    return asdict(one) | {"last_at": iso(one.last_at)}


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
