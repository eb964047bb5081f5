"""The pages people see: spaces, one space, their requests."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from urllib.parse import urlsplit

from flask import Blueprint, current_app, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from project.errors import FieldInvalid, SpacesError
from project.relay.retention import kept_until
from project.web.answers import wants_json
from project.web.covers import cover_of
from project.web.i18n import COOKIE, LANGUAGES
from project.web.notes import note_view
from project.web.policy import current_user, policy
from project.web.redirects import local
from project.web.site import current_site, public_address

blueprint = Blueprint("pages", __name__)
ON_A_PAGE = 20


@blueprint.get("/")
@policy("public")
def index() -> Response:
    """Every space, with its state: a page for people, ``{success, spaces: [...]}`` for programs (and for that page)."""
    relay = current_site().relay
    views = [(space, relay.space_view(space.id)) for space in current_site().spaces.all()]
    if wants_json():
        response = jsonify(success=True, spaces=[view.as_dict() | {"name": space.name} for space, view in views])
    else:
        # Those that answer now come first.
        views.sort(key=lambda entry: not entry[1].connected)
        cards = [(space, view, cover_of(space)) for space, view in views]
        response = make_response(render_template("index.html", cards=cards))
    # The same address has two faces: neither may be shown for the other from a cache.
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Accept")
    return response


@blueprint.get("/favicon.ico")
@policy("public")
def icon() -> Response:
    """The site's icon, where a browser shows an answer that names none."""
    return redirect(url_for("static", filename="favicon.svg"), 301)


@blueprint.get("/ai_project/<space_id>")
@policy("user")
def space(space_id: str) -> str:
    """One space: its form, its state, and one's own requests to it."""
    return space_page(space_id)


def space_page(space_id: str, *, error: SpacesError | None = None, prompt: str = "") -> str:
    """The page of a space; with what was wrong with a form that was sent without a script, and its prompt."""
    site, user = current_site(), current_user()
    found = site.spaces.get(space_id)
    page = site.relay.listing(user, space_id=space_id, limit=5)
    return render_template(
        "space.html",
        space=found,
        settings=asdict(found.settings),
        view=site.relay.space_view(space_id),
        art=cover_of(found),
        recent=page.items,
        revision=site.console.inbox.revision(space_id),
        most_bytes=site.settings.max_upload_bytes,
        error=error,
        prompt=prompt,
        host=public_address(),
    )


@blueprint.get("/requests")
@policy("user")
def requests() -> str:
    """One's own requests, newest first."""
    before = request.args.get("before", "")
    page = current_site().relay.listing(
        current_user(), limit=ON_A_PAGE, before_seq=int(before) if re.fullmatch(r"[0-9]{1,18}", before) else None
    )
    names = {space.id: space.name for space in current_site().spaces.all()}
    return render_template("requests.html", page=page, names=names, later=bool(before))


@blueprint.get("/requests/<request_id>")
@policy("user")
def one_request(request_id: str) -> str:
    """The lasting page of one request."""
    view = current_site().relay.view(request_id, current_user())
    note_view(view.request)
    space = next((one for one in current_site().spaces.all() if one.id == view.request.space_id), None)
    return render_template(
        "request.html",
        view=view,
        told=view.as_dict(),
        whole=json.dumps(view.request.result, ensure_ascii=False, indent=2),
        space=space,
        kept_until=kept_until(view.request, space.settings if space else None),
    )


@blueprint.post("/language")
@policy("public", always=True)
def language() -> Response:
    """Choose a language, and go back to where one was."""
    chosen = request.form.get("language", "")
    if chosen not in LANGUAGES:
        raise FieldInvalid(f"language must be one of: {', '.join(LANGUAGES)}", field="language")
    response = redirect(_came_from())
    response.set_cookie(COOKIE, chosen, max_age=365 * 86400, samesite="Lax", httponly=True)
    return response


def _came_from() -> str:
    """The page the person was on, if it can be opened again: some addresses only take forms."""
    referrer = urlsplit(request.referrer or "")
    try:
        current_app.url_map.bind("").match(referrer.path, method="GET")
    except HTTPException:
        return "/"
    return local(referrer.path + (f"?{referrer.query}" if referrer.query else "")) or "/"
