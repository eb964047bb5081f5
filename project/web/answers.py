"""Whether the other end is a program or a person with a browser."""

from __future__ import annotations

from typing import Final

from flask import request

CONSOLE: Final = "/cfg/ipc/"
FOR_PROGRAMS: Final = ("/websockets/", "/clients/", "/v1/")
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


def wants_json() -> bool:
    """Whether to answer in JSON: the relay's own routes do, but to forms; the console's do, but for its page; others
    when the client prefers it."""
    if request.path.startswith(CONSOLE) and request.path != CONSOLE:
        return True
    if request.path.startswith(FOR_PROGRAMS):
        return not is_form()
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], default="text/html")
    return best == "application/json" and "text/html" not in request.accept_mimetypes.values()


def is_form() -> bool:
    """Whether a browser sent a form by itself, so that a person sees whatever is answered.

    Scripts say so in ``Sec-Fetch-Mode``, and neither they nor programs ask for HTML of their own accord.
    """
    if request.method != "POST" or request.mimetype not in FORMS:
        return False
    mode = request.headers.get("Sec-Fetch-Mode", "navigate")
    return mode == "navigate" and "text/html" in request.accept_mimetypes.values()
