"""Where a person may be led: addresses of this site only."""

from __future__ import annotations

from urllib.parse import urlsplit


def local(target: str) -> str:
    """The target if it is a path of this site, else an empty text. Browsers read ``\\`` as ``/``."""
    if not target.startswith("/") or target.startswith("//") or "\\" in target or not target.isprintable():
        return ""
    return "" if urlsplit(target).netloc else target
