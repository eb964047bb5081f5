"""The steps on the real channel: the WebSocket, the registration, large messages, pings; and files beside it."""

from __future__ import annotations

import json
import secrets
import statistics
import time
from typing import Any, Final

import requests
import websocket

from project.wire import events, limits
from project.worker.doctor.case import Case, Trouble

TIMES: Final = 5
LARGE_FILE_BYTES: Final = 2 * 1024 * 1024
OPEN, PING, PONG, CONNECT, EVENT, ACK = "0", "2", "3", "40", "42", "43"
"""What packets of Engine.IO 4 and Socket.IO 5 begin with."""
UPGRADE: Final = (
    "Something between here and the site does not pass WebSockets on. nginx needs `proxy_http_version 1.1` and "
    '`proxy_set_header Upgrade $http_upgrade` with `Connection "upgrade"`; a company\'s proxy may have to allow it.'
)
LIMIT: Final = "Raise the limit of the proxy in front of the site; nginx: client_max_body_size 210m."
REFUSALS: Final = {
    "space_name_unknown": "Names are case-sensitive: compare with the site's admin page.",
    "space_name_ambiguous": "Rename one of the spaces on the site's admin page.",
    "space_not_websockets": "Set the space's card type to websockets on its admin page.",
    "bad_token": "Make a new token on the space's admin page, and pass it as --token or SPACES_WORKER_TOKEN.",
    "token_required": "Make a token on the space's admin page, and pass it as --token or SPACES_WORKER_TOKEN.",
}


def upgrade(case: Case) -> str:
    """The connection becomes a WebSocket, and the site's protocol begins on it."""
    scheme = "wss" if case.secure else "ws"
    url = f"{scheme}://{case.host.split('://', 1)[1]}/socket.io/?EIO=4&transport=websocket"
    try:
        case.socket = websocket.create_connection(url, timeout=case.timeout_s)
        opening = str(case.socket.recv())
    except websocket.WebSocketBadStatusException as error:
        raise Trouble(f"the answer to the upgrade is {error.status_code}, not 101", UPGRADE) from error
    except (websocket.WebSocketException, OSError) as error:
        raise Trouble(f"no WebSocket: {error}", UPGRADE) from error
    if not opening.startswith(OPEN):
        raise Trouble("what answers there does not speak Engine.IO", "Is that the address of the site itself?")
    case.opening = json.loads(opening[1:])
    case.socket.send(CONNECT)
    _await(case, CONNECT, "the site does not accept the connection")
    return f"open; a ping every {case.opening['pingInterval'] / 1000:g} s"


def registration(case: Case) -> str:
    """The token and the space's name are right. The space is not taken: it is only asked whether it might be."""
    message = {
        "space_name": case.space,
        "token": case.token,
        "protocol": limits.PROTOCOL,
        "worker_id": f"doctor-{secrets.token_hex(4)}",
        "boot_id": secrets.token_hex(4),
        "probe": True,
    }
    case.socket.send(EVENT + json.dumps([events.REGISTER, message]))
    name, told = _await(case, EVENT, "the site does not answer the registration")
    if name != events.REGISTER_RESPONSE:
        raise Trouble(f"the site answered {name!r}", "Is the site of a newer version than this program?")
    if not told.get("success"):
        code = str(told.get("code") or "refused")
        raise Trouble(f"{told.get('message')} ({code})", REFUSALS.get(code, "See the site's log."))
    case.told = told
    if not told.get("probe"):
        raise Trouble("the site is of an older version and took the doctor for a worker", "Update the site.")
    workers, most = told.get("workers", 0), told.get("max_workers", 1)
    if workers < most:
        return "right; nobody is in the way"
    return f"right; {workers} of {most} workers are there already: another one would be refused as space_occupied"


def round_trip(case: Case) -> str:
    """A message goes there and its acknowledgement comes back."""
    took_ms = []
    for number in range(TIMES):
        began = time.monotonic()
        case.socket.send(f"{EVENT}{number}" + json.dumps([events.HEARTBEAT, {"in_flight": []}]))
        _await(case, f"{ACK}{number}", "a message was not acknowledged")
        took_ms.append((time.monotonic() - began) * 1000)
    return f"{statistics.median(took_ms):.0f} ms, at most {max(took_ms):.0f} ms"


def large_message(case: Case) -> str:
    """A message as large as a result may be gets through."""
    most = int(case.told.get("max_payload_bytes") or limits.MAX_PAYLOAD_BYTES)
    message = {"in_flight": [], "padding": "x" * (most - 1024)}
    what = f"a message of {most // 1024} KB does not get through"
    case.socket.send(f"{EVENT}{TIMES}" + json.dumps([events.HEARTBEAT, message]))
    _await(case, f"{ACK}{TIMES}", what, "Something on the way cuts large WebSocket messages: raise its limit.")
    return f"{most // 1024} KB get through"


def pings(case: Case) -> str:
    """The connection stays open, and what the site sends by itself arrives."""
    every_s = case.opening["pingInterval"] / 1000
    case.socket.settimeout(every_s + case.timeout_s)
    what = f"no ping came within {every_s + case.timeout_s:g} s"
    _await(case, PING, what, "Something on the way holds back what the site sends: switch its buffering off.")
    case.socket.send(PONG)
    return "come and are answered"


def files(case: Case) -> str:
    """A file of some size gets to the site beside the channel. Nothing is stored: the link is not one of its own."""
    url = f"{case.host}/websockets/work/results/doctor"
    try:
        answer = requests.post(url, data=b"x" * LARGE_FILE_BYTES, timeout=case.timeout_s, allow_redirects=False)
    except requests.RequestException as error:
        raise Trouble(f"a file of 2 MB does not get through: {error}", LIMIT) from error
    if answer.status_code == 413:
        raise Trouble("a file of 2 MB is refused on the way (413)", LIMIT)
    if "bad_signature" not in answer.text:
        raise Trouble(f"something else answers at the site's address for files ({answer.status_code})", LIMIT)
    return "2 MB get through"


def _await(case: Case, kind: str, what: str, mends: str = "See the site's log for why.") -> Any:
    """The content of the next packet of that kind; pings on the way are answered, other events are passed by."""
    deadline = time.monotonic() + (case.socket.gettimeout() or case.timeout_s)
    try:
        while time.monotonic() < deadline:
            text = str(case.socket.recv())
            if text.startswith(kind) and (kind != PING or len(text) == 1):
                return json.loads(text[len(kind) :] or "null")
            if text == PING:
                case.socket.send(PONG)
            if not text:
                raise websocket.WebSocketConnectionClosedException("the connection was closed")
    except (websocket.WebSocketException, OSError, ValueError) as error:
        raise Trouble(f"{what}: {error}", mends) from error
    raise Trouble(what, mends)
