"""How each thing that happens changes a request: from the record before to the record after, and nothing else.

Both stores apply these; neither decides anything of its own. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from project.core.commands import Finish, Report, Submit
from project.core.leases import after_loss, overdue
from project.core.model import Request, StoredFile, Transition
from project.core.reasons import REASONS
from project.core.records import changed
from project.core.states import Status, may_move

MOST_PARTIAL_CHARS: Final = 200_000
GAP: Final = "[…] "
CUT: Final = " […]"
NOT_BEGUN: Final = "not_begun"
"""In the history: the worker was lost before the request's turn came, which uses up no attempt."""


class IllegalMove(Exception):
    """A move that the table of transitions does not allow."""


def transition(before: Request | None, after: Request, *, at: float, reason: str = "") -> Transition:
    """The history row of a move; raises IllegalMove for one that is not in the table."""
    if before is not None and not may_move(before.status, after.status):
        raise IllegalMove(f"{before.id}: {before.status} -> {after.status}")
    return Transition(after.id, at, before.status if before else None, after.status, after.attempt, reason)


def why(after: Request) -> str:
    """The reason to be noted of a move: why it ended, or why it was queued again."""
    if after.status is Status.QUEUED and after.code is None and after.dispatched_at is None:
        return NOT_BEGUN
    return after.code or (after.retry_reason if after.status is Status.QUEUED else None) or ""


def submitted(command: Submit, turn: int) -> Request:
    """A new request, not yet numbered (``seq`` 0)."""
    return Request(
        id=command.id,
        seq=0,
        space_id=command.space_id,
        user_id=command.user_id,
        username=command.username,
        payload=command.payload,
        status=Status.QUEUED,
        created_at=command.now,
        queue_deadline=command.now + command.queue_timeout_s,
        queue_timeout_s=command.queue_timeout_s,
        run_timeout_s=command.run_timeout_s,
        max_attempts=command.max_attempts,
        files=command.files,
        turn=turn,
        retry_of=command.retry_of,
        test_id=command.test_id,
    )


def numbered(request: Request, seq: int) -> Request:
    """The request with the number its store gave it."""
    return changed(request, seq=seq)


def with_files(request: Request, files: tuple[StoredFile, ...]) -> Request:
    """The request with its files' records."""
    return changed(request, files=files)


def claimed(
    request: Request, *, claim_id: str, connection_id: str, worker_id: str, now: float, lease_s: float, starts: bool
) -> Request:
    """A new attempt, given to a connection under a fresh lease."""
    return changed(
        request,
        status=Status.PROCESSING,
        attempt=request.attempt + 1,
        lease_id=f"{claim_id}.{request.seq}",
        lease_until=now + lease_s,
        connection_id=connection_id,
        worker_id=worker_id,
        dispatched_at=now,
        started_at=now if starts else None,
        progress=None,
        progress_message="",
        progress_seq=-1,
        chunk_seq=0,
        partial="",
        error=None,
        code=None,
    )


def resumed(request: Request, *, connection_id: str, now: float, lease_s: float, started: bool) -> Request:
    """The same attempt under the same lease, taken up again by its worker; one that was taken back counts again."""
    taken_back = request.dispatched_at is None
    return changed(
        request,
        status=Status.PROCESSING,
        attempt=request.attempt + 1 if taken_back else request.attempt,
        dispatched_at=now if taken_back else request.dispatched_at,
        connection_id=connection_id,
        lease_until=now + lease_s,
        started_at=request.started_at or (now if started else None),
        retry_reason=request.retry_reason if taken_back or request.attempt > 1 else None,
    )


def renewed(request: Request, *, now: float, lease_s: float, started: bool) -> Request:
    """The lease lasts longer."""
    return changed(request, lease_until=now + lease_s, started_at=request.started_at or (now if started else None))


def reporting(request: Request, command: Report) -> Request:
    """Progress or a piece of text has come; one that is not newer than the last only renews the lease."""
    request = renewed(request, now=command.now, lease_s=command.lease_s, started=True)
    if command.percent is not None and command.seq > request.progress_seq:
        request = changed(request, progress=command.percent, progress_message=command.message, progress_seq=command.seq)
    return longer(request, command.pieces) if command.pieces else request


def longer(request: Request, pieces: Sequence[tuple[int, str]]) -> Request:
    """The request with newer pieces of text put behind what it has.

    A piece that got lost on the way is marked. Past ``MOST_PARTIAL_CHARS`` nothing more is kept: the result has it all.
    """
    texts, seq = [request.partial], request.chunk_seq
    for number, text in pieces:
        if number > seq:
            texts.append(text if number == seq + 1 else GAP + text)
            seq = number
    if seq == request.chunk_seq or len(request.partial) >= MOST_PARTIAL_CHARS:
        return request if seq == request.chunk_seq else changed(request, chunk_seq=seq)
    partial = "".join(texts)
    if len(partial) > MOST_PARTIAL_CHARS:
        partial = partial[: MOST_PARTIAL_CHARS - len(CUT)] + CUT
    return changed(request, partial=partial, chunk_seq=seq)


def finishing(request: Request, command: Finish) -> tuple[Request, ...]:
    """The attempt's answer is recorded, step by step: an attempt queued again since is first taken up again.

    The lease stays on the ended request, so that a repeated answer is known as such.
    """
    steps: list[Request] = []
    if request.status is Status.QUEUED:
        request = resumed(request, connection_id=command.connection_id, now=command.now, lease_s=0.0, started=False)
        steps.append(request)
    began = request.started_at or request.dispatched_at
    if request.started_at is None and command.run_s is not None:
        began = max(request.dispatched_at or command.now, command.now - command.run_s)
    done = changed(
        request,
        status=command.status,
        result=command.result,
        error=command.error,
        code=command.code,
        run_s=command.run_s,
        started_at=began,
        finished_at=command.now,
        progress=100.0 if command.status is Status.COMPLETED else request.progress,
    )
    return (*steps, done)


def lost(request: Request, *, keep_lease: bool, now: float, reason: str) -> Request:
    """The worker is gone: back to its old place with time to be served, or, out of attempts, to its end.

    ``reason`` is one of ``core.reasons.RETRIES``.
    """
    request = changed(request, retry_reason=reason)
    if after_loss(request) is Status.FAILED:
        return ended(request, status=Status.FAILED, code="worker_lost", now=now)
    return changed(
        request,
        status=Status.QUEUED,
        lease_id=request.lease_id if keep_lease else None,
        lease_until=None,
        connection_id=None,
        started_at=None,
        queue_deadline=max(request.queue_deadline, now + request.queue_timeout_s),
    )


def lost_together(
    requests: Iterable[Request], *, abreast: int, keep_lease: bool, now: float, reason: str
) -> list[tuple[Request, Request]]:
    """What becomes of everything a lost worker had at hand, which runs ``abreast`` requests at once in their order.

    The attempts that it had begun, or may have, are lost. A quick one gives no sign of its beginning, so the first ones
    count: what may have killed the worker is among them. The rest only waited, and no attempt of theirs is used up.
    Without ``keep_lease`` (a version 1 worker, which cannot tell) all of them count.
    """
    held = sorted(requests, key=lambda request: (request.dispatched_at or 0.0, request.turn, request.seq))
    begun = [request for request in held if request.started_at is not None]
    waiting = [request for request in held if request.started_at is None]
    may_have = max(0, abreast - len(begun)) if keep_lease else len(waiting)
    gone = (*begun, *waiting[:may_have])
    return [
        *((request, lost(request, keep_lease=keep_lease, now=now, reason=reason)) for request in gone),
        *((request, _taken_back(request)) for request in waiting[may_have:]),
    ]


def _taken_back(request: Request) -> Request:
    """Back to its place as if it had not been handed out; its queue deadline goes on, as it has waited all the time."""
    return changed(
        request,
        status=Status.QUEUED,
        attempt=request.attempt - 1,
        lease_until=None,
        connection_id=None,
        dispatched_at=None,
    )


def ended(request: Request, *, status: Status, code: str, now: float) -> Request:
    """The request ends without an answer, for the reason ``code``."""
    return changed(request, status=status, code=code, error=REASONS[code], finished_at=now)


def expired(request: Request, *, now: float) -> Request:
    """What a deadline makes of a request at ``now``: the same record if none has passed."""
    code = overdue(request, now)
    if code is not None:
        return ended(request, status=Status.FAILED, code=code, now=now)
    if request.status is Status.PROCESSING and request.lease_until is not None and request.lease_until <= now:
        return lost(request, keep_lease=bool(request.worker_id), now=now, reason="lease_expired")
    return request
