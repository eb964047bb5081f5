"""What every open page of a person is told by its stream: what came to the inbox, and that a space's files changed.

Events: ``notification`` and ``session_message`` (a notice each), ``inbox`` (how many are unread, and the newest),
``space_changed`` (the revision of the space the page shows; the first one says where it stands).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from project.core.model import User
from project.core.notices import Notice
from project.relay.views import iso
from project.rpc.inbox import Inbox
from project.web.following import Event


class Tidings:
    """The news of one stream. ``last_seen`` is the ``seq`` of what the browser got before it lost the stream."""

    def __init__(self, inbox: Inbox, user: User, space_id: str, last_seen: str):
        self._inbox = inbox
        self._user = user
        self._space_id = space_id
        known = last_seen.isascii() and last_seen.isdigit() and len(last_seen) < 19
        self.seq = int(last_seen) if known else inbox.unread(user)[1]
        self._told: tuple[int, int] | None = None
        self._revision: int | None = None

    def news(self) -> Iterator[Event]:
        """What has not been told yet: events by name and body."""
        unread, newest = self._inbox.unread(self._user)
        if newest > self.seq:
            for notice in self._inbox.newer(self._user, self.seq):
                self.seq = notice.seq
                name = "session_message" if notice.kind == "message" else "notification"
                yield name, as_json(notice)
        if (unread, newest) != self._told:
            self._told = (unread, newest)
            yield "inbox", {"unread": unread, "newest": newest}
        if self._space_id:
            revision = self._inbox.revision(self._space_id)
            if revision != self._revision:
                self._revision = revision
                yield "space_changed", {"space_id": self._space_id, "revision": revision}


def as_json(notice: Notice) -> dict[str, Any]:
    """A notice as pages get it."""
    return {
        "id": notice.id,
        "seq": notice.seq,
        "kind": notice.kind,
        "type": notice.type,
        "title": notice.title,
        "message": notice.message,
        "sender": notice.sender,
        "data": notice.data,
        "link": link_of(notice),
        "read": notice.read,
        "at": iso(notice.created_at),
    }


def link_of(notice: Notice) -> str:
    """Where a notice leads: the page of its request, else the inbox."""
    return f"/requests/{notice.data['request_id']}" if notice.kind == "request" else f"/inbox#{notice.id}"
