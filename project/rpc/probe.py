"""A WebSocket to the site itself, opened as a worker opens it: does the way in work, and how long does it take?"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import websocket

from project.errors import RemoteError, RpcTimeout

_OPEN, _MESSAGE_CONNECT = "0", "40"


@dataclass(frozen=True, slots=True)
class Probed:
    """How long opening took, and until the namespace was accepted; and the rhythm the site announces."""

    open_ms: float
    accepted_ms: float
    ping_interval_s: float
    ping_timeout_s: float


def probe(address: str, timeout_s: float) -> Probed:
    """Open a WebSocket at ``address`` (``ws://host:port``), join the workers' namespace, leave.

    Raises RpcTimeout, or RemoteError with what went wrong.
    """
    began = time.monotonic()
    try:
        connection = websocket.create_connection(
            f"{address}/socket.io/?EIO=4&transport=websocket", timeout=timeout_s, suppress_origin=True
        )
        try:
            greeting = _text(connection.recv())
            opened = time.monotonic()
            if not greeting.startswith(_OPEN):
                raise RemoteError(f"the site greeted with {greeting[:50]!r}")
            connection.send(_MESSAGE_CONNECT)
            answer = _text(connection.recv())
            accepted = time.monotonic()
            if not answer.startswith(_MESSAGE_CONNECT):
                raise RemoteError(f"the site answered {answer[:100]!r}")
        finally:
            connection.close()
    except (websocket.WebSocketTimeoutException, TimeoutError):
        raise RpcTimeout(f"the WebSocket was not accepted in {timeout_s:g} s") from None
    except (websocket.WebSocketException, OSError) as error:
        raise RemoteError(f"the WebSocket failed: {error}") from error
    rhythm = json.loads(greeting[1:])
    return Probed(
        (opened - began) * 1000,
        (accepted - began) * 1000,
        rhythm["pingInterval"] / 1000,
        rhythm["pingTimeout"] / 1000,
    )


def _text(frame: str | bytes) -> str:
    return frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
