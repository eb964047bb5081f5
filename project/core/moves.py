"""How each thing that happens changes a request: from the record before to the record after, and nothing else.

Both stores apply these; neither decides anything of its own. Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from project.core.leases import after_loss, overdue
from project.core.model import Request, Transition
from project.core.reasons import REASONS
from project.core.states import Status, may_move


class IllegalMove(Exception):
    """A move that the table of transitions does not allow."""


def transition(before: Request | None, after: Request, *, at: float, reason: str = "") -> Transition:
    """The history row of a move; raises IllegalMove for one that is not in the table."""
    if before is not None and not may_move(before.status, after.status):
        raise IllegalMove(f"{before.id}: {before.status} -> {after.status}")
    return Transition(after.id, at, before.status if before else None, after.status, after.attempt, reason)


def claimed(
    request: Request, *, claim_id: str, connection_id: str, worker_id: str, now: float, lease_s: float, starts: bool
) -> Request:
    """A new attempt, given to a connection under a fresh lease."""
    return replace(
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
    """The same attempt under the same lease, taken up again by its worker."""
    return replace(
        request,
        status=Status.PROCESSING,
        connection_id=connection_id,
        lease_until=now + lease_s,
        started_at=request.started_at or (now if started else None),
    )


def renewed(request: Request, *, now: float, lease_s: float, started: bool) -> Request:
    """The lease lasts longer."""
    return replace(request, lease_until=now + lease_s, started_at=request.started_at or (now if started else None))


def reported(
    request: Request, *, seq: int, percent: float | None, message: str, text: str | None, now: float, lease_s: float
) -> Request:
    """Progress or a piece of text has come; one that is not newer than the last only renews the lease."""
    request = renewed(request, now=now, lease_s=lease_s, started=True)
    if percent is not None and seq > request.progress_seq:
        request = replace(request, progress=percent, progress_message=message, progress_seq=seq)
    if text is not None and seq > request.chunk_seq:
        request = replace(request, partial=request.partial + text, chunk_seq=seq)
    return request


def finished(
    request: Request,
    *,
    status: Status,
    result: Mapping[str, Any],
    error: str | None,
    code: str | None,
    run_s: float | None,
    now: float,
) -> Request:
    """The attempt's answer is recorded. The lease stays, so that a repeated answer is known as such."""
    began = request.started_at
    if began is None:
        began = max(request.dispatched_at or now, now - run_s) if run_s is not None else request.dispatched_at
    return replace(
        request,
        status=status,
        result=result,
        error=error,
        code=code,
        run_s=run_s,
        started_at=began,
        finished_at=now,
        progress=100.0 if status is Status.COMPLETED else request.progress,
    )


def lost(request: Request, *, keep_lease: bool, now: float) -> Request:
    """The worker is gone: back to its old place with time to be served, or, out of attempts, to its end."""
    if after_loss(request) is Status.FAILED:
        return ended(request, status=Status.FAILED, code="worker_lost", now=now)
    return replace(
        request,
        status=Status.QUEUED,
        lease_id=request.lease_id if keep_lease else None,
        lease_until=None,
        connection_id=None,
        started_at=None,
        queue_deadline=max(request.queue_deadline, now + request.queue_timeout_s),
    )


def ended(request: Request, *, status: Status, code: str, now: float) -> Request:
    """The request ends without an answer, for the reason ``code``."""
    return replace(request, status=status, code=code, error=REASONS[code], finished_at=now)


def expired(request: Request, *, now: float) -> Request:
    """What a deadline makes of a request at ``now``: the same record if none has passed."""
    code = overdue(request, now)
    if code is not None:
        return ended(request, status=Status.FAILED, code=code, now=now)
    if request.status is Status.PROCESSING and request.lease_until is not None and request.lease_until <= now:
        return lost(request, keep_lease=bool(request.worker_id), now=now)
    return request
