"""Pages of which origins may connect as workers. A program may leave the header out; a browser never does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from project.config import Settings
from project.core.forwarding import own_origin

Allows = Callable[[str, Mapping[str, Any]], bool]


def allowed(settings: Settings) -> Allows:
    """Whether a handshake with that ``Origin`` and environment may pass.

    Those listed, if there are any; else the site's own, as the request reached it. And always ``public_origin``: that
    is what a worker calls, and a proxy may tell the site another port, or none.
    """
    listed = settings.allowed_origins
    public = settings.public_origin.rstrip("/")

    def allows(origin: str, environ: Mapping[str, Any]) -> bool:
        if public and origin == public:
            return True
        return origin in listed if listed else origin == own_origin(environ, settings.proxy_hops)

    return allows
