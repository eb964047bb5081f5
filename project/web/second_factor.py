"""The authenticator app of one's account: set up, confirm, turn off."""

from __future__ import annotations

from typing import Any

import segno
from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from project.core.policies import NO_KEY, policy
from project.errors import SpacesError
from project.web.answers import wants_json
from project.web.caller import origin
from project.web.errors import answer
from project.web.policy import current_user
from project.web.site import current_site

blueprint = Blueprint("second_factor", __name__, url_prefix="/account/second-factor")


@blueprint.get("")
@policy("user", scope=NO_KEY)
def page() -> Response:
    """Whether logins ask for a code, and the secret that waits to be confirmed."""
    return _page()


@blueprint.post("")
@policy("user", scope=NO_KEY)
def begin() -> Response:
    """Make a secret for the app; nothing is asked for until it is confirmed."""
    current_site().accounts.factors.offer(current_user())
    return redirect(url_for("second_factor.page"))


@blueprint.post("/confirm")
@policy("user", scope=NO_KEY)
def confirm() -> Response:
    """Confirm the secret with a code of the app; shows the recovery codes, this once."""
    try:
        codes = current_site().accounts.factors.confirm(current_user(), request.form.get("code", ""), origin())
    except SpacesError as error:
        return _refused(error)
    return _page(codes=codes)


@blueprint.post("/remove")
@policy("user", scope=NO_KEY)
def remove() -> Response:
    """Ask for codes no more; one last code is needed."""
    factors, user = current_site().accounts.factors, current_user()
    try:
        if factors.is_on(user):
            factors.check(user, request.form.get("code", ""), origin())
        factors.remove(user, origin())
    except SpacesError as error:
        return _refused(error)
    return redirect(url_for("second_factor.page"))


def _refused(error: SpacesError) -> Response:
    return answer(error) if wants_json() else _page(error=error)


def _page(error: SpacesError | None = None, **context: Any) -> Response:
    factors, user = current_site().accounts.factors, current_user()
    offered = factors.offered(user)
    picture = "" if offered is None else segno.make(offered.address, micro=False).svg_data_uri(scale=5, border=4)
    page = render_template(
        "account/second_factor.html",
        error=error,
        is_on=factors.is_on(user),
        offered=offered,
        picture=picture,
        recovery_left=factors.recovery_left(user),
        **context,
    )
    response = make_response(page, 200 if error is None else error.status)
    response.headers["Cache-Control"] = "no-store"
    return response
