"""Figures in words, each with its unit, which the record keeps at the end of a name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

_UNITS: Final = (("_ms", " ms"), ("_s", " s"), ("_percent", " %"))
_RATES: Final = frozenset({"rate", "at_most", "per_second"})


def shown(value: float) -> str:
    """Four digits that matter, and never fewer than the whole number has."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def named(name: str, value: Any) -> tuple[str, str]:
    """A finding's name without its unit, and its value with it."""
    ending, unit = next((pair for pair in _UNITS if name.endswith(pair[0])), ("", ""))
    title = name.removesuffix(ending).replace("_", " ")
    if isinstance(value, bool):
        return title, "yes" if value else "no"
    if isinstance(value, (int, float)):
        return title, shown(value) + (unit or ("/s" if name in _RATES else ""))
    return title, worded(value)


def worded(value: Any) -> str:
    """A value, also one of several parts."""
    if isinstance(value, Mapping):
        return ", ".join(" ".join(named(name, item)) for name, item in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
