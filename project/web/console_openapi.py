"""The OpenAPI description of the console's routes: a table of operations, and the document made of it.

The browser's client (``static/js/api/index.mjs``) is generated from this table by ``tools/make_api_client.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint
from werkzeug.wrappers import Response

from project.web.console import fresh
from project.web.console_input import MOST_LISTED, OUTCOMES
from project.web.console_schemas import SCHEMAS, ref
from project.web.policy import policy

blueprint = Blueprint("console_openapi", __name__, url_prefix="/cfg/ipc")
ROOT: Final = "/cfg/ipc"


@dataclass(frozen=True, slots=True)
class Operation:
    """One route: its name, method and path, what it takes and answers, and what else than 200 it may answer."""

    name: str
    http: str
    path: str
    about: str
    answer: str
    takes: str = ""
    query: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


_TIME: Final = {"type": "string", "maxLength": 40, "description": "ISO 8601, or seconds since the epoch."}
QUERY: Final[dict[str, dict[str, Any]]] = {
    "method": {"type": "string", "maxLength": 100, "description": "A method, or a space's id."},
    "outcome": {"type": "string", "enum": list(OUTCOMES)},
    "since": _TIME,
    "until": _TIME,
    "text": {"type": "string", "maxLength": 200},
    "test_id": {"type": "string", "maxLength": 64, "description": "The load run a call belongs to."},
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST_LISTED},
    "source": {"type": "string", "enum": ["rpc", "relay"]},
    "hours": {"type": "integer", "enum": [1, 24, 168]},
    "tests": {"type": "string", "enum": ["0", "1"], "description": "Whether calls of load runs count."},
    "before": {"type": "string", "maxLength": 64},
    "after": {"type": "string", "maxLength": 64},
}
_FILTERS: Final = ("method", "outcome", "since", "until", "text", "test_id", "tests", "limit", "source")

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("ipcTestSendCreate", "post", "/test/send", "Call a method.", "Sent", "Send", statuses=(400, 500, 503)),
    Operation("ipcTestMethodsList", "get", "/test/methods", "Every method, its schema and a template.", "Methods"),
    Operation("ipcTestTemplatesList", "get", "/test/templates", "Parameters kept under a name.", "Templates"),
    Operation("ipcTestTemplatesCreate", "post", "/test/templates", "Keep parameters.", "Template", "NewTemplate",
              statuses=(400,)),
    Operation("ipcTestTemplatesDestroy", "delete", "/test/templates/{id}", "Forget them.", "Removed", statuses=(404,)),
    Operation("ipcTestLoadStartCreate", "post", "/test/load/start", "Begin a load test.", "LoadStarted", "LoadStart",
              statuses=(400, 404, 409, 500)),
    Operation("ipcTestLoadStatusRetrieve", "get", "/test/load/status", "How far the load test is.", "LoadStatus"),
    Operation("ipcTestLoadStopCreate", "post", "/test/load/stop", "End the load test.", "LoadStopped"),
    Operation("ipcTestLoadRunsList", "get", "/test/load/runs", "Load tests, newest first.", "LoadRuns"),
    Operation("ipcTestLoadRunsRetrieve", "get", "/test/load/runs/{test_id}", "One report.", "LoadRun", statuses=(404,)),
    Operation("ipcTestLoadRunsDestroy", "delete", "/test/load/runs/{test_id}", "Forget a run.", "Removed",
              statuses=(404, 409)),
    Operation("ipcTestLoadRunsBaselineCreate", "post", "/test/load/runs/{test_id}/baseline",
              "Choose a run to measure others against.", "BaselineSet", "Baseline", statuses=(400, 404)),
    Operation("ipcTestLoadCompareRetrieve", "get", "/test/load/compare", "Two runs beside each other.",
              "LoadComparison", query=("before", "after"), statuses=(404,)),
    Operation("ipcTestLoadSchedulesList", "get", "/test/load/schedules", "Load tests to come.", "Schedules"),
    Operation("ipcTestLoadSchedulesCreate", "post", "/test/load/schedules", "Let one begin by itself.", "Schedule",
              "NewSchedule", statuses=(400,)),
    Operation("ipcTestLoadSchedulesDestroy", "delete", "/test/load/schedules/{id}", "End a schedule.", "Removed",
              statuses=(404,)),
    Operation("ipcMonitorOverviewRetrieve", "get", "/monitor/overview", "Health and the last hour.", "Overview"),
    Operation("ipcMonitorRequestsList", "get", "/monitor/requests", "The log.", "Requests", query=_FILTERS,
              statuses=(400,)),
    Operation("ipcMonitorRequestsRetrieve", "get", "/monitor/requests/{id}", "One call.", "Call", statuses=(404,)),
    Operation("ipcMonitorRequestsReplayCreate", "post", "/monitor/requests/{id}/replay", "Call it again.", "Sent",
              statuses=(400, 404, 409, 500, 503)),
    Operation("ipcMonitorNotificationsList", "get", "/monitor/notifications", "Notices of a day.", "Notifications"),
    Operation("ipcMonitorMethodsList", "get", "/monitor/methods", "Now against the week before.", "Statistics",
              query=("hours", "tests"), statuses=(400,)),
    Operation("ipcMonitorForgetCreate", "post", "/monitor/forget", "Forget calls of load tests.", "Forgotten", "Forget",
              statuses=(400,)),
)  # fmt: skip
_WORDS: Final = {
    400: "Something that was sent cannot be used; ``field`` names it.",
    401: "Nobody is logged in.",
    403: "Only administrators may.",
    404: "There is no such thing.",
    409: "That does not go together with what is there.",
    500: "Something went wrong on the site, or in the method.",
    503: "The database or the worker cannot be reached just now.",
}


def description() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(ROOT + operation.path, {})[operation.http] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "WebSocket Spaces: the console",
            "version": "1",
            "description": "For administrators: methods that can be called, their log, and the load tester.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"login": {"type": "apiKey", "in": "cookie", "name": "spaces_session"}},
        },
        "security": [{"login": []}],
    }


def _described(operation: Operation) -> dict[str, Any]:
    answers = {"200": _answer("Done.", operation.answer)}
    for status in sorted({401, 403, *operation.statuses}):
        called = operation.answer == "Sent" and status in (400, 500, 503)
        schema = {"anyOf": [ref("Sent"), ref("Error")]} if called else ref("Error")
        answers[str(status)] = _answer(_WORDS[status], schema)
    found: dict[str, Any] = {"operationId": operation.name, "summary": operation.about, "responses": answers}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in operation.parts
    ] + [{"name": name, "in": "query", "schema": QUERY[name]} for name in operation.query]
    if parameters:
        found["parameters"] = parameters
    if operation.takes:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(operation.takes)}}}
    return found


def _answer(text: str, schema: str | dict[str, Any]) -> dict[str, Any]:
    chosen = ref(schema) if isinstance(schema, str) else schema
    return {"description": text, "content": {"application/json": {"schema": chosen}}}


@blueprint.get("/openapi.json")
@policy("admin")
def openapi() -> Response:
    """The OpenAPI description of the console's routes."""
    return fresh(description())
