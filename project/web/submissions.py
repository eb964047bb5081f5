"""The relay over HTTP: submit, status, cancel (routes of the testing guide)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from flask import Blueprint, jsonify, redirect, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from project.core import safe_mode
from project.core.commands import Submitted
from project.core.model import FileField, Space, User
from project.core.submission import FILE_FIELDS, check_fields
from project.errors import FieldInvalid, WorkerOffline
from project.web.answers import is_form
from project.web.bodies import json_object
from project.web.caller import current_caller
from project.web.crowds import one_of_few
from project.web.forms import leads_to_request
from project.web.markdown import rendered
from project.web.notes import note, note_view
from project.web.policy import current_user, policy
from project.web.site import current_site
from project.web.terms import Terms, terms
from project.web.uploads import kept_files

blueprint = Blueprint("submissions", __name__, url_prefix="/websockets")
MOST_WAIT_S = 30.0


@blueprint.post("/submit/<space_id>")
@policy("user")
@leads_to_request
def submit(space_id: str) -> Response:
    """Accept a request: form or JSON fields ``prompt``, ``audio_url``, ``params``, files, and ``wait`` in seconds.

    With ``wait`` the answer is the request's status once it is over, if that is in time. An ``Idempotency-Key`` header
    names the submission: sent again with the same key, it is the same request. With ``X-Load-Test: true`` the request
    goes the whole way and is kept nowhere. ``X-Load-Test-Id`` names the load run that it belongs to, by which the
    console's log finds it. A browser that sends the form without a script is led to the request's page,
    or shown the form again with what is wrong.
    """
    site, user = current_site(), current_user()
    space = site.spaces.get(space_id)
    asked = terms()
    # What can be refused is refused before a long body is read; a submission with a key may have been taken before.
    if not asked.key and not site.relay.accepts(space):
        raise WorkerOffline
    with one_of_few(user):
        return _take(space, user, asked)


def _take(space: Space, user: User, asked: Terms) -> Response:
    """Read the body, and accept what it says."""
    site = current_site()
    form = _fields()
    wait_s = _seconds(form.get("wait", request.args.get("wait")))
    chosen = _files()
    submission = replace(check_fields(space.settings, form, [field for field, _ in chosen]), test_id=asked.test_id)
    with kept_files(chosen, time.time()) as kept:
        whole = submission.with_files(kept.files)
        if wait_s:
            submitted, view = site.relay.ask(
                space, user, whole, wait_s, key=asked.key, safe=asked.safe, is_live=_is_live()
            )
            kept.belong_to(submitted.request)
            return _fresh(jsonify(_accepted(submitted) | view.as_dict()))
        submitted = site.relay.submit(space, user, whole, key=asked.key, safe=asked.safe)
        kept.belong_to(submitted.request)
    return _fresh(jsonify(_accepted(submitted)))


def _accepted(submitted: Submitted) -> dict[str, Any]:
    request_ = submitted.request
    return {
        "success": True,
        "request_id": request_.id,
        "space_id": request_.space_id,
        "status": request_.status.value,
        "position": submitted.position,
        "queue_size": submitted.position or 0,
        "repeated": submitted.repeated,
        "load_test_mode": safe_mode.is_safe(request_.id),
    }


@blueprint.get("/status")
@policy("user")
def status() -> Response:
    """The whole truth about one request; ``wait`` seconds for it to be over, if asked."""
    request_id = request.args.get("request_id", "")
    if not request_id:
        raise FieldInvalid("request_id is missing", field="request_id")
    wait_s = _seconds(request.args.get("wait"))
    relay = current_site().relay
    user = current_user()
    view = relay.wait(request_id, user, wait_s, _is_live()) if wait_s else relay.view(request_id, user)
    note_view(view.request)
    return _fresh(jsonify(view.as_dict()))


@blueprint.get("/rendered/<request_id>")
@policy("user")
def rendered_answer(request_id: str) -> Response:
    """``html`` of a result whose ``format`` is ``markdown``; null for any other, and for one too long for it."""
    seen = current_site().relay.view(request_id, current_user()).request
    note_view(seen)
    result = seen.result or {}
    text = result.get("text_output")
    html = None
    if result.get("format") == "markdown" and isinstance(text, str):
        html = rendered(text)
    return _fresh(jsonify(success=True, html=html))


@blueprint.get("/space/<space_id>/status")
@policy("public")
def space_status(space_id: str) -> Response:
    """Whether a space is connected, and how many requests are open there."""
    space: Space = current_site().spaces.get(space_id)
    return _fresh(jsonify(current_site().relay.space_view(space.id).as_dict()))


@blueprint.post("/cancel/<request_id>")
@policy("user")
@leads_to_request
def cancel(request_id: str) -> Response:
    """End a queued or running request; one that is over stays as it is."""
    user = current_user()
    view = current_site().relay.cancel(request_id, user)
    if view.request.user_id != user.id:
        note("request_cancelled", request_id, f"of {view.request.username}")
    return _fresh(jsonify(view.as_dict()))


@blueprint.post("/delete/<request_id>")
@policy("user")
def delete(request_id: str) -> Response:
    """Forget a request that is over, with its result and its files, for good."""
    site, user = current_site(), current_user()
    view = site.relay.view(request_id, user)
    site.retention.delete(view.request, user)
    if view.request.user_id != user.id:
        note("request_deleted", request_id, f"of {view.request.username}")
    if is_form():
        return redirect(url_for("pages.requests"), 303)
    return _fresh(jsonify(success=True, request_id=request_id))


def _fields() -> Mapping[str, Any]:
    return json_object() if request.is_json else request.form


def _files() -> list[tuple[FileField, FileStorage]]:
    """The chosen files. A browser sends an empty part for an input that was left alone."""
    chosen: list[tuple[FileField, FileStorage]] = []
    for field, stored in request.files.items(multi=True):
        if not stored.filename:
            continue
        if field not in FILE_FIELDS:
            raise FieldInvalid(f"{field} is not a field of this form", field=field)
        chosen.append((cast(FileField, field), stored))
    return chosen


def _seconds(value: Any) -> float:
    if value in (None, ""):
        return 0.0
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds <= MOST_WAIT_S:
        raise FieldInvalid(f"wait must be a number of seconds from 0 to {MOST_WAIT_S:g}", field="wait")
    return seconds


def _is_live() -> Callable[[], bool]:
    """Whether the login or key that asks still is: to be asked while somebody waits."""
    return partial(current_caller().is_live, current_site().accounts)


def _fresh(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
