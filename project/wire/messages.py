"""Messages of the worker protocol, parsed and checked field by field.

Every ``parse`` takes what JSON gave and returns a frozen message, or raises ``MessageInvalid`` naming the field.
Unknown fields are ignored, so that a newer peer can talk to an older one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from project.errors import MessageInvalid, MessageTooLarge
from project.wire import limits


def _mapping(data: object, what: str) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise MessageInvalid(f"{what} must be a JSON object", field=what)
    return data


def _text(data: Mapping[str, Any], name: str, *, default: str | None = None, most: int = limits.MAX_NAME_CHARS) -> str:
    value = data.get(name, default)
    if not isinstance(value, str) or (not value and default is None):
        raise MessageInvalid(f"{name} must be a text", field=name)
    if len(value) > most:
        raise MessageInvalid(f"{name} may have at most {most} characters", field=name)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        # JSON can spell half a surrogate pair; no database and no page can take it.
        raise MessageInvalid(f"{name} has characters that are not text", field=name) from None
    return value


def _whole(data: Mapping[str, Any], name: str, *, default: int, least: int, most: int) -> int:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise MessageInvalid(f"{name} must be a whole number from {least} to {most}", field=name)
    return value


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's claim that it holds one attempt: the request, the lease, and whether its handler has begun."""

    request_id: str
    lease_id: str
    started: bool = False


def _leases(data: Mapping[str, Any], name: str = "in_flight") -> tuple[Lease, ...]:
    value = data.get(name) or []
    if not isinstance(value, list) or len(value) > limits.MAX_CAPACITY:
        raise MessageInvalid(f"{name} must be a list of at most {limits.MAX_CAPACITY} leases", field=name)
    leases = []
    for item in value:
        entry = _mapping(item, name)
        leases.append(Lease(_text(entry, "request_id"), _text(entry, "lease_id"), bool(entry.get("started"))))
    return tuple(leases)


@dataclass(frozen=True, slots=True)
class Register:
    """``register``: a worker asks to serve the space of that name. Version 1 sends only ``space_name``.

    With ``probe`` it only asks whether it might. ``concurrency`` is how many requests it runs at once.
    """

    space_name: str
    token: str = ""
    protocol: int = 1
    worker_id: str = ""
    boot_id: str = ""
    capacity: int = limits.V1_WINDOW
    in_flight: tuple[Lease, ...] = ()
    sdk: str = ""
    probe: bool = False
    concurrency: int = 1

    @classmethod
    def parse(cls, data: object) -> Register:
        """Check a ``register`` message; a worker of version 2 must name itself and its boot."""
        body = _mapping(data, "register")
        protocol = _whole(body, "protocol", default=1, least=1, most=1000)
        if protocol == 1:
            return cls(space_name=_text(body, "space_name"), token=_text(body, "token", default=""))
        return cls(
            space_name=_text(body, "space_name"),
            token=_text(body, "token", default=""),
            protocol=min(protocol, limits.PROTOCOL),
            worker_id=_text(body, "worker_id"),
            boot_id=_text(body, "boot_id"),
            capacity=_whole(body, "capacity", default=1, least=1, most=limits.MAX_CAPACITY),
            in_flight=_leases(body),
            sdk=_text(body, "sdk", default=""),
            probe=body.get("probe") is True,
            concurrency=_whole(body, "concurrency", default=1, least=1, most=limits.MAX_CAPACITY),
        )


@dataclass(frozen=True, slots=True)
class Result:
    """``inference_result``: how one attempt ended. ``run_s`` is the handler's own time, if the worker tells it.

    ``code`` says why it failed, if it was not the model that did: one of ``limits.FAILURES``, else it is empty.
    """

    request_id: str
    status: str
    result: Mapping[str, Any] = field(default_factory=dict)
    lease_id: str = ""
    run_s: float | None = None
    code: str = ""

    @classmethod
    def parse(cls, data: object) -> Result:
        """Check an ``inference_result``; ``status`` is ``completed`` or ``failed``."""
        body = _mapping(data, "inference_result")
        status = _text(body, "status", default="completed")
        if status not in ("completed", "failed"):
            raise MessageInvalid("status must be completed or failed", field="status")
        result = body.get("result")
        if result is None:
            result = {"error": _text(body, "error", default="", most=limits.MAX_TEXT_CHARS)} if "error" in body else {}
        if not isinstance(result, dict):
            raise MessageInvalid("result must be a JSON object", field="result")
        check_json(result, "result")
        run_s, code = body.get("run_s"), body.get("code")
        # Compared, not converted: JSON has whole numbers that no float can hold.
        known = isinstance(run_s, (int, float)) and not isinstance(run_s, bool) and 0 <= run_s <= limits.SAFE_INTEGER
        return cls(
            request_id=_text(body, "request_id"),
            status=status,
            result=result,
            lease_id=_text(body, "lease_id", default=""),
            run_s=float(run_s) if known and run_s is not None else None,
            code=code if code in limits.FAILURES else "",
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """``inference_progress``: how far an attempt has come, ``percent`` 0-100. ``seq`` rises within an attempt."""

    request_id: str
    lease_id: str
    seq: int
    percent: float
    message: str = ""

    @classmethod
    def parse(cls, data: object) -> Progress:
        """Check an ``inference_progress``."""
        body = _mapping(data, "inference_progress")
        percent = body.get("percent")
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= 100:
            raise MessageInvalid("percent must be a number from 0 to 100", field="percent")
        return cls(
            request_id=_text(body, "request_id"),
            lease_id=_text(body, "lease_id"),
            seq=_whole(body, "seq", default=0, least=0, most=limits.SAFE_INTEGER),
            percent=float(percent),
            message=_text(body, "message", default="", most=1000),
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """``inference_chunk``: a piece of the answer's text, in the order of ``seq`` (from 1)."""

    request_id: str
    lease_id: str
    seq: int
    text: str

    @classmethod
    def parse(cls, data: object) -> Chunk:
        """Check an ``inference_chunk``."""
        body = _mapping(data, "inference_chunk")
        return cls(
            request_id=_text(body, "request_id"),
            lease_id=_text(body, "lease_id"),
            seq=_whole(body, "seq", default=1, least=1, most=limits.SAFE_INTEGER),
            text=_text(body, "text", default="", most=limits.MAX_TEXT_CHARS),
        )


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """``heartbeat``: the leases a worker still holds. The ack is ``{ok, keep: [request_id], stop: [request_id]}``."""

    in_flight: tuple[Lease, ...] = ()

    @classmethod
    def parse(cls, data: object) -> Heartbeat:
        """Check a ``heartbeat``."""
        return cls(_leases(_mapping(data, "heartbeat")))


def check_json(value: object, name: str, *, most_bytes: int = limits.MAX_PAYLOAD_BYTES) -> None:
    """Refuse JSON that is too deep, not finite, or over ``most_bytes``: it could not be stored and shown as it came."""
    _check_depth(value, name)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size_bytes = len(text.encode("utf-8"))
    except (ValueError, TypeError, UnicodeEncodeError) as error:
        raise MessageInvalid(f"{name} is not clean JSON: {error}", field=name) from None
    if size_bytes > most_bytes:
        raise MessageTooLarge(f"{name} has {size_bytes} bytes, at most {most_bytes} are taken", field=name)


def _check_depth(value: object, name: str) -> None:
    level: list[object] = [value]
    for _ in range(limits.MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise MessageInvalid(f"{name} is nested more than {limits.MAX_DEPTH} levels deep", field=name)


def _children(item: object) -> list[object]:
    if isinstance(item, dict):
        return list(item.values())
    return item if isinstance(item, list) else []
