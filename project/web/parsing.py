"""Bodies that are held in memory, judged before they are taken apart: how long they are, and of how many parts.

Two megabytes of commas are a million values, and a second of everybody's time. What is long is taken apart by a
native thread, so that others are served meanwhile; what has more parts than anything here asks for, not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import IO, Any, Final
from urllib.parse import parse_qsl

from werkzeug.formparser import FormDataParser

from project.errors import TooLarge
from project.web.site import current_site

MOST_FIELDS: Final = 500
MOST_SIGNS: Final = 150_000
"""Of each sign that begins or parts values: a prompt of a hundred thousand characters may be nothing but such signs."""
SIGNS: Final = (b"[", b"{", b",", b'"')
LONG_BYTES: Final = 32 * 1024
"""From here on it takes a thread."""


class BoundedFormParser(FormDataParser):
    """The framework's parser, which would take a million fields of a form that has no files."""

    def _parse_urlencoded(self, stream: IO[bytes], mimetype: str, content_length: int | None, options: Any) -> Any:
        return stream, self.cls(fields_of(stream.read())), self.cls()


def fields_of(body: bytes) -> list[tuple[str, str]]:
    """Names and values of a urlencoded form. Raises TooLarge for more fields than any form here has, ValueError."""
    if body.count(b"&") >= MOST_FIELDS:
        raise TooLarge(f"A form may have at most {MOST_FIELDS} fields")
    text = body.decode()
    found: list[tuple[str, str]] = _off_the_loop(
        len(body), lambda: parse_qsl(text, keep_blank_values=True, errors="werkzeug.url_quote")
    )
    return found


def json_of(body: bytes, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """What a JSON text says. Raises TooLarge for more values than anything here asks for, ValueError for no JSON."""
    if len(body) > MOST_SIGNS and any(body.count(sign) > MOST_SIGNS for sign in SIGNS):
        raise TooLarge(f"JSON may have at most {MOST_SIGNS} values")
    try:
        return _off_the_loop(len(body), lambda: json.loads(body, parse_constant=parse_constant))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _off_the_loop(size_bytes: int, work: Callable[[], Any]) -> Any:
    return work() if size_bytes < LONG_BYTES else current_site().runtime.run_blocking(work)
