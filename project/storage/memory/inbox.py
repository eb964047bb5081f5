"""Notices in memory."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import replace

from project.core.notices import EVERYBODY, NOBODY, Notice, NoticeCount
from project.storage.memory.done import Done


class MemoryInbox:
    """``InboxStore`` in memory."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._notices: dict[str, Notice] = {}
        self._reads: dict[str, set[str]] = defaultdict(set)
        self._revisions: Counter[str] = Counter()
        self._seq = 0

    def add(self, notice: Notice) -> Notice:
        """See the port."""
        with self._lock:
            if notice.id not in self._notices:
                self._seq += 1
                self._notices[notice.id] = replace(notice, seq=self._seq)
            return self._notices[notice.id]

    def add_later(self, notice: Notice) -> Done[Notice]:
        """See the port."""
        return Done(self.add(notice))

    def _of(self, user_id: str, joined_at: float) -> list[Notice]:
        """A person's notices, oldest first."""
        with self._lock:
            return [
                replace(notice, read=user_id in self._reads[notice.id])
                for notice in self._notices.values()
                if notice.user_id == user_id or (notice.user_id == EVERYBODY and notice.created_at >= joined_at)
            ]

    def list(self, user_id: str, *, joined_at: float, limit: int, before: int | None = None) -> tuple[Notice, ...]:
        """See the port."""
        found = [notice for notice in self._of(user_id, joined_at) if before is None or notice.seq < before]
        return tuple(reversed(found))[:limit]

    def newer(self, user_id: str, *, joined_at: float, after: int, limit: int) -> tuple[Notice, ...]:
        """See the port."""
        return tuple(notice for notice in self._of(user_id, joined_at) if notice.seq > after)[:limit]

    def unread(self, user_id: str, *, joined_at: float) -> tuple[int, int]:
        """See the port."""
        found = self._of(user_id, joined_at)
        return sum(not notice.read for notice in found), max((notice.seq for notice in found), default=0)

    def mark_read(self, user_id: str, *, joined_at: float, now: float, notice_id: str | None = None) -> None:
        """See the port."""
        with self._lock:
            for notice in self._of(user_id, joined_at):
                if notice_id in (None, notice.id):
                    self._reads[notice.id].add(user_id)

    def latest(self, *, limit: int) -> tuple[Notice, ...]:
        """See the port."""
        with self._lock:
            found = list(self._notices.values())[::-1][:limit]
            return tuple(replace(notice, read=bool(self._reads[notice.id])) for notice in found)

    def counts(self, *, since: float) -> tuple[NoticeCount, ...]:
        """See the port."""
        groups: dict[tuple[str, str], list[Notice]] = defaultdict(list)
        with self._lock:
            for notice in self._notices.values():
                if notice.created_at >= since:
                    groups[notice.kind, notice.type].append(notice)
            found = [
                NoticeCount(
                    kind=kind,
                    type=type_,
                    sent=len(group),
                    to_everybody=sum(notice.user_id == EVERYBODY for notice in group),
                    to_nobody=sum(notice.user_id.startswith(NOBODY) for notice in group),
                    read=sum(len(self._reads[notice.id]) for notice in group),
                    last_at=max(notice.created_at for notice in group),
                )
                for (kind, type_), group in groups.items()
            ]
        return tuple(sorted(found, key=lambda count: (-count.sent, count.kind, count.type)))

    def prune(self, *, before: float, most_per_user: int) -> int:
        """See the port."""
        with self._lock:
            of_address: Counter[str] = Counter()
            gone = []
            for notice in sorted(self._notices.values(), key=lambda notice: -notice.seq):
                of_address[notice.user_id] += 1
                if notice.created_at < before or of_address[notice.user_id] > most_per_user:
                    gone.append(notice.id)
            for notice_id in gone:
                del self._notices[notice_id]
                self._reads.pop(notice_id, None)
            return len(gone)

    def touch_space(self, space_id: str, *, now: float) -> int:
        """See the port."""
        with self._lock:
            self._revisions[space_id] += 1
            return self._revisions[space_id]

    def space_revision(self, space_id: str) -> int:
        """See the port."""
        return self._revisions[space_id]
