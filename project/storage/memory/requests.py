"""Requests in memory: the same moves as in SQL, on dictionaries, under one lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from project.core import leases, limits, moves
from project.core.leases import Verdict
from project.core.model import Request, StoredFile, Transition
from project.core.ordering import turn_of
from project.core.states import Status
from project.errors import AlreadyRetried, KeyReused, SpaceNotFound
from project.storage.memory.counting import ended_before, held, line_of, over_quota
from project.storage.memory.done import Done
from project.storage.port import (
    Claim,
    Finish,
    Finished,
    Kept,
    Page,
    Pending,
    Purged,
    Renew,
    Report,
    Resume,
    Resumed,
    Submit,
    Submitted,
)


def memory_requests(has_space: Callable[[str], bool]) -> MemoryRequests:
    """A store of requests alone."""
    return MemoryRequests(has_space, threading.RLock())


class MemoryRequests:
    """``RequestStore`` in memory. ``has_space`` says which spaces there are."""

    def __init__(self, has_space: Callable[[str], bool], lock: threading.RLock):
        self._has_space = has_space
        self._lock = lock
        self._requests: dict[str, Request] = {}
        self._open: dict[str, Request] = {}
        self._history: dict[str, list[Transition]] = {}
        self._files: dict[str, StoredFile] = {}
        self._keys: dict[tuple[str, str], tuple[Kept, float]] = {}
        self._last_seq = 0

    def all(self) -> tuple[Request, ...]:
        """Every request there is."""
        with self._lock:
            return tuple(self._requests.values())

    def submit(self, command: Submit) -> Submitted:
        """See the port."""
        with self._lock:
            earlier = self.keyed(command.user_id, command.key, since=command.now - command.key_age_s)
            if command.key and earlier is not None:
                if earlier.fingerprint != command.fingerprint:
                    raise KeyReused(field="Idempotency-Key")
                same = self._requests[earlier.request_id]
                return Submitted(self._whole(same), self._places(same.space_id).get(same.id), repeated=True)
            if not self._has_space(command.space_id):
                raise SpaceNotFound
            if command.retry_of and self.retries([command.retry_of]):
                raise AlreadyRetried
            refusal = over_quota(self._requests.values(), self._files.values(), command)
            line = line_of(self._open.values(), command)
            refusal = refusal or limits.refuse_submission(command, line, last_at=self._last_at(command))
            if refusal is not None:
                raise refusal
            self._last_seq += 1
            request = replace(moves.submitted(command, turn_of(command.order, line)), seq=self._last_seq, files=())
            self._put(request)
            self._history[request.id] = [moves.transition(None, request, at=command.now)]
            for file in command.files:
                self._files.setdefault(file.id, file)
            if command.key:
                self._keys[command.user_id, command.key] = (Kept(command.fingerprint, request.id), command.now)
            return Submitted(self._whole(request), self._places(command.space_id)[request.id])

    def claim(self, command: Claim) -> tuple[Request, ...]:
        """See the port."""
        with self._lock:
            waiting = self._queue(command.space_id)[: command.limit]
            waiting = waiting[: leases.handed_together(waiting, alone=command.alone)]
            self._forget_returned({request.id for request in waiting if not request.is_fresh})
            pairs = [
                (
                    request,
                    moves.claimed(
                        request,
                        claim_id=command.claim_id,
                        connection_id=command.connection_id,
                        worker_id=command.worker_id,
                        now=command.now,
                        lease_s=command.lease_s,
                        starts=command.starts,
                    ),
                )
                for request in waiting
            ]
            return tuple(self._whole(request) for request in self._save(pairs, command.now))

    def finish(self, command: Finish) -> Finished:
        """See the port."""
        with self._lock:
            request = self._requests.get(command.request_id)
            verdict = leases.judge(
                request, space_id=command.space_id, connection_id=command.connection_id, lease_id=command.lease_id
            )
            if verdict is Verdict.UNKNOWN or request is None:
                return Finished(verdict, None)
            if verdict is Verdict.RECORDED:
                for after in moves.finishing(request, command):
                    self._save([(request, after)], command.now)
                    request = after
            return Finished(verdict, self._whole(request))

    def finish_later(self, command: Finish) -> Pending[Finished]:
        """See the port."""
        return Done(self.finish(command))

    def renew(self, command: Renew) -> frozenset[str]:
        """See the port."""
        with self._lock:
            kept = set()
            for request_id, lease_id in command.leases.items():
                request = self._held(request_id, command.space_id, lease_id)
                if request is not None:
                    started = request_id in command.started
                    self._put(moves.renewed(request, now=command.now, lease_s=command.lease_s, started=started))
                    kept.add(request_id)
            return frozenset(kept)

    def report(self, command: Report) -> Request | None:
        """See the port."""
        with self._lock:
            request = self._held(command.request_id, command.space_id, command.lease_id)
            if request is None:
                return None
            self._put(moves.reporting(request, command))
            return self._whole(self._requests[request.id])

    def report_later(self, command: Report) -> Pending[Request | None]:
        """See the port."""
        return Done(self.report(command))

    def resume(self, command: Resume) -> Resumed:
        """See the port."""
        with self._lock:
            keep = []
            for request_id, lease_id in command.leases.items():
                request = self._requests.get(request_id)
                if request is None or not leases.holds(request, space_id=command.space_id, lease_id=lease_id):
                    continue
                after = moves.resumed(
                    request,
                    connection_id=command.connection_id,
                    now=command.now,
                    lease_s=command.lease_s,
                    started=request_id in command.started,
                )
                self._save([(request, after)], command.now, "resumed")
                keep.append(request_id)
            dropped = [
                request
                for request in self._open.values()
                if command.worker_id
                and request.status is Status.PROCESSING
                and request.space_id == command.space_id
                and request.worker_id == command.worker_id
                and request.id not in keep
            ]
            lost = moves.lost_together(
                dropped, abreast=command.abreast, keep_lease=True, now=command.now, reason="worker_restarted"
            )
            return Resumed(tuple(keep), self._save(lost, command.now))

    def release(self, connection_id: str, *, keep_lease: bool, now: float, abreast: int = 1) -> tuple[Request, ...]:
        """See the port."""
        with self._lock:
            own = [r for r in self._open.values() if r.status is Status.PROCESSING and r.connection_id == connection_id]
            lost = moves.lost_together(own, abreast=abreast, keep_lease=keep_lease, now=now, reason="connection_lost")
            return self._save(lost, now)

    def expire(self, now: float, *, limit: int = 500) -> tuple[Request, ...]:
        """See the port."""
        with self._lock:
            pairs = [(r, moves.expired(r, now=now)) for r in self._open.values()]
            return self._save([(before, after) for before, after in pairs if before is not after][:limit], now)

    def extend_leases(self, until: float) -> int:
        """See the port."""
        with self._lock:
            others = [
                request
                for request in self._open.values()
                if request.status is Status.PROCESSING and request.lease_until != until
            ]
            for request in others:
                self._put(replace(request, lease_until=until))
            return len(others)

    def cancel(self, request_id: str, *, now: float, code: str) -> Request | None:
        """See the port."""
        ended = self.cancel_where(lambda request: request.id == request_id, now=now, code=code)
        return ended[0] if ended else None

    def cancel_where(self, wanted: Callable[[Request], bool], *, now: float, code: str) -> tuple[Request, ...]:
        """End every open request that ``wanted`` selects; the requests as they were before."""
        with self._lock:
            before = [request for request in self._open.values() if wanted(request)]
            self._save([(r, moves.ended(r, status=Status.CANCELLED, code=code, now=now)) for r in before], now)
            return tuple(before)

    def get(self, request_id: str) -> Request | None:
        """See the port."""
        with self._lock:
            request = self._requests.get(request_id)
            return self._whole(request) if request is not None else None

    def positions(self, request_ids: Collection[str]) -> Mapping[str, int]:
        """See the port."""
        with self._lock:
            spaces = {self._requests[key].space_id for key in request_ids if key in self._requests}
            places: dict[str, int] = {}
            for space_id in spaces:
                places |= self._places(space_id)
            return {key: places[key] for key in request_ids if key in places}

    def queue_size(self, space_id: str) -> int:
        """See the port."""
        with self._lock:
            return sum(request.space_id == space_id for request in self._open.values())

    def waiting_spaces(self) -> frozenset[str]:
        """See the port."""
        with self._lock:
            return frozenset(r.space_id for r in self._open.values() if r.status is Status.QUEUED)

    def held(self, connection_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """See the port."""
        with self._lock:
            return held(self._open.values(), connection_ids)

    def list(
        self,
        *,
        user_id: str | None = None,
        space_id: str | None = None,
        codes: Collection[str] = (),
        limit: int = 50,
        before_seq: int | None = None,
    ) -> Page:
        """See the port."""
        with self._lock:
            found = [
                request
                for request in reversed(self._requests.values())
                if user_id in (None, request.user_id)
                and space_id in (None, request.space_id)
                and (not codes or (request.status is Status.FAILED and request.code in codes))
                and (before_seq is None or request.seq < before_seq)
            ]
            return Page(tuple(found[:limit]), found[limit - 1].seq if len(found) > limit else None)

    def forget(self, request_id: str) -> Purged:
        """See the port."""
        with self._lock:
            found = self._requests.get(request_id)
            return self._forget([found] if found is not None and found.is_over else [])

    def purge(self, space_id: str | None, *, before: float, limit: int) -> Purged:
        """See the port."""
        with self._lock:
            has_space = None if space_id is not None else self._has_space
            return self._forget(ended_before(self._requests.values(), space_id, has_space, before)[:limit])

    def keyed(self, user_id: str, key: str, *, since: float) -> Kept | None:
        """See the port."""
        found = self._keys.get((user_id, key))
        if found is None or found[1] <= since or found[0].request_id not in self._requests:
            return None
        return found[0]

    def purge_keys(self, before: float) -> int:
        """See the port."""
        with self._lock:
            had = len(self._keys)
            self._keys = {name: kept for name, kept in self._keys.items() if kept[1] > before}
            return had - len(self._keys)

    def retries(self, request_ids: Collection[str]) -> Mapping[str, str]:
        """See the port."""
        with self._lock:
            return {r.retry_of: r.id for r in self._requests.values() if r.retry_of in request_ids and r.retry_of}

    def recent_runs(self, space_id: str, *, limit: int) -> tuple[float, ...]:
        """See the port."""
        with self._lock:
            runs = [
                request.finished_at - request.started_at
                for request in reversed(self._requests.values())
                if request.space_id == space_id
                and request.status is Status.COMPLETED
                and request.started_at is not None
                and request.finished_at is not None
            ]
            return tuple(runs[:limit])

    def history(self, request_id: str) -> tuple[Transition, ...]:
        """See the port."""
        with self._lock:
            return tuple(self._history.get(request_id, ()))

    def add_file(self, file: StoredFile) -> None:
        """See the port."""
        with self._lock:
            self._files.setdefault(file.id, file)

    def get_file(self, file_id: str) -> StoredFile | None:
        """See the port."""
        return self._files.get(file_id)

    def file_ids(self) -> frozenset[str]:
        """See the port."""
        with self._lock:
            return frozenset(self._files)

    # -- under the lock ---------------------------------------------------------------------------------------------

    def _forget_returned(self, request_ids: set[str]) -> None:
        if request_ids:
            gone = [
                file.id for file in self._files.values() if file.field == "result" and file.request_id in request_ids
            ]
            for file_id in gone:
                del self._files[file_id]

    def _queue(self, space_id: str) -> Sequence[Request]:
        """Those that wait in a space, the next one first."""
        waiting = [r for r in self._open.values() if r.status is Status.QUEUED and r.space_id == space_id]
        return sorted(waiting, key=lambda request: (request.turn, request.seq))

    def _places(self, space_id: str) -> dict[str, int]:
        return {request.id: place for place, request in enumerate(self._queue(space_id), start=1)}

    def _forget(self, requests: Sequence[Request]) -> Purged:
        ids = {request.id for request in requests}
        file_ids = tuple(file.id for file in self._files.values() if file.request_id in ids)
        self._files = {file.id: file for file in self._files.values() if file.request_id not in ids}
        for request_id in ids:
            del self._requests[request_id], self._history[request_id]
        self._keys = {name: kept for name, kept in self._keys.items() if kept[0].request_id not in ids}
        return Purged(tuple(request.id for request in requests), file_ids)

    def _put(self, request: Request) -> None:
        self._requests[request.id] = request
        if request.is_over:
            self._open.pop(request.id, None)
        else:
            self._open[request.id] = request

    def _last_at(self, command: Submit) -> float | None:
        if not command.rate_limit_s:
            return None
        of_person = (
            request.created_at
            for request in self._requests.values()
            if request.user_id == command.user_id and request.space_id == command.space_id
        )
        return max(of_person, default=None)

    def _held(self, request_id: str, space_id: str, lease_id: str) -> Request | None:
        request = self._requests.get(request_id)
        if request is None or request.status is not Status.PROCESSING:
            return None
        return request if leases.holds(request, space_id=space_id, lease_id=lease_id) else None

    def _save(self, pairs: Iterable[tuple[Request, Request]], now: float, reason: str = "") -> tuple[Request, ...]:
        changed = []
        for before, after in pairs:
            if before.status is not after.status:
                row = moves.transition(before, after, at=now, reason=reason or moves.why(after))
                self._history[after.id].append(row)
            self._put(after)
            changed.append(after)
        return tuple(changed)

    def _whole(self, request: Request) -> Request:
        if not self._files:
            return request
        files = [file for file in self._files.values() if file.request_id == request.id]
        return moves.with_files(request, tuple(sorted(files, key=lambda file: (file.created_at, file.id))))
