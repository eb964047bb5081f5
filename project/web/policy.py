"""Deny by default: every endpoint says who may use it, and an app with one that does not will not start."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from flask import Flask, redirect, request
from werkzeug.wrappers import Response

from project.core.model import User
from project.core.policies import NO_KEY, ROUTE_POLICIES, Policy, declared, policy
from project.errors import LoginRequired, NotAllowed, PasswordChangeRequired, ScopeMissing
from project.web.answers import wants_json
from project.web.caller import Caller, authenticate, caller, current_caller, origin
from project.web.site import current_site

__all__ = ["check_policies", "current_user", "enforce", "policy", "policy_of", "visitor"]
_OPEN: Final = ("public", "lease")
_STATIC: Final = Policy("public", always=True)
CHANGE_PASSWORD: Final = "/account/password"


def policy_of(app: Flask, endpoint: str) -> Policy | None:
    """The declared policy of an endpoint. Static files are public."""
    if endpoint == "static" or endpoint.endswith(".static"):
        return _STATIC
    return declared(app.view_functions.get(endpoint))


def check_policies(app: Flask) -> None:
    """Raise RuntimeError if an endpoint has no policy, or one that is not for routes."""
    policies = {rule.endpoint: policy_of(app, rule.endpoint) for rule in app.url_map.iter_rules()}
    missing = sorted(name for name, found in policies.items() if found is None or found.name not in ROUTE_POLICIES)
    if missing:
        raise RuntimeError(f"endpoints without a policy: {', '.join(missing)}")


def visitor() -> User | None:
    """The user of this request, or None."""
    found = caller()
    return found.user if found is not None else None


def current_user() -> User:
    """The user of this request. Raises LoginRequired if nobody is logged in."""
    return current_caller().user


def enforce(app: Flask) -> None:
    """Check the policy before every view."""

    @app.before_request
    def check() -> Response | None:
        if request.endpoint is None:
            return None
        needed = policy_of(app, request.endpoint)
        if needed is None:
            raise NotAllowed
        if needed.name not in _OPEN:
            authenticate()
        found = caller()
        if found is not None and found.user.must_change and not needed.always:
            return _change_first()
        if needed.name in _OPEN:
            return None
        if found is None:
            return _log_in_first()
        _allow(found, needed)
        return None


def _allow(found: Caller, needed: Policy) -> None:
    """Raise NotAllowed or ScopeMissing, and write it down."""
    scope = needed.scope_for(request.method)
    lacks_role = needed.name != "user" and not (needed.name == "admin" and found.user.is_admin)
    lacks_scope = found.key is not None and (scope == NO_KEY or scope not in found.key.scopes)
    if not lacks_role and not lacks_scope:
        return
    audit = current_site().accounts.audit
    audit.record("access_refused", found.user, origin(), subject=str(request.endpoint), seldom=True)
    raise NotAllowed if lacks_role else ScopeMissing


def _log_in_first() -> Response:
    if wants_json() or request.method != "GET":
        raise LoginRequired
    return redirect(f"/login?next={quote(request.full_path.rstrip('?'))}")


def _change_first() -> Response:
    if wants_json() or request.method != "GET":
        raise PasswordChangeRequired
    return redirect(CHANGE_PASSWORD)
