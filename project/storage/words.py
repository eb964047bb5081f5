"""What a search for text in the log of calls looks into, the same in every store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from project.core.calls import Call

MOST_WORDS = 2000


def words_of(call: Call) -> str:
    """The call's id, method, caller, error and every text of its parameters, in lower case."""
    values = [call.id, call.method, call.caller, call.error or "", *_texts(call.params)]
    return "\n".join(values)[:MOST_WORDS].casefold()


def _texts(value: Any) -> list[str]:
    """Every text and number in a JSON value."""
    if isinstance(value, Mapping):
        return [text for key, inner in value.items() for text in (str(key), *_texts(inner))]
    if isinstance(value, (list, tuple)):
        return [text for inner in value for text in _texts(inner)]
    return [] if value is None else [str(value)]
