"""The console's test client and load tester over HTTP. For administrators only, but for the generator's own calls."""

from __future__ import annotations

import secrets
import time
from typing import Final

from flask import Blueprint, request
from werkzeug.wrappers import Response

from project.core.calls import Outcome
from project.core.model import User
from project.core.runs import LoadTarget, Template, whole
from project.errors import RunNotFound
from project.rpc.load import KEY_HEADER, LEAST_EVERY_S, MOST_EVERY_S
from project.rpc.methods import METHODS, find
from project.rpc.schema import TEST_ID, check_json
from project.web import console_input as given
from project.web import console_shapes as shapes
from project.web.caller import origin
from project.web.console import answer_call, fresh, user_names
from project.web.console_export import runs_file
from project.web.policy import current_user, policy
from project.web.site import current_site

blueprint = Blueprint("console_testing", __name__, url_prefix="/cfg/ipc/test")
_STATUS: Final = {
    Outcome.SUCCESS: 200,
    Outcome.UNKNOWN_METHOD: 400,
    Outcome.INVALID_PARAMS: 400,
    Outcome.TIMEOUT: 504,
    Outcome.REMOTE_ERROR: 502,
    Outcome.UNAVAILABLE: 503,
    Outcome.INTERNAL_ERROR: 500,
}
"""How a load generator is told that a call failed."""


@blueprint.post("/send")
@policy("admin")
def send() -> Response:
    """Call a method: ``method``, ``params``, ``timeout`` in seconds."""
    body = given.body()
    given.only(body, "method", "params", "timeout")
    name, params = given.text(body, "method"), body.get("params", {})
    timeout_s = given.timeout_s(body, 10.0) if "timeout" in body else None
    return answer_call(
        shapes.sent(current_site().console.calls.call(name, params, current_user(), timeout_s=timeout_s))
    )


@blueprint.get("/methods")
@policy("admin")
def methods() -> Response:
    """Every method with its schema and a template of its parameters."""
    spaces = current_site().spaces.all()
    return fresh({"methods": [shapes.method(one, spaces[0].id if spaces else "") for one in METHODS]})


@blueprint.get("/templates")
@policy("admin")
def templates() -> Response:
    """Parameters that were kept under a name."""
    return fresh({"templates": [shapes.template(one) for one in current_site().console.templates.templates()]})


@blueprint.post("/templates")
@policy("admin")
def add_template() -> Response:
    """Keep parameters of a method under a name; the same name again replaces them."""
    body = given.body()
    given.only(body, "name", "method", "params")
    method = find(given.text(body, "method"))
    kept = Template(
        id=secrets.token_hex(6),
        name=given.text(body, "name"),
        method=method.name,
        params=check_json(body.get("params", {})),
        created_by=current_user().username,
        created_at=time.time(),
    )
    current_site().console.templates.add_template(kept)
    return fresh(shapes.template(kept))


@blueprint.delete("/templates/<template_id>")
@policy("admin")
def remove_template(template_id: str) -> Response:
    """Forget a template."""
    if not current_site().console.templates.remove_template(template_id):
        raise RunNotFound("There is no such template")
    return fresh({"removed": True})


@blueprint.post("/load/start")
@policy("admin")
def start() -> Response:
    """Begin a load test; 409 while one runs."""
    body = given.body()
    given.only(body, "method", "total_requests", "concurrency", "params", "timeout", "mode")
    target = given.load_target(body)
    if "space_id" in target.params:
        current_site().spaces.get(str(target.params["space_id"]))
    user = current_user()
    run = current_site().console.load.start(target, user.id)
    _record(user, run.id, target)
    message = f"Load test started with {target.total} requests at {target.concurrency} concurrency"
    return fresh({"test_id": run.id, "started": True, "message": message})


def _record(user: User, subject: str, target: LoadTarget) -> None:
    detail = f"{target.method} {target.total} x {target.concurrency}"
    current_site().accounts.audit.record("test_run", user, origin(), subject=subject, detail=detail)


@blueprint.get("/load/status")
@policy("admin")
def status() -> Response:
    """The load test under way, else the last one."""
    load = current_site().console.load
    run = load.running()
    if run is None:
        run = next(iter(load.list()), None)
    return fresh(shapes.status(run))


@blueprint.post("/load/stop")
@policy("admin")
def stop() -> Response:
    """End the load test under way; nothing to do when none runs."""
    run = current_site().console.load.stop()
    if run is None:
        return fresh({"message": "No load test is running", "progress": 0, "total": 0})
    return fresh({"message": "Load test stopped", "progress": whole(run).done, "total": run.target.total})


@blueprint.post("/load/call")
@policy("lease")
def call() -> Response:
    """One call of the load test under way, by the key its generator was given; of no other."""
    console = current_site().console
    run, user = console.load.admitted(request.headers.get(KEY_HEADER, ""))
    target = run.target
    with console.load.turn(target.method):
        params = {**target.params, TEST_ID: run.id}
        made = console.calls.call(target.method, params, user, timeout_s=target.timeout_s, test_id=run.id)
    response = fresh({"success": made.outcome is Outcome.SUCCESS, "error": made.code, "correlation_id": made.id})
    response.status_code = _STATUS[made.outcome]
    return response


@blueprint.get("/load/runs")
@policy("admin")
def runs() -> Response:
    """Load tests, newest first."""
    site = current_site()
    user_of = user_names(site)
    return fresh({"runs": [shapes.report(one, user_of) for one in site.console.load.list()]})


@blueprint.get("/load/runs/<test_id>")
@policy("admin")
def one_run(test_id: str) -> Response:
    """The report of one load test."""
    site = current_site()
    return fresh(shapes.report(site.console.load.get(test_id), user_names(site)))


@blueprint.delete("/load/runs/<test_id>")
@policy("admin")
def remove_run(test_id: str) -> Response:
    """Forget a load test that is over."""
    current_site().console.load.remove(test_id)
    return fresh({"removed": True})


@blueprint.post("/load/runs/<test_id>/baseline")
@policy("admin")
def set_baseline(test_id: str) -> Response:
    """Choose (``chosen``) a run to measure others of the same target against, or no longer."""
    body = given.body()
    given.only(body, "chosen")
    chosen = given.flag(body, "chosen")
    current_site().console.load.set_baseline(test_id, chosen)
    return fresh({"test_id": test_id, "baseline": chosen})


@blueprint.get("/load/compare")
@policy("admin")
def compare() -> Response:
    """Two runs (``before`` and ``after``), and in what the second is worse."""
    site = current_site()
    user_of = user_names(site)
    before, after, worse = site.console.load.compare(request.args.get("before", ""), request.args.get("after", ""))
    return fresh(
        {"before": shapes.report(before, user_of), "after": shapes.report(after, user_of), "worse": list(worse)}
    )


@blueprint.get("/load/export.<any(csv, json):kind>")
@policy("admin")
def export(kind: str) -> Response:
    """The history of load tests as a file."""
    site = current_site()
    return runs_file(kind, site.console.load.list(), user_names(site))


@blueprint.get("/load/schedules")
@policy("admin")
def schedules() -> Response:
    """Load tests that begin by themselves, the next one first."""
    site = current_site()
    user_of = user_names(site)
    return fresh({"schedules": [shapes.schedule(one, user_of) for one in site.console.load.schedules()]})


@blueprint.post("/load/schedules")
@policy("admin")
def add_schedule() -> Response:
    """Let a load test begin by itself every ``every_s`` seconds."""
    body = given.body()
    given.only(body, "name", "every_s", "method", "total_requests", "concurrency", "params", "timeout", "mode")
    every_s = given.number(body, "every_s", LEAST_EVERY_S, MOST_EVERY_S, None)
    site, user = current_site(), current_user()
    made = site.console.load.add_schedule(given.text(body, "name"), given.load_target(body), every_s, user)
    _record(user, f"schedule {made.id}", made.target)
    return fresh(shapes.schedule(made, user_names(site)))


@blueprint.delete("/load/schedules/<schedule_id>")
@policy("admin")
def remove_schedule(schedule_id: str) -> Response:
    """End a schedule."""
    current_site().console.load.remove_schedule(schedule_id)
    return fresh({"removed": True})
