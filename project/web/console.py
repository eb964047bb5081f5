"""The console: its page, and what its tabs show. For administrators only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

from flask import Blueprint, jsonify, make_response, render_template
from werkzeug.wrappers import Response

from project.core.reasons import DEAD_LETTERS
from project.relay.views import iso
from project.rpc.methods import METHODS
from project.rpc.monitor import DAY_S, HOUR_S, Monitor, totals
from project.web import console_input as given
from project.web import console_shapes as shapes
from project.web.console_export import calls_file
from project.web.policy import current_user, policy
from project.web.site import Site, current_site

blueprint = Blueprint("console", __name__, url_prefix="/cfg/ipc")
MOST_NOTICES: Final = 50
MOST_EXPORTED: Final = 10_000
TABS: Final = ("overview", "requests", "notifications", "methods", "testing")


def space_names(site: Site) -> Callable[[str], str]:
    """The name of a space by its id; the id itself of one that is gone."""
    names = {space.id: space.name for space in site.spaces.all()}
    return lambda space_id: names.get(space_id, space_id)


def user_names(site: Site) -> Callable[[str], str]:
    """The name of a user by id; the id itself of one that is gone."""
    names = {user.id: user.username for user in site.accounts.people.all()}
    return lambda user_id: names.get(user_id, user_id)


def fresh(body: Any) -> Response:
    """A JSON answer that is never taken from a cache."""
    response = jsonify(body)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/")
@policy("admin")
def page() -> Response:
    """The console's page with its five tabs."""
    site = current_site()
    spaces = site.spaces.all()
    methods = [shapes.method(one, spaces[0].id if spaces else "") for one in METHODS]
    response = make_response(
        render_template(
            "console/page.html",
            methods=methods,
            spaces=spaces,
            tabs=TABS,
            outcomes=given.OUTCOMES,
            retriable=DEAD_LETTERS,
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/monitor/overview")
@policy("admin")
def overview() -> Response:
    """Health, counts of the tabs, requests a minute, what failed and why, latency, workers and queues."""
    site = current_site()
    monitor, name_of = site.console.monitor, space_names(site)
    health = [shapes.health(one) for one in monitor.health()]
    workers = monitor.workers(HOUR_S)
    minutes = monitor.minutes()
    running = site.console.load.running()
    return fresh(
        {
            "at": iso(monitor.now()),
            "health": health,
            "counts": _counts(site, sum(not one["ok"] for one in health), running is not None),
            "minutes": [{"at": at} | asdict(told) for at, told in minutes],
            "reasons": [shapes.reason(one, name_of) for one in monitor.reasons(HOUR_S)],
            "methods": [shapes.compared(one, one.now.name) for one in monitor.methods(HOUR_S) if one.now.count],
            "spaces": [shapes.compared(one, name_of(one.now.name)) for one in monitor.spaces(HOUR_S)],
            "workers": [shapes.compared(one, name_of(one.now.name)) for one in workers],
            "served": [shapes.served(one) for one in monitor.served()],
            "load": shapes.status(running),
        }
    )


def _counts(site: Site, problems: int, running: bool) -> dict[str, int]:
    """The numbers beside the tabs."""
    monitor = site.console.monitor
    calls, _ = totals(monitor.methods(DAY_S))
    requests, _ = totals(monitor.spaces(DAY_S))
    return {
        "overview": problems,
        "requests": calls + requests,
        "notifications": sum(one.sent for one in monitor.notices(DAY_S)),
        "methods": len(METHODS),
        "testing": int(running),
    }


@blueprint.get("/monitor/requests")
@policy("admin")
def requests() -> Response:
    """The last calls and requests, newest first, by the filters of the query."""
    site = current_site()
    search, name_of = given.search(), space_names(site)
    found = site.console.monitor.recent(search, given.source())
    return fresh({"requests": [shapes.listed(one, name_of) for one in found], "limit": search.limit})


@blueprint.get("/monitor/requests/<call_id>")
@policy("admin")
def one_request(call_id: str) -> Response:
    """One call with its request and its response."""
    return fresh(shapes.whole_call(current_site().console.calls.get(call_id)))


@blueprint.post("/monitor/requests/<call_id>/replay")
@policy("admin")
def replay(call_id: str) -> Response:
    """Call again what was called; the answer is that of the test client."""
    return answer_call(shapes.sent(current_site().console.calls.replay(call_id, current_user())))


def answer_call(sent: dict[str, Any]) -> Response:
    """The answer to a call: 200 when it was made, however it ended; else what kept it from being made."""
    status = {"unknown_method": 400, "invalid_params": 400, "unavailable": 503, "internal_error": 500}
    response = fresh(sent)
    response.status_code = status.get(str(sent.get("outcome", "")), 200)
    return response


@blueprint.get("/monitor/notifications")
@policy("admin")
def notifications() -> Response:
    """How many notices were sent and read in the last day, and the newest."""
    site = current_site()
    user_of = user_names(site)
    return fresh(
        {
            "counts": [shapes.counted(one) for one in site.console.monitor.notices(DAY_S)],
            "latest": [shapes.notice(one, user_of) for one in site.console.monitor.latest_notices(MOST_NOTICES)],
        }
    )


@blueprint.get("/monitor/methods")
@policy("admin")
def methods() -> Response:
    """Statistics of methods, spaces and workers: the last ``hours`` against the week before."""
    site = current_site()
    monitor, name_of, window_s = site.console.monitor, space_names(site), given.window_s()
    about = {one.name: shapes.method(one, "") for one in METHODS}
    return fresh(
        {
            "hours": window_s / HOUR_S,
            "methods": [
                {"about": about.get(one.now.name, {}).get("about", ""), **shapes.compared(one, one.now.name)}
                for one in monitor.methods(window_s, tests=given.with_tests(False))
            ],
            "spaces": [shapes.compared(one, name_of(one.now.name)) for one in monitor.spaces(window_s)],
            "workers": [shapes.compared(one, name_of(one.now.name)) for one in monitor.workers(window_s)],
        }
    )


@blueprint.post("/monitor/forget")
@policy("admin")
def forget() -> Response:
    """Forget the calls of a load run (``test_id``), or of all of them."""
    body = given.body()
    given.only(body, "test_id")
    test_id = given.text(body, "test_id", most=64) if "test_id" in body else ""
    return fresh({"forgotten": current_site().console.calls.forget_tests(test_id)})


@blueprint.get("/monitor/export.<any(csv, json):kind>")
@policy("admin")
def export(kind: str) -> Response:
    """The log as a file, by the same filters."""
    site = current_site()
    monitor: Monitor = site.console.monitor
    with site.long_work.turn(current_user().id):
        return calls_file(kind, monitor.export(given.search(), given.source(), MOST_EXPORTED), space_names(site))
