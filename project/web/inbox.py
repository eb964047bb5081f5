"""A person's inbox: what they were told, newest first."""

from __future__ import annotations

import re

from flask import Blueprint, jsonify, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from project.errors import FieldInvalid
from project.web.answers import wants_json
from project.web.policy import current_user, policy
from project.web.site import current_site
from project.web.tidings import as_json, link_of

blueprint = Blueprint("inbox", __name__, url_prefix="/inbox")
ON_A_PAGE = 30
_ID = re.compile(r"[A-Za-z0-9-]{1,100}")


@blueprint.get("")
@policy("user")
def show() -> Response:
    """One's notices, newest first: a page for people, ``{success, unread, notices}`` for programs."""
    inbox, user = current_site().console.inbox, current_user()
    before = request.args.get("before", "")
    known = re.fullmatch(r"[0-9]{1,18}", before)
    found = inbox.list(user, limit=ON_A_PAGE + 1, before=int(before) if known else None)
    notices, more = found[:ON_A_PAGE], found[ON_A_PAGE:]
    next_before = notices[-1].seq if more else None
    if wants_json():
        body = {"success": True, "unread": inbox.unread(user)[0], "notices": [as_json(one) for one in notices]}
        response = jsonify(body | {"before": next_before})
    else:
        names = {space.id: space.name for space in current_site().spaces.all()}
        rows = [(notice, link_of(notice), names.get(str(notice.data.get("space_id", "")), "")) for notice in notices]
        response = make_response(render_template("inbox.html", rows=rows, next_before=next_before, later=bool(known)))
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/read")
@policy("user")
def read() -> Response:
    """One has read a notice (``id``), or all."""
    chosen = request.form.get("id", "")
    if chosen and not _ID.fullmatch(chosen):
        raise FieldInvalid("id is not that of a notice", field="id")
    inbox, user = current_site().console.inbox, current_user()
    inbox.mark_read(user, chosen or None)
    if wants_json():
        return jsonify(success=True, unread=inbox.unread(user)[0])
    return redirect("/inbox")
