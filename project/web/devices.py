"""What a browser is called in a list of logins. A guess for the reader's eyes; nothing is decided by it."""

from __future__ import annotations

from typing import Final

_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("python-requests", "python-requests"),
    ("curl/", "curl"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def device_name(said: str) -> str:
    """``Firefox · Linux`` of a ``User-Agent``; what it begins with if that is unknown; empty if there is none."""
    browser = next((name for mark, name in _BROWSERS if mark in said), "")
    system = next((name for mark, name in _SYSTEMS if mark in said), "")
    known = " · ".join(part for part in (browser, system) if part)
    return known or "".join(char for char in said if char.isprintable())[:40]
