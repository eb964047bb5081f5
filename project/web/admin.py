"""The administrators' pages: spaces and worker tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from project.core.model import Space, SpaceSettings
from project.core.spaces import CARD_TYPES, COVER_TYPES, NUMBERS, ORDERS, form_of, parse_settings
from project.errors import FieldInvalid, Missing, SpacesError
from project.web.answers import wants_json
from project.web.covers import check_cover, is_missing, pictures
from project.web.errors import answer
from project.web.notes import note
from project.web.parsing import json_of
from project.web.policy import current_user, policy
from project.web.site import current_site, public_address

blueprint = Blueprint("admin", __name__, url_prefix="/admin")
_QUOTED = re.compile(r'["\\$`]')
"""What a shell reads inside double quotes."""


@blueprint.get("/")
@policy("admin")
def dashboard() -> str:
    """Spaces with their state, and what was asked lately."""
    site = current_site()
    rows = [(space, site.relay.space_view(space.id)) for space in site.spaces.all()]
    names = {space.id: space.name for space, _ in rows}
    recent = site.relay.listing(None, limit=15)
    return render_template("admin/dashboard.html", rows=rows, recent=recent.items, names=names)


@blueprint.get("/space/add")
@policy("admin")
def add_form() -> str:
    """The form of a new space."""
    return render_template("admin/add.html", form=form_of(SpaceSettings(name="")), error=None, **_choices())


@blueprint.post("/space/add")
@policy("admin")
def add() -> Response:
    """Make a space and go to its page."""
    try:
        space = current_site().spaces.create(_settings(), current_user())
    except SpacesError as error:
        return _again("admin/add.html", error)
    note("space_made", space.id, space.name)
    if wants_json():
        return _told(space)
    return redirect(url_for("admin.edit_form", space_id=space.id))


@blueprint.get("/space/edit/<space_id>")
@policy("admin")
def edit_form(space_id: str) -> Response:
    """A space's settings, how to run a worker for it, and its tokens; for programs, the settings."""
    space = current_site().spaces.get(space_id)
    if wants_json():
        return _told(space)
    form = form_of(space.settings)
    page = render_template("admin/edit.html", form=form, error=None, **_edited(space_id), **_choices())
    return make_response(page)


@blueprint.post("/space/edit/<space_id>")
@policy("admin")
def edit(space_id: str) -> Response:
    """Change a space."""
    try:
        current_site().spaces.edit(space_id, _settings())
    except SpacesError as error:
        current_site().spaces.get(space_id)
        return _again("admin/edit.html", error, **_edited(space_id))
    space = current_site().spaces.get(space_id)
    note("space_changed", space_id, space.name)
    if wants_json():
        return _told(space)
    return redirect(url_for("admin.edit_form", space_id=space_id, saved=1))


@blueprint.post("/space/delete/<space_id>")
@policy("admin")
def delete(space_id: str) -> Response:
    """Delete a space; its open requests end."""
    name = current_site().spaces.get(space_id).name
    current_site().spaces.remove(space_id)
    note("space_deleted", space_id, name)
    return redirect(url_for("admin.dashboard"))


@blueprint.post("/space/<space_id>/tokens")
@policy("admin")
def make_token(space_id: str) -> Response:
    """Make a worker token and show it, this once."""
    try:
        token, text = current_site().spaces.make_token(space_id, request.form.get("token_name", ""))
    except SpacesError as error:
        return _again("admin/edit.html", error, settings_kept=True, **_edited(space_id))
    note("token_made", space_id, f"{token.id} {token.name}")
    form = form_of(current_site().spaces.get(space_id).settings)
    page = render_template("admin/edit.html", form=form, error=None, new_token=text, **_edited(space_id), **_choices())
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/space/<space_id>/tokens/<token_id>/revoke")
@policy("admin")
def revoke_token(space_id: str, token_id: str) -> Response:
    """Revoke a worker token."""
    if not current_site().spaces.revoke_token(space_id, token_id):
        raise Missing("There is no such token")
    note("token_revoked", space_id, token_id)
    return redirect(url_for("admin.edit_form", space_id=space_id))


def _settings() -> SpaceSettings:
    """The settings that were sent, by a form or as JSON: its fields are the form's."""
    if not request.is_json:
        return check_cover(parse_settings(request.form))
    try:
        body = json_of(request.get_data())
    except ValueError:
        body = None
    if not isinstance(body, dict) or not all(isinstance(value, (str, int, float)) for value in body.values()):
        raise FieldInvalid("The body must be a JSON object of texts, numbers, true and false", field="body")
    return check_cover(parse_settings({name: str(value) for name, value in body.items()}))


def _told(space: Space) -> Response:
    """The settings of a space, for programs."""
    return jsonify(success=True, space_id=space.id, settings=form_of(space.settings))


def _edited(space_id: str) -> dict[str, Any]:
    site = current_site()
    space = site.spaces.get(space_id)
    return {
        "space": space,
        "view": site.relay.space_view(space_id),
        "tokens": site.spaces.tokens(space_id),
        "quoted_name": _QUOTED.sub(r"\\\g<0>", space.name),
        "namesakes": len(site.spaces.named(space.name)) - 1,
        "host": public_address(),
        "cover_missing": is_missing(space.settings),
        "recent": site.relay.listing(None, space_id=space_id, limit=10).items,
    }


def _again(template: str, error: SpacesError, *, settings_kept: bool = False, **context: Any) -> Response:
    """The form once more, as it was typed, with what is wrong; or JSON for a program."""
    if wants_json():
        return answer(error)
    form: Mapping[str, Any] = form_of(context["space"].settings) if settings_kept else dict(request.form)
    return make_response(render_template(template, form=form, error=error, **context, **_choices()), error.status)


def _choices() -> dict[str, Any]:
    return {
        "card_types": CARD_TYPES,
        "cover_types": COVER_TYPES,
        "orders": ORDERS,
        "pictures": pictures(),
        "limits": [option.field for option in NUMBERS],
    }
