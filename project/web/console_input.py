"""What programs send to the console's routes, checked; every refusal names its field."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from flask import request

from project.core.calls import Outcome, Search
from project.core.runs import MOST_CONCURRENT, MOST_REQUESTS, LoadTarget, Mode
from project.core.states import Status
from project.errors import BadInput, FieldInvalid
from project.rpc.methods import LEAST_TIMEOUT_S, MOST_TIMEOUT_S, find
from project.rpc.schema import check_json
from project.web.parsing import json_of

MOST_BODY_BYTES: Final = 256 * 1024
MOST_LISTED: Final = 50
SPACE_PREFIX: Final = "space:"
OUTCOMES: Final = ("success", "failure", *(outcome.value for outcome in Outcome if outcome is not Outcome.SUCCESS),
                   *(status.value for status in Status))  # fmt: skip
SOURCES: Final = ("", "rpc", "relay")
MODES: Final[tuple[Mode, ...]] = ("load", "stress")
ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


def body() -> Mapping[str, Any]:
    """The JSON object that was sent. Raises BadInput."""
    # A form of a foreign page can send text that is JSON, but cannot say that it is.
    if not request.is_json:
        raise BadInput("The body must be JSON, sent as application/json", field="body")
    request.max_content_length = MOST_BODY_BYTES
    try:
        found = json_of(request.get_data(), parse_constant=_no_constant)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadInput("The body must be a JSON object", field="body")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def only(given: Mapping[str, Any], *names: str) -> None:
    """Raise FieldInvalid for a field that is not among ``names``."""
    for name in given:
        if name not in names:
            raise FieldInvalid(f"{name[:100]} is not a field here", field=name[:100])


def text(given: Mapping[str, Any], field: str, *, most: int = 100, default: str | None = None) -> str:
    """A text that is there. Raises FieldInvalid."""
    value = given.get(field, default)
    if not isinstance(value, str) or not value.strip():
        raise FieldInvalid(f"{field} must be a text", field=field)
    if len(value) > most or any("\ud800" <= char <= "\udfff" or char < " " for char in value):
        raise FieldInvalid(f"{field} must be a text of at most {most} characters", field=field)
    return value


def number(given: Mapping[str, Any], field: str, least: float, most: float, default: float | None) -> float:
    """A number from ``least`` to ``most``. Raises FieldInvalid."""
    value = given.get(field, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise FieldInvalid(f"{field} must be a number from {least:g} to {most:g}", field=field)
    return float(value)


def whole_number(given: Mapping[str, Any], field: str, least: int, most: int, default: int | None) -> int:
    """A whole number from ``least`` to ``most``. Raises FieldInvalid."""
    value = number(given, field, least, most, default)
    if not value.is_integer():
        raise FieldInvalid(f"{field} must be a whole number from {least} to {most}", field=field)
    return int(value)


def flag(given: Mapping[str, Any], field: str) -> bool:
    """True or false. Raises FieldInvalid."""
    value = given.get(field)
    if not isinstance(value, bool):
        raise FieldInvalid(f"{field} must be true or false", field=field)
    return value


def timeout_s(given: Mapping[str, Any], default: float) -> float:
    """The time limit of a call in seconds. Raises FieldInvalid."""
    return number(given, "timeout", LEAST_TIMEOUT_S, MOST_TIMEOUT_S, default)


def load_target(given: Mapping[str, Any]) -> LoadTarget:
    """What a load run shall call. ``space:<id>`` stands for ``space.infer`` of that space.

    Without parameters a method is called with its sample. Raises FieldInvalid, UnknownMethod, InvalidParams.
    """
    name, params = text(given, "method"), check_json(given.get("params", {}))
    mode = given.get("mode", "load")
    if mode not in MODES:
        raise FieldInvalid(f"mode must be one of: {', '.join(MODES)}", field="mode")
    space_id = ""
    if name.startswith(SPACE_PREFIX):
        name, space_id = "space.infer", name.removeprefix(SPACE_PREFIX)
        params = {"prompt": "hello", **params, "space_id": space_id}
    method = find(name)
    params = params or method.sample(space_id)
    method.check(params)
    return LoadTarget(
        method=name,
        params=params,
        total=whole_number(given, "total_requests", 1, MOST_REQUESTS, 100),
        concurrency=whole_number(given, "concurrency", 1, MOST_CONCURRENT, 10),
        timeout_s=timeout_s(given, method.timeout_s),
        mode=mode,
    )


def search() -> Search:
    """The log's filters in the query. Raises FieldInvalid."""
    outcome = _chosen("outcome", ("", *OUTCOMES))
    limit = request.args.get("limit", str(MOST_LISTED))
    if not re.fullmatch(r"[0-9]{1,3}", limit) or not 1 <= int(limit) <= MOST_LISTED:
        raise FieldInvalid(f"limit must be from 1 to {MOST_LISTED}", field="limit")
    return Search(
        method=_short("method").removeprefix(SPACE_PREFIX),
        outcome=outcome,
        since=_moment("since"),
        until=_moment("until"),
        text=_short("text"),
        test_id=_short("test_id"),
        tests=with_tests(True),
        limit=int(limit),
    )


def source() -> str:
    """Which of the two logs is asked for. Raises FieldInvalid."""
    return _chosen("source", SOURCES)


def with_tests(default: bool) -> bool:
    """Whether calls of load runs count, too. Raises FieldInvalid."""
    return {"": default, "0": False, "1": True}[_chosen("tests", ("", "0", "1"))]


def window_s() -> float:
    """The stretch of time for statistics, ``hours`` in the query. Raises FieldInvalid."""
    hours = request.args.get("hours", "24")
    if hours not in ("1", "24", "168"):
        raise FieldInvalid("hours must be 1, 24 or 168", field="hours")
    return float(hours) * 3600.0


def _chosen(field: str, among: tuple[str, ...]) -> str:
    value = request.args.get(field, "")
    if value not in among:
        raise FieldInvalid(f"{field} must be one of: {', '.join(filter(None, among))}", field=field)
    return value


def _short(field: str) -> str:
    value = request.args.get(field, "")
    if len(value) > 200 or "\0" in value:
        raise FieldInvalid(f"{field} may have at most 200 characters", field=field)
    return value


def _moment(field: str) -> float | None:
    """A time as ISO 8601 (UTC where it says nothing else) or in seconds since the epoch."""
    value = request.args.get(field, "")
    if not value:
        return None
    try:
        if re.fullmatch(r"[0-9]{1,11}(\.[0-9]{1,9})?", value):
            at = float(value)
        else:
            moment = datetime.fromisoformat(value)
            at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        at = math.nan
    if not math.isfinite(at):
        raise FieldInvalid(f"{field} must be a time such as 2026-01-31T12:00:00Z", field=field)
    return at
