"""Log in, register, log out."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from project.core.policies import policy
from project.errors import FieldInvalid, Missing, SpacesError, WrongCredentials
from project.web.answers import wants_json
from project.web.caller import give_session, origin, session_token, take_session
from project.web.errors import answer
from project.web.redirects import local
from project.web.site import current_site

blueprint = Blueprint("auth", __name__)


@blueprint.get("/login")
@policy("public", always=True)
def login_page() -> str:
    """The login form."""
    return render_template("login.html", error=None, username="", next_url=_next(), documented=_documented())


@blueprint.post("/login")
@policy("public", always=True)
def login() -> Response:
    """Begin a login and go where the person was going; 401 when name or password are wrong.

    Whoever uses an authenticator app is asked for its code next; a program sends it as ``code``.
    """
    accounts, form = current_site().accounts, request.form
    username, password, code = form.get("username", ""), form.get("password", ""), form.get("code", "")
    try:
        if code or wants_json():
            token, _ = accounts.login(username, password, origin(), code)
            return _logged_in(token)
        token, half = accounts.half_login(username, password, origin())
    except SpacesError as error:
        return _form("login.html", error, username)
    return _logged_in(token, url_for("auth.code_page", next=_next() or None) if half else "")


@blueprint.get("/login/code")
@policy("public", always=True)
def code_page() -> str:
    """The form of the second step."""
    return render_template("code.html", error=None, next_url=_next())


@blueprint.post("/login/code")
@policy("public", always=True)
def code() -> Response:
    """Finish a login with a code of the authenticator app, or a recovery code."""
    try:
        token = current_site().accounts.finish_login(session_token(), request.form.get("code", ""), origin())
    except WrongCredentials:
        return redirect(url_for("auth.login_page", next=_next() or None))
    except SpacesError as error:
        return _form("code.html", error)
    return _logged_in(token)


@blueprint.get("/register")
@policy("public")
def register_page() -> str:
    """The registration form."""
    _check_open()
    return render_template("register.html", error=None, username="", next_url=_next())


@blueprint.post("/register")
@policy("public")
def register() -> Response:
    """Make an account and log it in."""
    _check_open()
    username, password = request.form.get("username", ""), request.form.get("password", "")
    try:
        repeated = request.form.get("confirm_password")
        if repeated is not None and repeated != password:
            raise FieldInvalid("The two passwords are not the same", field="confirm_password")
        current_site().accounts.register(username, password, origin())
        token, _ = current_site().accounts.login(username, password, origin())
    except SpacesError as error:
        return _form("register.html", error, username)
    return _logged_in(token)


@blueprint.get("/logout")
@policy("public", always=True)
def logout_page() -> str:
    """Ask first: following a link changes nothing."""
    return render_template("logout.html")


@blueprint.post("/logout")
@policy("public", always=True)
def logout() -> Response:
    """End the login, here and on the server; going back shows nothing of it."""
    _end_login()
    response = take_session(redirect("/"))
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _form(template: str, error: SpacesError, username: str = "") -> Response:
    if wants_json():
        return answer(error)
    page = render_template(template, error=error, username=username, next_url=_next(), documented=_documented())
    response = make_response(page, error.status)
    response.headers["Cache-Control"] = "no-store"
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    return response


def _logged_in(token: str, target: str = "") -> Response:
    _end_login()
    return give_session(redirect(target or _next() or "/"), token)


def _end_login() -> None:
    """End the login the browser came with: a new one never reuses it."""
    token = session_token()
    if token:
        current_site().accounts.logout(token, origin())


def _check_open() -> None:
    if current_site().settings.registration != "open":
        raise Missing


def _documented() -> bool:
    """Whether the documented logins exist here: who sees the page is on the site's own machine."""
    settings = current_site().settings
    return settings.development_logins and not settings.admin_password and settings.admin_user == "admin"


def _next() -> str:
    """Where to go after the login: a path of this site, or nothing."""
    return local(request.values.get("next", ""))
