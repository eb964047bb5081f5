"""One's own account: logins, password, API keys."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from project.core.people import SCOPES
from project.core.policies import NO_KEY, policy
from project.errors import FieldInvalid, SpacesError
from project.web.answers import wants_json
from project.web.caller import current_caller, give_session, origin
from project.web.devices import device_name
from project.web.errors import answer
from project.web.notes import note
from project.web.policy import current_user
from project.web.site import current_site, public_address

blueprint = Blueprint("account", __name__, url_prefix="/account")


@blueprint.get("/")
@policy("user", scope=NO_KEY)
def overview() -> str:
    """One's logins, and how to end them."""
    found = current_caller()
    logins = current_site().accounts.sessions.of_user(found.user.id)
    current = found.session.id if found.session is not None else ""
    return render_template("account/overview.html", logins=logins, current_login=current, device_name=device_name)


@blueprint.post("/logins/<session_id>/end")
@policy("user", scope=NO_KEY)
def end_login(session_id: str) -> Response:
    """End one of one's logins."""
    current_site().accounts.sessions.end_one(current_user().id, session_id)
    note("session_ended", current_user().username, session_id)
    return redirect(url_for("account.overview"))


@blueprint.post("/logins/end-others")
@policy("user", scope=NO_KEY)
def end_other_logins() -> Response:
    """End every login of one's own but this one."""
    found = current_caller()
    count = current_site().accounts.sessions.end_all(found.user.id, but=found.session.id if found.session else "")
    note("session_ended", found.user.username, f"{count} others")
    return redirect(url_for("account.overview"))


@blueprint.get("/password")
@policy("user", scope=NO_KEY, always=True)
def password_form() -> str:
    """The form to change one's password."""
    return render_template("account/password.html", error=None, form={})


@blueprint.post("/password")
@policy("user", scope=NO_KEY, always=True)
def change_password() -> Response:
    """Change one's password; every other login of one's own ends."""
    form = request.form
    try:
        if form.get("confirm_password", form.get("new_password")) != form.get("new_password"):
            raise FieldInvalid("The two passwords are not the same", field="confirm_password")
        token = current_site().accounts.change_password(
            current_user(), form.get("current_password", ""), form.get("new_password", ""), origin()
        )
    except SpacesError as error:
        return _again("account/password.html", error, form={})
    return give_session(redirect(url_for("account.password_form", changed=1)), token)


@blueprint.get("/keys")
@policy("user", scope=NO_KEY)
def keys() -> str:
    """One's API keys."""
    return render_template("account/keys.html", error=None, form={"scope_submit": "on", "scope_read": "on"}, **_keys())


@blueprint.post("/keys")
@policy("user", scope=NO_KEY)
def make_key() -> Response:
    """Make an API key and show it, this once."""
    form = request.form
    scopes = [scope for scope in SCOPES if form.get(f"scope_{scope}")]
    try:
        _, text = current_site().accounts.keys.make(
            current_user(), form.get("key_name", ""), scopes, _days(form.get("days", "")), origin()
        )
    except SpacesError as error:
        return _again("account/keys.html", error, form=form, **_keys())
    kept = {"scope_submit": "on", "scope_read": "on"}
    response = make_response(render_template("account/keys.html", error=None, form=kept, new_key=text, **_keys()))
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/keys/<key_id>/revoke")
@policy("user", scope=NO_KEY)
def revoke_key(key_id: str) -> Response:
    """Revoke one of one's API keys."""
    current_site().accounts.keys.revoke(current_user(), key_id, origin())
    return redirect(url_for("account.keys"))


def _keys() -> dict[str, Any]:
    site, user = current_site(), current_user()
    return {"keys": site.accounts.keys.of_user(user.id), "now": site.clock(), "host": public_address()}


def _days(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        raise FieldInvalid("The days are a number", field="days") from None


def _again(template: str, error: SpacesError, **context: Any) -> Response:
    """The form once more with what is wrong; or JSON for a program."""
    if wants_json():
        return answer(error)
    response = make_response(render_template(template, error=error, **context), error.status)
    response.headers["Cache-Control"] = "no-store"
    return response
