"""Telling people: a notice reaches their open pages at once, and waits in their inbox otherwise."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from project.clock import Clock
from project.core.model import Request, User
from project.core.notices import EVERYBODY, NOBODY, Kind, Notice
from project.core.states import Status
from project.errors import SpacesError
from project.storage.pending import Pending
from project.storage.port import AccountStore, InboxStore

log = logging.getLogger(__name__)
FRESH_S: Final = 5.0
NEIGHBOURS_FRESH_S: Final = 1.0
"""What is told on this node shows at once; this is for what another node told."""
MOST_FRESH: Final = 4096
MOST_PER_USER: Final = 200
KEPT_S: Final = 30 * 86400.0
_TOLD: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


def user_topic(user_id: str) -> str:
    """The topic of a person's inbox; ``EVERYBODY`` has one too."""
    return f"user:{user_id}"


class Inbox:
    """The use cases around notices. ``notify`` wakes who watches a topic; ``space_changed`` who watches a space."""

    def __init__(
        self,
        store: InboxStore,
        accounts: AccountStore,
        notify: Callable[[Iterable[str]], None],
        space_changed: Callable[[str], None],
        clock: Clock,
        *,
        alone: bool = True,
    ):
        self._store = store
        self._accounts = accounts
        self._fresh_s = FRESH_S if alone else NEIGHBOURS_FRESH_S
        self._notify = notify
        self._space_changed = space_changed
        self._clock = clock
        self._fresh: OrderedDict[str, tuple[int, int, float]] = OrderedDict()
        self._revisions: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def send(
        self, kind: Kind, recipient: str, *, type_: str, title: str, message: str, sender: str, data: Mapping[str, Any]
    ) -> Notice:
        """Tell one person, named by id or by user name. What is sent to nobody is kept as such and counted."""
        user = self._accounts.user(recipient) or self._accounts.user_named(recipient)
        address = user.id if user is not None else f"{NOBODY}{recipient}"
        return self._add(self._notice(kind, address, type_, title, message, sender, data))

    def broadcast(self, *, type_: str, title: str, message: str, sender: str, data: Mapping[str, Any]) -> Notice:
        """Tell everybody who has an account now."""
        return self._add(self._notice("notification", EVERYBODY, type_, title, message, sender, data))

    def tell_admins(self, title: str, message: str, data: Mapping[str, Any]) -> None:
        """Tell every administrator."""
        for user in self._accounts.users():
            if user.is_admin and not user.disabled:
                self._add(self._notice("notification", user.id, "alert", title, message, "", data))

    def request_ended(self, request: Request) -> None:
        """Tell the person who asked that a request has ended, once; who cancelled it knows. Does not wait."""
        if request.status not in _TOLD or request.code == "cancelled_by_user":
            return
        # Nothing of what was asked or answered: that is forgotten with the request, and this may outlive it.
        notice = Notice(
            id=f"request-{request.id}",
            user_id=request.user_id,
            kind="request",
            type=request.status.value,
            title="",
            message="",
            created_at=request.finished_at or self._clock(),
            data={"request_id": request.id, "space_id": request.space_id, "code": request.code},
        )
        self._store.add_later(notice).on_done(self._told)

    def _told(self, done: Pending[Notice]) -> None:
        try:
            notice = done.result()
        except SpacesError as error:
            # The request itself is safe, with its result; only the hint that it ended is lost.
            log.warning("a notice could not be kept: %s", error.message)
            return
        self._wake(notice.user_id)

    def _notice(
        self, kind: Kind, address: str, type_: str, title: str, message: str, sender: str, data: Mapping[str, Any]
    ) -> Notice:
        return Notice(secrets.token_hex(12), address, kind, type_, title, message, self._clock(), sender, dict(data))

    def _add(self, notice: Notice) -> Notice:
        kept = self._store.add(notice)
        self._wake(kept.user_id)
        return kept

    def _wake(self, user_id: str) -> None:
        self.forget(user_id)
        self._notify((user_topic(user_id),))

    def forget(self, user_id: str) -> None:
        """A person's notices have changed, maybe on another node; or everybody's."""
        with self._lock:
            if user_id == EVERYBODY:
                self._fresh.clear()
            else:
                self._fresh.pop(user_id, None)

    def forget_space(self, space_id: str) -> None:
        """Another node has changed something of a space."""
        self._revisions.pop(space_id, None)

    def files_changed(self, space_id: str) -> int:
        """The files of a space have changed: pages that show it load it anew. Its revision."""
        revision = self._store.touch_space(space_id, now=self._clock())
        self._revisions[space_id] = (revision, self._clock() + self._fresh_s)
        self._space_changed(space_id)
        return revision

    def revision(self, space_id: str) -> int:
        """How often the files of a space have changed; at most ``FRESH_S`` old."""
        kept = self._revisions.get(space_id)
        if kept is None or kept[1] <= self._clock():
            kept = self._revisions[space_id] = (self._store.space_revision(space_id), self._clock() + self._fresh_s)
        return kept[0]

    def unread(self, user: User) -> tuple[int, int]:
        """How many notices a person has not read, and the newest ``seq``; at most ``FRESH_S`` old."""
        kept = self._fresh.get(user.id)
        if kept is not None and kept[2] > self._clock():
            return kept[0], kept[1]
        count, newest = self._store.unread(user.id, joined_at=user.created_at)
        with self._lock:
            self._fresh[user.id] = (count, newest, self._clock() + self._fresh_s)
            while len(self._fresh) > MOST_FRESH:
                self._fresh.popitem(last=False)
        return count, newest

    def list(self, user: User, *, limit: int, before: int | None = None) -> tuple[Notice, ...]:
        """A person's notices, newest first."""
        return self._store.list(user.id, joined_at=user.created_at, limit=limit, before=before)

    def newer(self, user: User, after: int) -> tuple[Notice, ...]:
        """What came to a person after ``after``, oldest first; at most 20 at a time."""
        return self._store.newer(user.id, joined_at=user.created_at, after=after, limit=20)

    def mark_read(self, user: User, notice_id: str | None = None) -> None:
        """A person has read one notice, or all of theirs."""
        self._store.mark_read(user.id, joined_at=user.created_at, now=self._clock(), notice_id=notice_id)
        self._wake(user.id)

    def prune(self) -> None:
        """Forget what is old, and what is too much."""
        self._store.prune(before=self._clock() - KEPT_S, most_per_user=MOST_PER_USER)
