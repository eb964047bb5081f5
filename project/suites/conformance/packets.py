"""Packets of Socket.IO 5 over Engine.IO 4, as far as the worker protocol needs them: text only, default namespace."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

PING: Final = "2"
PONG: Final = "3"
CLOSE: Final = "1"
CONNECT: Final = "40"
DISCONNECT: Final = "41"
_EVENT: Final = re.compile(r"42(\d*)(\[.*\])", re.DOTALL)


class PacketInvalid(Exception):
    """A text that is no packet of the protocol."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event; ``ack_id`` is set if its sender asks for an acknowledgement."""

    name: str
    data: Any
    ack_id: int | None = None


def read_event(text: str) -> Event:
    """Read an event with at most one argument, which is all this protocol has. Raises PacketInvalid."""
    found = _EVENT.fullmatch(text)
    if found is None:
        raise PacketInvalid(f"{text[:80]!r} is no Socket.IO event of the default namespace")
    try:
        name, *arguments = json.loads(found[2])
    except ValueError:
        raise PacketInvalid(f"{text[:80]!r} is not clean JSON") from None
    if not isinstance(name, str) or len(arguments) > 1:
        raise PacketInvalid(f"{text[:80]!r} is not an event with one message")
    return Event(name, arguments[0] if arguments else None, int(found[1]) if found[1] else None)


def handshake(sid: str, *, ping_interval_s: float, ping_timeout_s: float, most_bytes: int) -> str:
    """The first packet of a server."""
    opened = {
        "sid": sid,
        "upgrades": [],
        "pingInterval": round(ping_interval_s * 1000),
        "pingTimeout": round(ping_timeout_s * 1000),
        "maxPayload": most_bytes,
    }
    return f"0{json.dumps(opened)}"


def welcome(sid: str) -> str:
    """The default namespace is open."""
    return f"{CONNECT}{json.dumps({'sid': sid})}"


def event(name: str, data: Any) -> str:
    """An event of the site."""
    return f"42{json.dumps([name, data])}"


def acknowledgement(ack_id: int, value: Any) -> str:
    """The answer to an event that asked for one."""
    return f"43{ack_id}{json.dumps([value])}"
