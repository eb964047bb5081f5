"""How much of a request's head is read at all: lists in headers are taken apart in Python, name by name.

What nobody here takes apart (a proxy's own headers, say) counts only as a part of the whole head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from project.errors import HeadTooLarge

MOST_BYTES: Final = 32 * 1024
"""Of all headers together, and the query."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The most of one header: bytes, and of the sign between its parts."""

    name: str
    shown: str
    most_bytes: int
    sign: str = ","
    most_signs: int = 64


BOUNDS: Final = (
    Bound("HTTP_ACCEPT", "Accept", 2048),
    Bound("HTTP_ACCEPT_LANGUAGE", "Accept-Language", 2048),
    Bound("HTTP_ACCEPT_ENCODING", "Accept-Encoding", 2048),
    Bound("HTTP_ACCEPT_CHARSET", "Accept-Charset", 2048),
    Bound("HTTP_IF_NONE_MATCH", "If-None-Match", 4096),
    Bound("HTTP_IF_MATCH", "If-Match", 4096),
    Bound("HTTP_CACHE_CONTROL", "Cache-Control", 2048),
    Bound("HTTP_RANGE", "Range", 1024),
    Bound("HTTP_X_FORWARDED_FOR", "X-Forwarded-For", 2048),
    Bound("HTTP_X_FORWARDED_HOST", "X-Forwarded-Host", 2048),
    Bound("HTTP_X_FORWARDED_PROTO", "X-Forwarded-Proto", 2048),
    Bound("HTTP_COOKIE", "Cookie", 16 * 1024, ";", 200),
    Bound("CONTENT_TYPE", "Content-Type", 1024, ";", 20),
    Bound("QUERY_STRING", "the query", 16 * 1024, "&", 200),
)
"""A browser's ``Accept`` and ``Accept-Language`` have some 150 bytes, and its cookies are those of every site that was
ever on this host."""


def refusal(environ: Mapping[str, Any]) -> HeadTooLarge | None:
    """HeadTooLarge for a head that says more than anybody has reason to; judged before any of it is taken apart."""
    sizes = (len(value) for name, value in environ.items() if name.startswith("HTTP_") and isinstance(value, str))
    if sum(sizes) + len(environ.get("QUERY_STRING") or "") > MOST_BYTES:
        return HeadTooLarge()
    for bound in BOUNDS:
        value = environ.get(bound.name)
        if value and (len(value) > bound.most_bytes or value.count(bound.sign) > bound.most_signs):
            most = f"at most {bound.most_bytes} bytes and {bound.most_signs} of the sign {bound.sign}"
            return HeadTooLarge(f"The site takes {most} in {bound.shown}")
    return None
