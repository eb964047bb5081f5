"""A site of the suite's own: it speaks the site's side of the worker protocol, and behaves as a check wants it to."""

from __future__ import annotations

import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from project.suites.conformance import journal, packets
from project.suites.conformance.journal import Entry, Journal
from project.suites.conformance.link import Link
from project.suites.conformance.listener import Listener, Upload
from project.wire import events, limits

HELD: Final = object()
"""An acknowledgement that is given later, or never."""
PING_S: Final = 0.1
"""Far more often than a real site, to see whether a worker answers while it works."""
PING_TIMEOUT_S: Final = 5.0
PROMPT: Final = "say something about conformance"
"""Some words: a handler may well take its time by their number."""
SPEC_HEARTBEAT_S: Final = 4.0
SPEC_LEASE_S: Final = 15.0
Answer = Callable[[Entry], Any]


@dataclass(frozen=True)
class Given:
    """An attempt that was handed to the worker."""

    request_id: str
    lease_id: str
    attempt: int = 1

    @classmethod
    def new(cls) -> Given:
        """The first attempt at a new request."""
        return cls(secrets.token_hex(8), secrets.token_hex(8))

    def is_of(self, entry: Entry) -> bool:
        """Whether a message is about this request."""
        return entry.request_id == self.request_id

    def again(self) -> Given:
        """The next attempt at this request, under another lease."""
        return replace(self, lease_id=secrets.token_hex(8), attempt=self.attempt + 1)


@dataclass
class Manner:
    """How the site behaves. ``answers``: how it acknowledges an event, for those that it does not just accept."""

    heartbeat_s: float = SPEC_HEARTBEAT_S
    most_bytes: int = limits.MAX_PAYLOAD_BYTES
    refusals: list[Mapping[str, Any]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    upload_statuses: list[int] = field(default_factory=list)
    at_once: list[Mapping[str, Any]] = field(default_factory=list)
    """Requests that go out right behind the answer to the next registration."""

    @property
    def told(self) -> tuple[float, int]:
        """What a worker is told as it registers, and goes by until the next time."""
        return self.heartbeat_s, self.most_bytes


class StandIn:
    """The site. Every thing a worker does is in ``journal``; ``manner`` may be changed at any moment."""

    def __init__(self, trace: Callable[[str], None]) -> None:
        self.journal = Journal(trace)
        self.manner = Manner()
        self.files: dict[str, bytes] = {}
        self._links = 0
        self._link: Link | None = None
        self._listener = Listener(self)
        self._over = threading.Event()

    @property
    def host(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._listener.port}"

    @property
    def has_worker(self) -> bool:
        """Whether a worker is connected."""
        return self._link is not None and not self._link.ended.is_set()

    def start(self) -> None:
        """Begin to listen and to ping."""
        self._listener.start()
        threading.Thread(target=self._ping, daemon=True).start()

    def stop(self) -> None:
        """End everything."""
        self._over.set()
        self.cut()
        self._listener.stop()

    # -- what a check does ------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Break the connection."""
        if self._link is not None:
            self._link.cut()

    def leave(self) -> None:
        """Be away until ``come_back``: the connection breaks, and who knocks is turned away."""
        self._listener.is_away = True
        self.cut()

    def come_back(self) -> None:
        """Be there again."""
        self._listener.is_away = False

    def emit(self, name: str, message: Mapping[str, Any]) -> None:
        """Send the worker an event."""
        if self._link is not None:
            self._link.send(packets.event(name, message))

    def give(self, prompt: str = PROMPT, *, of: Given | None = None, **more: Any) -> Given:
        """Hand out a request, or with ``of`` another attempt at it. ``more`` goes into the payload."""
        given = Given.new() if of is None else of.again()
        self.emit(events.REQUEST, self.message(given, prompt, **more))
        return given

    def message(self, given: Given, prompt: str = PROMPT, **more: Any) -> dict[str, Any]:
        """An ``inference_request`` with everything that the site sends."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))
        return {
            "request_id": given.request_id,
            "username": "tester",
            "payload": {"prompt": prompt, "timestamp": now, **more},
            "queue_size": 1,
            "lease_id": given.lease_id,
            "attempt": given.attempt,
            "deadline": later,
            "upload_url": f"{self.host}/results/{given.lease_id}?signature={given.request_id}",
        }

    def offer(self, name: str, body: bytes, *, sha256: str = "") -> dict[str, Any]:
        """Put up a file for download; its entry for ``files`` of a payload, with another hash if one is given."""
        path = f"/files/{secrets.token_hex(8)}?signature={secrets.token_hex(8)}"
        self.files[path] = body
        return {
            "field": "other_file",
            "name": name,
            "content_type": "text/plain",
            "size": len(body),
            "sha256": sha256 or hashlib.sha256(body).hexdigest(),
            "url": self.host + path,
        }

    def acknowledge(self, entry: Entry, value: Any) -> None:
        """Give an acknowledgement that was HELD, if one was asked for and the connection is still that one."""
        if entry.ack_id is not None and self._link is not None and self._link.number == entry.link:
            self._link.send(packets.acknowledgement(entry.ack_id, value))

    # -- what the listener tells ------------------------------------------------------------------------------------

    def serve(self, connection: socket.socket, path: str, headers: list[tuple[str, str]]) -> None:
        """Talk with a worker until the connection ends."""
        self._links += 1
        link = Link(connection, self._links)
        link.accept(path, headers)
        self.journal.add(journal.CONNECTED, path, link=link.number)
        sid = secrets.token_hex(10)
        opened = packets.handshake(
            sid, ping_interval_s=PING_S, ping_timeout_s=PING_TIMEOUT_S, most_bytes=limits.MAX_PAYLOAD_BYTES * 4
        )
        link.send(opened)
        for text in link.texts(lambda size: self._fault(link, f"a binary message of {size} bytes")):
            if not self._take(link, sid, text):
                break
        link.ended.set()
        self.journal.add(journal.GONE, not link.is_cut, link=link.number)

    def knocked(self) -> None:
        """Somebody came while the site was away."""
        self.journal.add(journal.KNOCKED)

    def refused(self, transport: str) -> None:
        """Somebody wanted to connect in another way than by WebSocket."""
        self.journal.add(journal.OTHERWISE, transport or "no transport")

    def fetch(self, path: str) -> bytes | None:
        """A file for the worker; None if there is none at that address."""
        self.journal.add(journal.FETCHED, path)
        return self.files.get(path)

    def upload(self, upload: Upload) -> tuple[int, dict[str, Any]]:
        """Take a file; status and answer."""
        status = self.manner.upload_statuses.pop(0) if self.manner.upload_statuses else 200
        self.journal.add(journal.UPLOADED, (status, upload))
        if status != 200:
            return status, {"success": False, "error": "Not now", "code": "try_later"}
        taken = {"file_id": upload.key, "name": upload.name, "size": len(upload.body), "sha256": upload.sha256}
        return 200, {"success": True, **taken}

    def _take(self, link: Link, sid: str, text: str) -> bool:
        """One packet; whether the connection goes on."""
        if text.startswith(packets.CONNECT):
            self._link = link
            return link.send(packets.welcome(sid))
        if text.startswith(packets.DISCONNECT) or text == packets.CLOSE:
            return False
        if text == packets.PONG:
            self.journal.add(journal.PONG, link=link.number)
            return True
        try:
            event = packets.read_event(text)
        except packets.PacketInvalid as error:
            self._fault(link, str(error))
            return True
        entry = self.journal.add(event.name, event.data, link=link.number, ack_id=event.ack_id)
        if event.name == events.REGISTER:
            return self._register(link, sid, entry)
        self._acknowledge_as_asked(entry)
        return True

    def _acknowledge_as_asked(self, entry: Entry) -> None:
        answer: Answer = self.manner.answers.get(entry.name, _accept)
        value = answer(entry)
        if value is not HELD:
            self.acknowledge(entry, value)

    def _register(self, link: Link, sid: str, entry: Entry) -> bool:
        self.acknowledge(entry, {"ok": True})
        if self.manner.refusals:
            refusal = {"success": False, **self.manner.refusals.pop(0)}
            link.send(packets.event(events.REGISTER_RESPONSE, refusal))
            link.send(packets.DISCONNECT)
            link.is_cut = True
            return False
        link.send(packets.event(events.REGISTER_RESPONSE, self._response(sid, entry.data)))
        while self.manner.at_once:
            link.send(packets.event(events.REQUEST, self.manner.at_once.pop(0)))
        self.journal.add(journal.WELCOMED, link=link.number)
        return True

    def _response(self, sid: str, registration: Any) -> dict[str, Any]:
        body = registration if isinstance(registration, dict) else {}
        accepted = {"success": True, "message": "Successfully connected", "connection_id": sid, "space_id": "s1"}
        if not isinstance(body.get("protocol"), int) or body["protocol"] < limits.PROTOCOL:
            return accepted
        return {
            **accepted,
            "protocol": limits.PROTOCOL,
            "lease_seconds": SPEC_LEASE_S,
            "heartbeat_seconds": self.manner.heartbeat_s,
            "max_payload_bytes": self.manner.most_bytes,
            "keep": _held(body),
        }

    def _fault(self, link: Link, what: str) -> None:
        self.journal.add(journal.FAULT, what, link=link.number)

    def _ping(self) -> None:
        while not self._over.wait(PING_S):
            if self._link is not None and self.has_worker:
                self._link.send(packets.PING)


def _accept(entry: Entry) -> dict[str, Any]:
    if entry.name == events.HEARTBEAT:
        return {"ok": True, "keep": _held(entry.data), "stop": []}
    return {"ok": True}


def _held(message: Any) -> list[str]:
    """Request ids of ``in_flight``, of whatever shape the message is: judging that is for the checks."""
    leases = message.get("in_flight") if isinstance(message, dict) else None
    return [str(lease.get("request_id")) for lease in leases or () if isinstance(lease, dict)]
