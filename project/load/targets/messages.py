"""The messages a run sends, as JSON text with a correlation id, and how answers are matched to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from project.load.errors import BadUsage

Matching = Literal["id", "order", "none"]
"""By correlation id; the n-th answer to the n-th message; or no answer is waited for."""
ID_PLACES: Final = ("id", "message_id", "correlation_id", "request_id", "in_reply_to", "reply_to")
NESTED: Final = ("metadata", "data")
Body = Mapping[str, Any]
Source = Callable[[], Body]
"""Gives the next message."""


class Texts:
    """Messages of a source as text. A message that is the same object as the last is not written again."""

    __slots__ = ("_body", "_rest", "_source", "type")

    def __init__(self, source: Source):
        self._source = source
        self._body: Body | None = None
        self._rest = ""
        self.type = ""

    def next(self, correlation_id: str) -> str:
        """The next message's JSON text; its ``id`` is the correlation id."""
        body = self._source()
        if body is not self._body:
            self._body = body
            rest = json.dumps({key: value for key, value in body.items() if key != "id"}, ensure_ascii=False)
            self._rest = "}" if rest == "{}" else ", " + rest[1:]
            self.type = str(body.get("type", "message"))
        return f'{{"id": "{correlation_id}"{self._rest}'


def bytes_of(text: str | bytes) -> int:
    """How many bytes a message has on the way: UTF-8, where it is text."""
    return len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode())


def correlation_of(text: str | bytes, prefix: str) -> int | None:
    """The number in the correlation id a message carries, looked for in the usual places; None without one of ours."""
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return number_in(body, prefix)


def number_in(body: object, prefix: str) -> int | None:
    """The number in the correlation id of a message that was read already."""
    if not isinstance(body, dict):
        return None
    for place in ID_PLACES:
        value = body.get(place)
        if isinstance(value, str) and value.startswith(prefix):
            number = value[len(prefix) :]
            return int(number) if number.isdecimal() else None
    for place in NESTED:
        inner = body.get(place)
        if isinstance(inner, dict) and (found := number_in(inner, prefix)) is not None:
            return found
    return None


def fixed(size_bytes: int = 0) -> Source:
    """The same small message again and again; ``size_bytes`` of filling make it larger."""
    if not 0 <= size_bytes <= 64 * 1024 * 1024:
        raise BadUsage("the size of a message is from 0 to 64 MiB")
    body: Body = {"type": "ping", "data": {"filling": "x" * size_bytes}} if size_bytes else {"type": "ping"}
    return lambda: body
