"""What the site's own proxies say of a request in ``X-Forwarded-*``; anybody may write what stands before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SCHEMES: Final = ("http", "https", "ws", "wss")
_AS_PAGES: Final = {"ws": "http", "wss": "https"}
"""Some proxies call the scheme of a WebSocket by its own name."""


def forwarded(environ: Mapping[str, Any], name: str, hops: int) -> str:
    """What the outermost of ``hops`` proxies of ours says in ``X-Forwarded-<name>``; empty without one."""
    said = str(environ.get(f"HTTP_X_FORWARDED_{name}", "")).split(",") if hops else []
    return said[-hops].strip() if len(said) >= hops > 0 else ""


def own_origin(environ: Mapping[str, Any], hops: int) -> str:
    """The site's origin as a request reached it, by what our own proxies say of it."""
    scheme = forwarded(environ, "PROTO", hops) or str(environ.get("wsgi.url_scheme", "http"))
    host = forwarded(environ, "HOST", hops) or str(environ.get("HTTP_HOST", ""))
    return f"{_AS_PAGES.get(scheme, scheme)}://{host}"
