"""The relay as pages and programs use it: submit, follow, cancel, list."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from project.clock import Clock
from project.core import leases
from project.core.model import Request, Space, StoredFile, User
from project.core.quotas import NONE, Quota
from project.core.reasons import DEAD_LETTERS
from project.core.safe_mode import PREFIX, is_safe
from project.core.states import Status
from project.core.submission import Submission, fingerprint
from project.errors import Conflict, FileNotFound, LoginRequired, QueueFull, RequestNotFound, StaleLease, WorkerOffline
from project.relay.connections import Connection, Connections, Link
from project.relay.dispatch import Dispatcher
from project.relay.outlook import Outlook
from project.relay.publish import Publisher
from project.relay.signals import Signals, Watch, ended_topic, logins_topic, space_topic, spaces_topic
from project.relay.spaces import Spaces
from project.relay.views import RequestView, SpaceView, iso
from project.storage.port import Page, Store, Submit, Submitted
from project.wire import events

KEY_AGE_S = 86400.0
"""How long an idempotency key stands for its request."""
RECHECK_S = 1.0
"""A hint may be missed (another node, a lost message): whoever waits asks the store this often anyway."""


def _always() -> bool:
    return True


class Relay:
    """The use cases around a request, from the side of the person who asks."""

    def __init__(
        self,
        store: Store,
        connections: Connections,
        link: Link,
        publisher: Publisher,
        dispatcher: Dispatcher,
        signals: Signals,
        outlook: Outlook,
        spaces: Spaces,
        clock: Clock,
        *,
        max_attempts: int,
        quota: Quota = NONE,
    ):
        self._store = store
        self._connections = connections
        self._link = link
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._signals = signals
        self._outlook = outlook
        self._spaces = spaces
        self._clock = clock
        self._max_attempts = max_attempts
        self._quota = quota

    def submit(
        self, space: Space, user: User, submission: Submission, *, key: str = "", safe: bool = False
    ) -> Submitted:
        """Keep a request, durably, and hand it out when its turn comes.

        With ``safe`` it is kept nowhere but in memory, for as long as it takes (``core.safe_mode``); a worker has to
        be connected to this very node. The same ``key`` of the same person means the same request, however often it
        is sent. Raises WorkerOffline, RateLimited, QueueFull, OwnQueueFull, SpaceNotFound, KeyReused, and whatever
        keeps the store from writing.
        """
        return self._submit(new_id(safe=safe), space, user, submission, key)

    def ask(
        self,
        space: Space,
        user: User,
        submission: Submission,
        timeout_s: float,
        *,
        key: str = "",
        safe: bool = False,
        is_live: Callable[[], bool] = _always,
    ) -> tuple[Submitted, RequestView]:
        """``submit``, then the request's view once it is over, or after ``timeout_s``; ``is_live`` as for ``wait``."""
        request_id = new_id(safe=safe)
        with self._signals.watch(ended_topic(request_id), logins_topic(user.id)) as watch:
            submitted = self._submit(request_id, space, user, submission, key)
            if not submitted.repeated:
                return submitted, self._wait(watch, request_id, user, self._clock() + timeout_s, is_live)
        return submitted, self.wait(submitted.request.id, user, timeout_s, is_live)

    def retry(self, request_id: str, submission: Submission) -> Submitted:
        """Have a request that failed through no fault of the model done again, as a new one of the same person.

        ``submission`` is what was asked, with files of its own. Raises RequestNotFound, AlreadyRetried, Conflict,
        SpaceNotFound, WorkerOffline, QueueFull.
        """
        dead = self.dead_letter(request_id)
        space = self._spaces.get(dead.space_id)
        settings = replace(space.settings, rate_limit_s=0.0, max_queue_per_user=0)
        person = User(dead.user_id, dead.username, "", "user", 0.0)
        again = new_id()
        return self._submit(again, replace(space, settings=settings), person, submission, retry_of=request_id)

    def dead_letter(self, request_id: str) -> Request:
        """A request that may be tried again. Raises RequestNotFound, Conflict."""
        request = self._store.requests.get(request_id)
        if request is None or is_safe(request_id):
            raise RequestNotFound(field="request_id")
        if request.status is not Status.FAILED or request.code not in DEAD_LETTERS:
            raise Conflict("Only a request that failed without an answer of the model can be tried again")
        return request

    def dead_letters(
        self, *, code: str = "", limit: int = 50, before_seq: int | None = None
    ) -> tuple[Page, Mapping[str, str]]:
        """Requests that failed without an answer of the model, newest first; and by what some were tried again."""
        codes = [code] if code in DEAD_LETTERS else DEAD_LETTERS
        page = self._store.requests.list(codes=codes, limit=limit, before_seq=before_seq)
        return page, self._store.requests.retries([request.id for request in page.items])

    def _submit(
        self,
        request_id: str,
        space: Space,
        user: User,
        submission: Submission,
        key: str = "",
        retry_of: str | None = None,
    ) -> Submitted:
        now = self._clock()
        settings = space.settings
        # Another node's worker cannot reach what is in this node's memory.
        served = bool(self._connections.of_space(space.id)) if is_safe(request_id) else self.accepts(space)
        if not served and not (key and self._store.requests.keyed(user.id, key, since=now - KEY_AGE_S)):
            raise WorkerOffline
        try:
            submitted = self._store.requests.submit(
                Submit(
                    id=request_id,
                    space_id=space.id,
                    user_id=user.id,
                    username=user.username,
                    payload=_payload(submission, now),
                    now=now,
                    queue_timeout_s=settings.queue_timeout_s,
                    run_timeout_s=settings.run_timeout_s,
                    rate_limit_s=settings.rate_limit_s,
                    max_queue=settings.max_queue,
                    max_queue_per_user=settings.max_queue_per_user,
                    order=settings.order,
                    key=key,
                    fingerprint=fingerprint(space.id, submission) if key else "",
                    key_age_s=KEY_AGE_S,
                    quota=NONE if user.is_admin or retry_of else self._quota,
                    retry_of=retry_of,
                    test_id=submission.test_id or None,
                    max_attempts=self._max_attempts,
                    files=tuple(replace(file, request_id=request_id) for file in submission.files),
                )
            )
        except QueueFull as full:
            full.retry_after_s = self._outlook.busy_s(space.id)
            raise
        if not submitted.repeated:
            self._publisher.publish(submitted.request, submitted.position)
            self._dispatcher.kick(space.id)
        return submitted

    def view(self, request_id: str, user: User) -> RequestView:
        """What became of a request. Raises RequestNotFound, also for a request of somebody else."""
        view = self._publisher.view(request_id)
        if view is None or not _may_see(user, view.request):
            raise RequestNotFound(field="request_id")
        return view if view.request.is_over else self._outlook.of(view)

    def wait(self, request_id: str, user: User, timeout_s: float, is_live: Callable[[], bool] = _always) -> RequestView:
        """``view`` once the request is over, or after ``timeout_s``.

        ``is_live`` says whether the login or key of whoever asks still is. Raises LoginRequired as soon as it is not.
        """
        deadline = self._clock() + timeout_s
        with self._signals.watch(ended_topic(request_id), logins_topic(user.id)) as watch:
            view = self.view(request_id, user)
            return view if view.request.is_over else self._wait(watch, request_id, user, deadline, is_live)

    def _wait(
        self, watch: Watch, request_id: str, user: User, deadline: float, is_live: Callable[[], bool]
    ) -> RequestView:
        """A hint that it ended brings the view with it; the store is asked at the deadline, and now and then."""
        while (left_s := deadline - self._clock()) > 0:
            hinted = watch.wait(min(left_s, RECHECK_S))
            if not is_live():
                raise LoginRequired
            # What ended on another node is not at hand: it has to be read.
            view = (self._publisher.ended(request_id) if hinted else None) or self._publisher.view(request_id)
            if view is not None and view.request.is_over:
                break
        return self.view(request_id, user)

    def cancel(self, request_id: str, user: User) -> RequestView:
        """End an open request; an ended one stays as it is. Raises RequestNotFound."""
        view = self.view(request_id, user)
        own = view.request.user_id == user.id
        code = "cancelled_by_user" if own else "cancelled_by_admin"
        before = self._store.requests.cancel(request_id, now=self._clock(), code=code)
        if before is not None:
            self.tell_ended(before, code)
        return self.view(request_id, user)

    def tell_ended(self, before: Request, code: str) -> None:
        """A request ended other than by its worker: tell the worker that has it, and those who watch."""
        connection = self._connections.drop_request(before.id)
        if connection is not None:
            message = {"request_id": before.id, "lease_id": before.lease_id, "reason": code}
            self._link.send(connection.id, events.CANCEL, message)
        after = self._store.requests.get(before.id)
        if after is not None:
            self._publisher.publish(after)
        self._dispatcher.kick(before.space_id)

    def space_edited(self, space: Space) -> None:
        """The workers that are connected get as much as the space allows now. See ``spaces.Listener``."""
        for connection in self._connections.of_space(space.id):
            self._allow(connection, space)
        self._signals.notify((space_topic(space.id), spaces_topic(space.id)))
        self._dispatcher.kick(space.id)

    def space_removed(self, space_id: str, ended: tuple[Request, ...]) -> None:
        """Its requests and its workers learn of it. See ``spaces.Listener``."""
        for request in ended:
            self.tell_ended(request, "space_deleted")
        self._signals.notify((spaces_topic(space_id),))
        self.disconnect_workers(space_id)

    def token_revoked(self, space_id: str, token_id: str) -> None:
        """Who came by the token is sent away. See ``spaces.Listener``."""
        self._signals.notify((spaces_topic(space_id),))
        self.disconnect_workers(space_id, token_id)

    def keep_up_with_spaces(self) -> None:
        """Another node may have changed or deleted spaces, or revoked tokens: see to the workers of this one."""
        connections = self._connections.all()
        if not connections:
            return
        spaces = {space.id: space for space in self._spaces.all()}
        tokens = self._spaces.live_tokens() if any(connection.token_id for connection in connections) else frozenset()
        for connection in connections:
            space = spaces.get(connection.worker.space_id)
            if space is None or (connection.token_id and connection.token_id not in tokens):
                self._link.disconnect(connection.id)
            else:
                self._allow(connection, space)

    def _allow(self, connection: Connection, space: Space) -> None:
        connection.bound = space.settings.capacity
        connection.pace = self._connections.pace(space.id) if space.settings.max_workers > 1 else None

    def disconnect_workers(self, space_id: str, token_id: str | None = None) -> int:
        """Close the connections of a space's workers on this node, or only of those that came with that token.

        Their attempts go back to their places, as after any broken connection. How many there were.
        """
        gone = [c for c in self._connections.of_space(space_id) if token_id is None or c.token_id == token_id]
        for connection in gone:
            self._link.disconnect(connection.id)
        return len(gone)

    def listing(
        self, user: User | None, *, space_id: str | None = None, limit: int = 50, before_seq: int | None = None
    ) -> Page:
        """Requests newest first: of a user, or of all when ``user`` is None."""
        user_id = user.id if user is not None else None
        return self._store.requests.list(user_id=user_id, space_id=space_id, limit=limit, before_seq=before_seq)

    def is_connected(self, space_id: str) -> bool:
        """Whether a worker serves the space, on this node or another."""
        return bool(self._outlook.workers(space_id))

    def accepts(self, space: Space) -> bool:
        """Whether a space takes requests now: with a worker there, or for one to come."""
        settings = space.settings
        return settings.card_type == "websockets" and (settings.queue_while_offline or self.is_connected(space.id))

    def space_view(self, space_id: str) -> SpaceView:
        """Whether a space is served, how many requests are open, and whether it takes more. Raises SpaceNotFound."""
        settings = self._spaces.get(space_id).settings
        workers = self._outlook.workers(space_id)
        return SpaceView(
            space_id,
            connected=bool(workers),
            queue_size=self._publisher.queue_size(space_id),
            workers=workers,
            accepting=settings.card_type == "websockets" and (settings.queue_while_offline or bool(workers)),
            away_since=self._outlook.away_since(space_id, workers),
        )

    def watch(self, *topics: str) -> Watch:
        """Hints about ``space:<id>`` and ``request:<id>``; a context manager."""
        return self._signals.watch(*topics)

    def lease_is_current(self, request_id: str, lease_id: str) -> bool:
        """Whether the lease still is the request's, and the request open."""
        request = self._store.requests.get(request_id)
        return request is not None and leases.holds(request, space_id=request.space_id, lease_id=lease_id)

    def worker_upload(self, request_id: str, lease_id: str) -> Request:
        """The request for which this lease may return a file. Raises RequestNotFound, StaleLease."""
        request = self._store.requests.get(request_id)
        if request is None:
            raise RequestNotFound
        if not leases.holds(request, space_id=request.space_id, lease_id=lease_id):
            raise StaleLease
        return request

    def add_file(self, file: StoredFile) -> None:
        """Keep the record of a file that a worker returned."""
        self._store.requests.add_file(file)

    def file(self, file_id: str) -> StoredFile:
        """A file's record. Raises FileNotFound."""
        found = self._store.requests.get_file(file_id)
        if found is None:
            raise FileNotFound
        return found

    def file_for(self, user: User, file_id: str) -> StoredFile:
        """A file of a request that ``user`` may see. Raises FileNotFound."""
        file = self.file(file_id)
        request = self._store.requests.get(file.request_id)
        if request is None or not _may_see(user, request):
            raise FileNotFound
        return file


def new_id(*, safe: bool = False) -> str:
    """The id of a new request, which nobody can guess."""
    return (PREFIX if safe else "") + secrets.token_hex(16)


def _may_see(user: User, request: Request) -> bool:
    return user.is_admin or request.user_id == user.id


def _payload(submission: Submission, now: float) -> dict[str, Any]:
    payload: dict[str, Any] = {"prompt": submission.prompt, "timestamp": iso(now)}
    if submission.audio_url:
        payload["audio"] = {"field": "audio_url", "url": submission.audio_url}
    if submission.params:
        payload["params"] = dict(submission.params)
    if submission.files:
        payload["files"] = [file.id for file in submission.files]
    return payload
