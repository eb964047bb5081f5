"""Who is asking: a person by the cookie of a login, or a program by an API key. With a key, cookies do not count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import g, request
from werkzeug.wrappers import Response

from project.accounts.audit import Origin
from project.accounts.service import Accounts
from project.core.model import Session, User
from project.core.people import ApiKey
from project.errors import LoginRequired
from project.web.site import current_site
from project.web.turns import SHARE

COOKIE = "spaces_session"
SECURE_COOKIE = "__Host-spaces_session"
"""A name that browsers take only over https, for this host alone."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, and what proved it: ``secret`` is the login's token or the key's text."""

    user: User
    secret: str
    session: Session | None = None
    key: ApiKey | None = None

    def is_live(self, accounts: Accounts) -> bool:
        """Whether the login or the key still is: to be asked again and again while an answer is being streamed."""
        if self.key is not None:
            return accounts.keys.is_live(self.secret)
        return accounts.login_of(self.secret) is not None


def bearer() -> str | None:
    """The text of ``Authorization: Bearer ...``, or None if the request has no such header."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if kind.casefold() == "bearer" else None


def authenticate() -> None:
    """Take the API key of the request, if there is one. Raises BadApiKey, TooManyAttempts."""
    text = bearer()
    if text is not None and "caller" not in g:
        key, user = current_site().accounts.keys.find(text, origin())
        g.caller = _told(Caller(user, text, key=key))


def caller() -> Caller | None:
    """Who asks, or None. A key counts once ``authenticate`` has taken it."""
    if "caller" in g:
        return cast("Caller | None", g.caller)
    if bearer() is not None:
        return None
    token = session_token()
    login = current_site().accounts.login_of(token, origin().address) if token else None
    g.caller = None if login is None else _told(Caller(login.user, token, session=login.session))
    return cast("Caller | None", g.caller)


def _told(found: Caller) -> Caller:
    """The same; what is done for the request is done in their turn from now on."""
    share = request.environ.get(SHARE)
    if share is not None:
        share.belongs_to(found.user.id)
    return found


def current_caller() -> Caller:
    """Who asks. Raises LoginRequired if nobody is known to."""
    found = caller()
    if found is None:
        raise LoginRequired
    return found


def origin() -> Origin:
    """Where the request comes from."""
    return Origin(request.remote_addr or "", request.headers.get("User-Agent", ""))


def session_token() -> str:
    """The token of the browser's login, whole or half, or an empty text."""
    return request.cookies.get(_cookie_name(), "")


def give_session(response: Response, token: str) -> Response:
    """Let the browser keep the token of a login."""
    response.set_cookie(
        _cookie_name(),
        token,
        max_age=int(current_site().settings.session_max_s),
        path="/",
        httponly=True,
        samesite="Lax",
        secure=_is_secure(),
    )
    return response


def take_session(response: Response) -> Response:
    """Let the browser forget it."""
    response.delete_cookie(_cookie_name(), path="/", httponly=True, samesite="Lax", secure=_is_secure())
    return response


def _is_secure() -> bool:
    return request.is_secure or current_site().settings.public_origin.startswith("https:")


def _cookie_name() -> str:
    return SECURE_COOKIE if _is_secure() else COOKIE
