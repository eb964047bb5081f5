"""The administrators' pages about people."""

from __future__ import annotations

import re
from typing import Any, Final

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from project.core.policies import NO_KEY, policy
from project.errors import SpacesError
from project.web.answers import wants_json
from project.web.caller import origin
from project.web.devices import device_name
from project.web.errors import answer
from project.web.policy import current_user
from project.web.site import current_site

blueprint = Blueprint("people", __name__, url_prefix="/admin/users")
ON_A_PAGE: Final = 100


@blueprint.get("")
@policy("admin", scope=NO_KEY)
def everybody() -> Response:
    """Everybody with a login; a form to add somebody."""
    return _list()


@blueprint.post("")
@policy("admin", scope=NO_KEY)
def add() -> Response:
    """Add a person; their first password is shown, this once."""
    form = request.form
    try:
        user, given = current_site().accounts.people.add(
            current_user(), form.get("username", ""), form.get("role", "user"), origin()
        )
    except SpacesError as error:
        return answer(error) if wants_json() else _list(error, form=form)
    return _list(given=given, given_to=user.username)


@blueprint.get("/<user_id>")
@policy("admin", scope=NO_KEY)
def one(user_id: str) -> Response:
    """One person: logins, keys, and what an administrator can do."""
    return _one(user_id)


@blueprint.post("/<user_id>/disable")
@policy("admin", scope=NO_KEY)
def disable(user_id: str) -> Response:
    """Keep somebody out, at once."""
    current_site().accounts.people.disable(current_user(), user_id, origin())
    return _back(user_id)


@blueprint.post("/<user_id>/enable")
@policy("admin", scope=NO_KEY)
def enable(user_id: str) -> Response:
    """Let somebody in again."""
    current_site().accounts.people.enable(current_user(), user_id, origin())
    return _back(user_id)


@blueprint.post("/<user_id>/role")
@policy("admin", scope=NO_KEY)
def role(user_id: str) -> Response:
    """Give somebody a role: ``user`` or ``admin``."""
    current_site().accounts.people.set_role(current_user(), user_id, request.form.get("role", ""), origin())
    return _back(user_id)


@blueprint.post("/<user_id>/password")
@policy("admin", scope=NO_KEY)
def password(user_id: str) -> Response:
    """Give somebody a new password, shown this once, to be changed at the next login."""
    given = current_site().accounts.people.reset_password(current_user(), user_id, origin())
    return _one(user_id, given=given)


@blueprint.post("/<user_id>/logins")
@policy("admin", scope=NO_KEY)
def end_logins(user_id: str) -> Response:
    """Log somebody out everywhere."""
    current_site().accounts.people.end_logins(current_user(), user_id, origin())
    return _back(user_id)


@blueprint.post("/<user_id>/second-factor")
@policy("admin", scope=NO_KEY)
def second_factor(user_id: str) -> Response:
    """Turn off the codes of somebody who lost the app."""
    current_site().accounts.people.remove_second_factor(current_user(), user_id, origin())
    return _back(user_id)


def _back(user_id: str) -> Response:
    return redirect(url_for("people.one", user_id=user_id))


def _list(error: SpacesError | None = None, **context: Any) -> Response:
    text, start = request.args.get("name", ""), request.args.get("from", "")
    offset = int(start) if re.fullmatch(r"[0-9]{1,9}", start) else 0
    users = current_site().accounts.people.page(text, limit=ON_A_PAGE + 1, offset=offset)
    page = render_template(
        "admin/users.html",
        users=users[:ON_A_PAGE],
        name=text,
        before=max(0, offset - ON_A_PAGE) if offset else None,
        after=offset + ON_A_PAGE if len(users) > ON_A_PAGE else None,
        error=error,
        **{"form": {}, **context},
    )
    return _private(page, error)


def _one(user_id: str, **context: Any) -> Response:
    accounts = current_site().accounts
    user = accounts.people.get(user_id)
    page = render_template(
        "admin/user.html",
        person=user,
        logins=accounts.sessions.of_user(user.id),
        keys=accounts.keys.of_user(user.id),
        has_codes=accounts.factors.is_on(user),
        myself=user.id == current_user().id,
        now=current_site().clock(),
        device_name=device_name,
        **context,
    )
    return _private(page)


def _private(page: str, error: SpacesError | None = None) -> Response:
    response = make_response(page, 200 if error is None else error.status)
    response.headers["Cache-Control"] = "no-store"
    return response
