"""Log in, register, log out."""

from __future__ import annotations

from flask import Blueprint, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from project.errors import FieldInvalid, SpacesError
from project.web.answers import wants_json
from project.web.errors import answer
from project.web.policy import COOKIE, policy
from project.web.redirects import local
from project.web.site import current_site

blueprint = Blueprint("auth", __name__)


@blueprint.get("/login")
@policy("public")
def login_page() -> str:
    """The login form."""
    return render_template("login.html", error=None, username="", next_url=_next())


@blueprint.post("/login")
@policy("public")
def login() -> Response:
    """Begin a login and go where the person was going; 401 when name or password are wrong."""
    username, password = request.form.get("username", ""), request.form.get("password", "")
    try:
        token, _ = current_site().accounts.login(username, password)
    except SpacesError as error:
        return _form("login.html", error, username)
    return _logged_in(token)


@blueprint.get("/register")
@policy("public")
def register_page() -> str:
    """The registration form."""
    return render_template("register.html", error=None, username="", next_url=_next())


@blueprint.post("/register")
@policy("public")
def register() -> Response:
    """Make an account and log it in."""
    username, password = request.form.get("username", ""), request.form.get("password", "")
    try:
        repeated = request.form.get("confirm_password")
        if repeated is not None and repeated != password:
            raise FieldInvalid("The two passwords are not the same", field="confirm_password")
        current_site().accounts.register(username, password)
        token, _ = current_site().accounts.login(username, password)
    except SpacesError as error:
        return _form("register.html", error, username)
    return _logged_in(token)


@blueprint.get("/logout")
@policy("public")
def logout_page() -> str:
    """Ask first: following a link changes nothing."""
    return render_template("logout.html")


@blueprint.post("/logout")
@policy("public")
def logout() -> Response:
    """End the login, here and on the server."""
    _end_login()
    response = redirect("/")
    response.delete_cookie(COOKIE, path="/")
    return response


def _form(template: str, error: SpacesError, username: str) -> Response:
    if wants_json():
        return answer(error)
    return make_response(render_template(template, error=error, username=username, next_url=_next()), error.status)


def _logged_in(token: str) -> Response:
    _end_login()
    response = redirect(_next() or "/")
    site = current_site()
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(site.settings.session_max_s),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=request.is_secure or site.settings.public_origin.startswith("https:"),
    )
    return response


def _end_login() -> None:
    """End the login the browser came with: a new one never reuses it."""
    token = request.cookies.get(COOKIE, "")
    if token:
        current_site().accounts.logout(token)


def _next() -> str:
    """Where to go after the login: a path of this site, or nothing."""
    return local(request.values.get("next", ""))
