"""Deny by default: every endpoint says who may use it, and an app with one that does not will not start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast
from urllib.parse import quote

from flask import Flask, g, redirect, request
from werkzeug.wrappers import Response

from project.core.model import User
from project.errors import LoginRequired, NotAllowed
from project.web.answers import wants_json
from project.web.site import current_site

Policy = Literal["public", "user", "admin", "lease"]
"""``lease``: the view itself checks a signed link of a worker."""
View = TypeVar("View", bound=Callable[..., Any])
COOKIE = "spaces_session"
_OPEN = ("public", "lease")


def policy(name: Policy) -> Callable[[View], View]:
    """Declare who may use a view."""

    def declare(view: View) -> View:
        view.policy = name  # type: ignore[attr-defined]
        return view

    return declare


def policy_of(app: Flask, endpoint: str) -> Policy | None:
    """The declared policy of an endpoint. Static files are public."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return "public"
    return cast("Policy | None", getattr(app.view_functions.get(endpoint), "policy", None))


def check_policies(app: Flask) -> None:
    """Raise RuntimeError if an endpoint has no policy."""
    missing = sorted({rule.endpoint for rule in app.url_map.iter_rules() if policy_of(app, rule.endpoint) is None})
    if missing:
        raise RuntimeError(f"endpoints without a policy: {', '.join(missing)}")


def current_user() -> User:
    """The user of this request. Raises LoginRequired if nobody is logged in."""
    user = visitor()
    if user is None:
        raise LoginRequired
    return user


def visitor() -> User | None:
    """The user of this request, or None."""
    if "user" not in g:
        token = request.cookies.get(COOKIE, "")
        g.user = current_site().accounts.user_of(token) if token else None
    return cast("User | None", g.user)


def enforce(app: Flask) -> None:
    """Check the policy before every view."""

    @app.before_request
    def check() -> Response | None:
        if request.endpoint is None:
            return None
        needed = policy_of(app, request.endpoint)
        if needed in _OPEN:
            return None
        user = visitor()
        if user is None:
            if wants_json() or request.method != "GET":
                raise LoginRequired
            return redirect(f"/login?next={quote(request.full_path.rstrip('?'))}")
        if needed != "user" and not (needed == "admin" and user.is_admin):
            raise NotAllowed
        return None
