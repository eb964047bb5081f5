"""Every kind of target, and how one is made from what a command line or a file says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from project.load.errors import BadUsage
from project.load.permission import marked
from project.load.targets.base import Target
from project.load.targets.http import Endpoint, HttpTarget, checked_headers
from project.load.targets.messages import Matching, Source, fixed
from project.load.targets.relay import RelayOptions, RelayTarget
from project.load.targets.services import Service
from project.load.targets.socketio import SocketIOTarget
from project.load.targets.websocket import WebSocketTarget

MOST_BODY_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """What a target may be told. Each kind uses its own part."""

    url: str
    kind: str = ""
    """Empty: by the address."""
    timeout_s: float = 30.0
    headers: Mapping[str, str] = field(default_factory=dict)
    seed: int = 1
    source: Callable[[int], Source] = lambda number: fixed()
    matching: Matching = "id"
    event: str = "message"
    method: str = ""
    """Empty: POST with a body, GET without."""
    path: str = ""
    body: str = ""
    """JSON, or ``@file``."""
    relay: RelayOptions | None = None
    service: Service | None = None
    """Instead of an address."""


def kind_of(options: TargetOptions) -> str:
    """The kind that was asked for, or the one its address suggests. Raises BadUsage."""
    if options.kind:
        if options.kind not in KINDS:
            raise BadUsage(f"There is no target {options.kind!r}; there are {', '.join(KINDS)}")
        return options.kind
    if options.service is not None:
        return "http"
    if options.relay is not None:
        return "relay"
    if options.url.startswith(("ws://", "wss://")):
        return "websocket"
    if options.url.startswith(("http://", "https://")):
        return "http"
    raise BadUsage(f"A target begins with ws://, wss://, http:// or https://, not as {options.url!r}")


def make_target(options: TargetOptions, number: int = 1) -> Target:
    """The target for the ``number``-th run of a scenario. Raises BadUsage."""
    kind = kind_of(options)
    url = options.service.url if options.service is not None else options.url
    return KINDS[kind](replace(options, headers=marked(url, options.headers)), number)


def _websocket(options: TargetOptions, number: int) -> Target:
    return WebSocketTarget(
        options.url,
        options.source,
        options.matching,
        options.timeout_s,
        dict(options.headers),
        run_id=f"{options.seed}.{number}",
    )


def _socketio(options: TargetOptions, number: int) -> Target:
    return SocketIOTarget(
        options.url,
        options.source,
        options.event,
        timeout_s=options.timeout_s,
        headers=dict(options.headers),
        run_id=f"{options.seed}.{number}",
    )


def _http(options: TargetOptions, number: int) -> Target:
    if options.service is not None:
        return options.service.target(options.timeout_s, options.headers)
    headers = dict(options.headers)
    body = read_body(options.body) if options.body else None
    if body is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    url, path = options.url, options.path
    if not path:
        # The address names the endpoint itself.
        scheme, _, rest = url.partition("://")
        host, slash, tail = rest.partition("/")
        url, path = f"{scheme}://{host}", (slash + tail) or "/"
    method = options.method.upper() if options.method else "POST" if body else "GET"
    return HttpTarget(url, (Endpoint(path, method, body=body),), headers, options.timeout_s)


def _relay(options: TargetOptions, number: int) -> Target:
    if options.relay is None:
        raise BadUsage("a relay's target needs --space, a space's id or name")
    return RelayTarget(
        options.url, options.relay, options.timeout_s, dict(options.headers), options.seed * 1000 + number
    )


def read_body(text: str) -> bytes:
    """A body that is given as JSON, or as ``@file`` (sent as it is). Raises BadUsage."""
    if text.startswith("@"):
        path = Path(text[1:])
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadUsage(f"Cannot read the body {path}: {error.strerror}") from error
        if len(data) > MOST_BODY_BYTES:
            raise BadUsage(f"The body {path} has more than {MOST_BODY_BYTES} bytes")
        return data
    try:
        json.loads(text)
    except ValueError as error:
        raise BadUsage(f"The body is not JSON: {error}") from error
    return text.encode("utf-8")


def read_headers(lines: tuple[str, ...], file: Path | None = None) -> dict[str, str]:
    """Headers as ``Name: value``, given or in a file, a line each (# begins a comment). Raises BadUsage."""
    given = list(lines)
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadUsage(f"Cannot read the headers {file}: {error}") from error
        given += [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    headers: dict[str, str] = {}
    for line in given:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise BadUsage("a header is written as Name: value")
        headers[name.strip()] = value.strip()
    return checked_headers(headers)


KINDS: Final[dict[str, Callable[[TargetOptions, int], Target]]] = {
    "websocket": _websocket,
    "socketio": _socketio,
    "http": _http,
    "relay": _relay,
}
