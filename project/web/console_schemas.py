"""The shapes of the console's JSON as JSON Schema, for its OpenAPI description."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]
TEXT: Final[Schema] = {"type": "string"}
MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
NUMBER: Final[Schema] = {"type": "number"}
MAYBE_NUMBER: Final[Schema] = {"type": ["number", "null"]}
WHOLE: Final[Schema] = {"type": "integer"}
FLAG: Final[Schema] = {"type": "boolean"}
ANY: Final[Schema] = {}
OBJECT: Final[Schema] = {"type": "object"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
MAYBE_TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}


def closed(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """An object with these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def several(items: Schema) -> Schema:
    """An array."""
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    """A schema of the table below."""
    return {"$ref": f"#/components/schemas/{name}"}


_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 100}
_TIMEOUT: Final[Schema] = {"type": "number", "minimum": 1, "maximum": 60, "description": "Seconds."}
_TARGET: Final[dict[str, Schema]] = {
    "method": {**_NAME, "description": "A method, or space:<id> for a request to that space."},
    "total_requests": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100},
    "concurrency": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
    "params": {"type": "object", "description": "Without any the method's sample is used."},
    "timeout": _TIMEOUT,
    "mode": {"type": "string", "enum": ["load", "stress"], "default": "load"},
}
_MEASURED: Final[dict[str, Schema]] = {
    "count": WHOLE,
    "failures": WHOLE,
    "p50_ms": NUMBER,
    "p95_ms": NUMBER,
    "last": MAYBE_TIME,
}
_LISTED: Final[dict[str, Schema]] = {
    "source": {"type": "string", "enum": ["rpc", "relay"]},
    "id": TEXT,
    "at": TIME,
    "method": TEXT,
    "caller": TEXT,
    "outcome": TEXT,
    "ok": {"type": ["boolean", "null"]},
    "duration_ms": MAYBE_NUMBER,
    "wait_ms": MAYBE_NUMBER,
    "worker": MAYBE_TEXT,
    "error": MAYBE_TEXT,
    "code": MAYBE_TEXT,
    "test_id": MAYBE_TEXT,
    "replay_of": MAYBE_TEXT,
}
_STEP: Final = closed(
    {
        "concurrency": WHOLE,
        "total": WHOLE,
        "done": WHOLE,
        "success": WHOLE,
        "failed": WHOLE,
        "avg_ms": NUMBER,
        "p50_ms": NUMBER,
        "p95_ms": NUMBER,
        "p99_ms": NUMBER,
        "rps": NUMBER,
        "elapsed_s": NUMBER,
        "errors": {"type": "object", "additionalProperties": WHOLE},
    }
)
_RAN: Final[dict[str, Schema]] = {
    name: {key: value for key, value in schema.items() if key != "default"} for name, schema in _TARGET.items()
}

SCHEMAS: Final[dict[str, Schema]] = {
    "Error": closed(
        {
            "success": {"const": False},
            "error": TEXT,
            "code": TEXT,
            "field": TEXT,
            "retry_after": NUMBER,
        },
        optional=("field", "retry_after"),
    ),
    "Send": closed(
        {"method": _NAME, "params": OBJECT, "timeout": {**_TIMEOUT, "default": 10}}, optional=("params", "timeout")
    ),
    "Sent": closed(
        {
            "success": FLAG,
            "duration_ms": NUMBER,
            "response": ANY,
            "error": MAYBE_TEXT,
            "correlation_id": TEXT,
            "code": MAYBE_TEXT,
            "field": MAYBE_TEXT,
            "outcome": TEXT,
            "trace": MAYBE_TEXT,
        },
        optional=("code", "field", "outcome", "trace"),
    ),
    "LoadStart": closed(_TARGET, optional=tuple(name for name in _TARGET if name != "method")),
    "LoadStarted": closed({"test_id": TEXT, "started": FLAG, "message": TEXT}),
    "LoadStatus": closed(
        {
            "test_id": MAYBE_TEXT,
            "running": FLAG,
            "progress": WHOLE,
            "total": WHOLE,
            "success_count": WHOLE,
            "failed_count": WHOLE,
            "avg_duration_ms": NUMBER,
            "elapsed_time": NUMBER,
            "rps": NUMBER,
        }
    ),
    "LoadStopped": closed({"message": TEXT, "progress": WHOLE, "total": WHOLE}),
    "LoadRun": closed(
        {
            "test_id": TEXT,
            "state": {"type": "string", "enum": ["running", "finished", "stopped", "failed"]},
            **_RAN,
            "started_by": TEXT,
            "started_at": TIME,
            "finished_at": MAYBE_TIME,
            "result": _STEP,
            "steps": several(_STEP),
            "baseline": FLAG,
            "alerts": several({"type": "string", "enum": ["p95", "rps", "failures"]}),
            "compared_to": MAYBE_TEXT,
            "schedule_id": MAYBE_TEXT,
            "error": MAYBE_TEXT,
            "code": MAYBE_TEXT,
        }
    ),
    "LoadRuns": closed({"runs": several(ref("LoadRun"))}),
    "LoadComparison": closed(
        {"before": ref("LoadRun"), "after": ref("LoadRun"), "worse": several({"enum": ["p95", "rps", "failures"]})}
    ),
    "Baseline": closed({"chosen": FLAG}),
    "BaselineSet": closed({"test_id": TEXT, "baseline": FLAG}),
    "NewSchedule": closed(
        {
            "name": _NAME,
            "every_s": {"type": "number", "minimum": 60, "maximum": 30 * 86400, "description": "Seconds."},
            **_TARGET,
        },
        optional=tuple(name for name in _TARGET if name != "method"),
    ),
    "Schedule": closed(
        {
            "id": TEXT,
            "name": TEXT,
            **_RAN,
            "every_s": NUMBER,
            "next_at": TIME,
            "created_by": TEXT,
            "last_run_id": MAYBE_TEXT,
            "last_error": MAYBE_TEXT,
            "last_code": MAYBE_TEXT,
        }
    ),
    "Schedules": closed({"schedules": several(ref("Schedule"))}),
    "Method": closed({"name": TEXT, "about": TEXT, "timeout": NUMBER, "schema": OBJECT, "template": OBJECT}),
    "Methods": closed({"methods": several(ref("Method"))}),
    "NewTemplate": closed({"name": _NAME, "method": _NAME, "params": OBJECT}, optional=("params",)),
    "Template": closed(
        {"id": TEXT, "name": TEXT, "method": TEXT, "params": OBJECT, "created_by": TEXT, "created_at": TIME}
    ),
    "Templates": closed({"templates": several(ref("Template"))}),
    "Removed": closed({"removed": FLAG}),
    "Listed": closed(_LISTED),
    "Requests": closed({"requests": several(ref("Listed")), "limit": WHOLE}),
    "Call": closed(
        {**_LISTED, "params": OBJECT, "response": ANY, "field": MAYBE_TEXT, "trace": MAYBE_TEXT},
    ),
    "Compared": closed(
        {
            "name": TEXT,
            "part": TEXT,
            "about": TEXT,
            **_MEASURED,
            "before": {"anyOf": [closed(_MEASURED), {"type": "null"}]},
            "verdict": {"type": "string", "enum": ["worse", "better", "same", "unknown"]},
        },
        optional=("about",),
    ),
    "Statistics": closed(
        {
            "hours": NUMBER,
            "methods": several(ref("Compared")),
            "spaces": several(ref("Compared")),
            "workers": several(ref("Compared")),
        }
    ),
    "Overview": closed(
        {
            "at": TIME,
            "health": several(closed({"name": TEXT, "ok": FLAG, "detail": OBJECT})),
            "counts": {"type": "object", "additionalProperties": WHOLE},
            "minutes": several(closed({"at": WHOLE, "count": WHOLE, "failures": WHOLE, "tests": WHOLE})),
            "reasons": several(
                closed({"source": TEXT, "name": TEXT, "filter": TEXT, "code": TEXT, "count": WHOLE, "last": TIME})
            ),
            "methods": several(ref("Compared")),
            "spaces": several(ref("Compared")),
            "workers": several(ref("Compared")),
            "served": several(
                closed({"space_id": TEXT, "name": TEXT, "queue_size": WHOLE, "workers": several(OBJECT)})
            ),
            "load": ref("LoadStatus"),
        }
    ),
    "Notifications": closed({"counts": several(OBJECT), "latest": several(OBJECT)}),
    "Forget": closed({"test_id": {"type": "string", "minLength": 1, "maxLength": 64}}, optional=("test_id",)),
    "Forgotten": closed({"forgotten": WHOLE}),
    "Empty": {"type": "object", "maxProperties": 0},
}
