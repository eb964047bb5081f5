"""Requests that are kept nowhere, beside those that are: one store in front of two.

A request in safe mode (``core.safe_mode``) lives in memory for as long as it takes, and a little longer for whoever
asks how it went; every other goes to the store behind. What belongs to both is asked of both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final

from project.core.model import Request, StoredFile, Transition
from project.core.safe_mode import is_safe
from project.errors import QueueFull
from project.storage.pending import Pending
from project.storage.port import (
    Claim,
    Finish,
    Finished,
    Kept,
    Page,
    Purged,
    Renew,
    Report,
    RequestStore,
    Resume,
    Resumed,
    Submit,
    Submitted,
)

FORGET_AT_ONCE: Final = 1000
FULL_RETRY_S: Final = 1.0
LEAST_S: Final = 2.0
"""When memory is full, what ended earlier than this ago makes room before its time."""


class UnstoredRequests:
    """``RequestStore`` that keeps what is in safe mode in ``memory``, ``most`` at a time, for ``keep_s`` after its end.

    ``remove_files`` takes its files off the disk then.
    """

    def __init__(
        self,
        stored: RequestStore,
        memory: RequestStore,
        remove_files: Callable[[tuple[str, ...]], None],
        *,
        most: int,
        keep_s: float,
    ):
        self._stored = stored
        self._memory = memory
        self._remove_files = remove_files
        self._most = most
        self._keep_s = keep_s
        self._here: dict[str, str] = {}
        """Space ids by request id, of everything in memory."""

    def submit(self, command: Submit) -> Submitted:
        """See the port; in safe mode QueueFull also when as many as are allowed are in memory."""
        if not is_safe(command.id):
            return self._stored.submit(command)
        if len(self._here) >= self._most:
            self._forget(command.now - LEAST_S)
        if len(self._here) >= self._most:
            raise QueueFull("As many requests in safe mode as are allowed are here already", retry_after_s=FULL_RETRY_S)
        submitted = self._memory.submit(command)
        self._here[submitted.request.id] = submitted.request.space_id
        return submitted

    def claim(self, command: Claim) -> tuple[Request, ...]:
        """See the port. What is stored goes first: a test holds nobody up who waits for an answer."""
        taken = self._stored.claim(command)
        if not self._here or len(taken) == command.limit:
            return taken
        return (*taken, *self._memory.claim(replace(command, limit=command.limit - len(taken))))

    def finish(self, command: Finish) -> Finished:
        """See the port."""
        return self._of(command.request_id).finish(command)

    def finish_later(self, command: Finish) -> Pending[Finished]:
        """See the port."""
        return self._of(command.request_id).finish_later(command)

    def renew(self, command: Renew) -> frozenset[str]:
        """See the port."""
        safe = {key: lease for key, lease in command.leases.items() if is_safe(key)}
        rest = {key: lease for key, lease in command.leases.items() if not is_safe(key)}
        kept = self._memory.renew(replace(command, leases=safe)) if safe else frozenset()
        return kept | (self._stored.renew(replace(command, leases=rest)) if rest else frozenset())

    def report(self, command: Report) -> Request | None:
        """See the port."""
        return self._of(command.request_id).report(command)

    def report_later(self, command: Report) -> Pending[Request | None]:
        """See the port."""
        return self._of(command.request_id).report_later(command)

    def resume(self, command: Resume) -> Resumed:
        """See the port."""
        stored = self._stored.resume(_only(command, safe=False))
        if not self._here:
            return stored
        memory = self._memory.resume(_only(command, safe=True))
        return Resumed((*stored.keep, *memory.keep), (*stored.changed, *memory.changed))

    def release(self, connection_id: str, *, keep_lease: bool, now: float, abreast: int = 1) -> tuple[Request, ...]:
        """See the port."""
        return (
            *self._stored.release(connection_id, keep_lease=keep_lease, now=now, abreast=abreast),
            *self._memory.release(connection_id, keep_lease=keep_lease, now=now, abreast=abreast),
        )

    def expire(self, now: float, *, limit: int = 500) -> tuple[Request, ...]:
        """See the port; and what was in safe mode for long enough is gone."""
        moved = self._stored.expire(now, limit=limit)
        if not self._here:
            return moved
        self._forget(now - self._keep_s)
        return (*moved, *self._memory.expire(now, limit=limit))

    def extend_leases(self, until: float) -> int:
        """See the port."""
        return self._stored.extend_leases(until) + self._memory.extend_leases(until)

    def cancel(self, request_id: str, *, now: float, code: str) -> Request | None:
        """See the port."""
        return self._of(request_id).cancel(request_id, now=now, code=code)

    def get(self, request_id: str) -> Request | None:
        """See the port."""
        return self._of(request_id).get(request_id)

    def positions(self, request_ids: Collection[str]) -> Mapping[str, int]:
        """See the port."""
        safe = [key for key in request_ids if is_safe(key)]
        rest = [key for key in request_ids if not is_safe(key)]
        return {
            **(self._stored.positions(rest) if rest else {}),
            **(self._memory.positions(safe) if safe else {}),
        }

    def queue_size(self, space_id: str) -> int:
        """See the port."""
        return self._stored.queue_size(space_id) + (self._memory.queue_size(space_id) if self._here else 0)

    def waiting_spaces(self) -> frozenset[str]:
        """See the port."""
        return self._stored.waiting_spaces() | (self._memory.waiting_spaces() if self._here else frozenset())

    def held(self, connection_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """See the port."""
        stored, memory = self._stored.held(connection_ids), self._memory.held(connection_ids)
        return {key: stored.get(key, frozenset()) | memory.get(key, frozenset()) for key in {*stored, *memory}}

    def list(
        self,
        *,
        user_id: str | None = None,
        space_id: str | None = None,
        codes: Collection[str] = (),
        limit: int = 50,
        before_seq: int | None = None,
    ) -> Page:
        """See the port; only what is stored."""
        return self._stored.list(user_id=user_id, space_id=space_id, codes=codes, limit=limit, before_seq=before_seq)

    def forget(self, request_id: str) -> Purged:
        """See the port."""
        return self._left(self._of(request_id).forget(request_id))

    def purge(self, space_id: str | None, *, before: float, limit: int) -> Purged:
        """See the port; only what is stored."""
        return self._stored.purge(space_id, before=before, limit=limit)

    def keyed(self, user_id: str, key: str, *, since: float) -> Kept | None:
        """See the port."""
        return self._stored.keyed(user_id, key, since=since) or self._memory.keyed(user_id, key, since=since)

    def purge_keys(self, before: float) -> int:
        """See the port."""
        return self._stored.purge_keys(before) + self._memory.purge_keys(before)

    def retries(self, request_ids: Collection[str]) -> Mapping[str, str]:
        """See the port; only what is stored."""
        return self._stored.retries(request_ids)

    def recent_runs(self, space_id: str, *, limit: int) -> tuple[float, ...]:
        """See the port; only what is stored."""
        return self._stored.recent_runs(space_id, limit=limit)

    def history(self, request_id: str) -> tuple[Transition, ...]:
        """See the port."""
        return self._of(request_id).history(request_id)

    def add_file(self, file: StoredFile) -> None:
        """See the port."""
        self._of(file.request_id).add_file(file)

    def get_file(self, file_id: str) -> StoredFile | None:
        """See the port."""
        found = self._memory.get_file(file_id) if self._here else None
        return found if found is not None else self._stored.get_file(file_id)

    def file_ids(self) -> frozenset[str]:
        """See the port."""
        return self._stored.file_ids() | self._memory.file_ids()

    def _of(self, request_id: str) -> RequestStore:
        return self._memory if is_safe(request_id) else self._stored

    def _forget(self, before: float) -> None:
        for space_id in set(self._here.values()):
            gone = self._left(self._memory.purge(space_id, before=before, limit=FORGET_AT_ONCE))
            if gone.file_ids:
                self._remove_files(gone.file_ids)

    def _left(self, gone: Purged) -> Purged:
        for request_id in gone.request_ids:
            self._here.pop(request_id, None)
        return gone


def _only(command: Resume, *, safe: bool) -> Resume:
    leases = {key: lease for key, lease in command.leases.items() if is_safe(key) is safe}
    return replace(command, leases=leases)
