"""Expectations: what a check finds must be what is promised, or it says what was expected and what came."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import requests

MOST_SHOWN_CHARS: Final = 200
POLL_S: Final = 0.05


class Unmet(Exception):
    """What was expected did not come."""


def expect(found: Any, expected: Any, what: str) -> None:
    """Raise Unmet unless both are the same."""
    if found != expected:
        raise Unmet(f"{what}: expected {shown(expected)}, got {shown(found)}")


def expect_among(texts: list[str], part: str, what: str) -> None:
    """Raise Unmet unless one of the texts contains the part."""
    if not any(part in text for text in texts):
        raise Unmet(f"{what}: expected {part!r}, got {shown(texts)}")


def expect_status(answer: requests.Response, expected: int, what: str) -> None:
    """Raise Unmet unless the answer has that HTTP status."""
    if answer.status_code != expected:
        said = f" ({shown(answer.text)})" if "json" in answer.headers.get("Content-Type", "") else ""
        raise Unmet(f"{what}: expected {expected}, got {answer.status_code}{said}")


def body_of(answer: requests.Response, expected: int, what: str) -> dict[str, Any]:
    """The JSON object of an answer with that HTTP status. Raises Unmet."""
    expect_status(answer, expected, what)
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise Unmet(f"{what}: expected a JSON object, got {shown(answer.text)}")
    return body


def part_of(body: Any, *path: str | int) -> Any:
    """What is at a path of keys and indexes in an answer. Raises Unmet where there is nothing."""
    found = body
    for number, step in enumerate(path):
        try:
            found = found[step]
        except (LookupError, TypeError):
            where = ".".join(str(part) for part in path[: number + 1])
            raise Unmet(f"expected {where} in the answer, got {shown(body)}") from None
    return found


def expect_refusal(answer: requests.Response, status: int, code: str, what: str) -> dict[str, Any]:
    """The body of an error in JSON: that status and code, ``success`` false, an ``error`` text. Raises Unmet."""
    body = body_of(answer, status, what)
    expect(part_of(body, "success"), False, f"{what}: success")
    expect(part_of(body, "code"), code, f"{what}: code")
    expect(isinstance(part_of(body, "error"), str), True, f"{what}: error is a text")
    return body


def until(is_true: Callable[[], Any], *, within_s: float, what: str) -> None:
    """Wait for something to become true; raise Unmet if it does not in time."""
    deadline = time.monotonic() + within_s
    while not is_true():
        if time.monotonic() > deadline:
            raise Unmet(f"expected {what} within {within_s:g} s, got nothing of the kind")
        time.sleep(POLL_S)


def shown(value: Any) -> str:
    """A value in one line, cut where it is long."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN_CHARS else f"{text[:MOST_SHOWN_CHARS]}…"
