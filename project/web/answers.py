"""Whether the other end is a program or a person with a browser."""

from __future__ import annotations

from flask import request


def wants_json() -> bool:
    """Whether to answer in JSON: the relay's own routes do always, others when the client prefers it."""
    if request.path.startswith("/websockets/"):
        return True
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], default="text/html")
    return best == "application/json" and "text/html" not in request.accept_mimetypes.values()
