"""How long what is over is kept: for the time its space says, or until its person deletes it."""

from __future__ import annotations

from collections.abc import Callable

from project.clock import Clock
from project.core.model import Request, SpaceSettings, User
from project.core.quotas import WINDOW_S, Quota
from project.errors import Conflict, TooSoon
from project.relay.publish import Publisher
from project.storage.port import Purged, Store

DAY_S = 86400.0
ORPHAN_DAYS = 30.0
"""What is kept of spaces that are gone."""
AT_ONCE = 200
"""How many are forgotten in one commit, so that nobody else waits for it."""
MOST_A_ROUND = 50 * AT_ONCE


class Retention:
    """The use cases of forgetting. ``remove_files`` takes files off the disk, once nothing refers to them."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        remove_files: Callable[[tuple[str, ...]], None],
        clock: Clock,
        quota: Quota,
    ):
        self._store = store
        self._publisher = publisher
        self._remove_files = remove_files
        self._clock = clock
        self._quota = quota

    def delete(self, request: Request, user: User) -> None:
        """Forget a request that is over, with its result and files. Raises Conflict while it is open, and TooSoon.

        What was sent within the last minute still counts against the person's requests a minute, so it stays till then.
        """
        if not request.is_over:
            raise Conflict("The request is not over yet; cancel it first")
        since = self._clock() - request.created_at
        if self._quota.per_minute and not user.is_admin and since < WINDOW_S:
            raise TooSoon(retry_after_s=WINDOW_S - since)
        self._gone(self._store.requests.forget(request.id))

    def purge(self) -> int:
        """Forget what has been kept for as long as its space says; how many requests."""
        now = self._clock()
        kept = [(space.id, space.settings.retention_days) for space in self._store.spaces.all()]
        return sum(self._purge(space_id, now - days * DAY_S) for space_id, days in [*kept, (None, ORPHAN_DAYS)] if days)

    def _purge(self, space_id: str | None, before: float) -> int:
        done = 0
        while done < MOST_A_ROUND:
            purged = self._store.requests.purge(space_id, before=before, limit=AT_ONCE)
            self._gone(purged)
            done += len(purged.request_ids)
            if len(purged.request_ids) < AT_ONCE:
                break
        return done

    def _gone(self, purged: Purged) -> None:
        for request_id in purged.request_ids:
            self._publisher.changed(request_id)
        # The records first, the files after: what a crash leaves lying between belongs to nobody, and is swept.
        if purged.file_ids:
            self._remove_files(purged.file_ids)


def kept_until(request: Request, settings: SpaceSettings | None) -> float | None:
    """When a request that is over will be forgotten; None: not before its person does it, or it is still open."""
    days = settings.retention_days if settings is not None else ORPHAN_DAYS
    return request.finished_at + days * DAY_S if request.finished_at is not None and days else None
