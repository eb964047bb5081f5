"""A stream of the site as a browser reads it, event by event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.conftest import LiveSite


@dataclass
class Event:
    name: str
    id: str
    body: dict[str, Any]


@dataclass
class Stream:
    """One open stream, as a browser reads it."""

    answer: requests.Response
    lines: Iterator[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.answer.iter_lines(chunk_size=1)

    def events(self) -> Iterator[Event]:
        """The relay's own events, until the stream ends."""
        found: dict[str, str] = {}
        for line in self.lines:
            name, _, value = line.decode().partition(": ")
            found[name] = value
            if not line and found.get("event") in ("request", "chunk", "space"):
                yield Event(found["event"], found["id"], json.loads(found["data"]))
            if not line:
                found = {}

    def close(self) -> None:
        self.answer.close()


def open_stream(site: LiveSite, session: requests.Session, last_id: str = "", **query: str) -> Stream:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    answer = session.get(f"{site.host}/websockets/stream", params=query, headers=headers, stream=True, timeout=60)
    assert answer.status_code == 200, answer.text
    return Stream(answer)


def put(text: str, event: Event) -> str:
    """The text with what an event says of it."""
    if event.name == "chunk":
        assert event.body["from"] == len(text), "no piece is missing or sent twice"
        return text + str(event.body["text"])
    return str(event.body.get("partial", text))
