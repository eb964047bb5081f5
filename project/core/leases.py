"""Who may finish an attempt, and what happens to a request whose lease is lost."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from project.core.model import Request
from project.core.states import Status


class Verdict(StrEnum):
    """What became of a result that a worker handed in. All of them are acknowledged; only one changes anything."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    STALE = "stale"
    UNKNOWN = "unknown"


def judge(request: Request | None, *, space_id: str, connection_id: str, lease_id: str) -> Verdict:
    """Decide on a result: only the holder of the current lease may finish.

    A version 2 worker proves it by ``lease_id``; a version 1 worker (no lease id) by its connection.
    A request of another space is unknown to the worker, whatever it guesses. A repeated answer is a duplicate only
    of one that was recorded: after a cancel or a deadline there is none, and the answer comes too late.
    """
    if request is None or request.space_id != space_id:
        return Verdict.UNKNOWN
    holds = request.lease_id == lease_id if lease_id else request.connection_id == connection_id
    if request.lease_id is None or not holds:
        return Verdict.STALE
    if request.is_over:
        return Verdict.STALE if request.result is None else Verdict.DUPLICATE
    return Verdict.RECORDED


def holds(request: Request | None, *, space_id: str, lease_id: str) -> bool:
    """Whether ``lease_id`` is still the lease of an open request of this space."""
    return (
        request is not None
        and not request.is_over
        and request.space_id == space_id
        and bool(lease_id)
        and request.lease_id == lease_id
    )


def after_loss(request: Request) -> Status:
    """Where a request goes whose worker was lost: back to its old place, or, out of attempts, to its end."""
    return Status.QUEUED if request.attempt < request.max_attempts else Status.FAILED


def is_last_try(request: Request) -> bool:
    """Whether a queued request was lost before and is about to be handed out for the last time."""
    return 0 < request.attempt == request.max_attempts - 1


def handed_together(waiting: Sequence[Request], *, alone: bool) -> int:
    """How many of the next requests a worker is given at once; ``alone``: it has nothing else at hand.

    A last try is made alone: a request that kills its worker each time then takes nobody with it, and one that only
    waited behind it is served.
    """
    for index, request in enumerate(waiting):
        if is_last_try(request):
            return 1 if alone and index == 0 else index
    return len(waiting)


def overdue(request: Request, now: float) -> str | None:
    """The reason code if a deadline has passed at ``now``: the queue's until the run starts, then the run's."""
    if request.is_over:
        return None
    if request.started_at is not None and request.status is Status.PROCESSING:
        return "run_timeout" if now >= request.started_at + request.run_timeout_s else None
    return "queue_timeout" if now >= request.queue_deadline else None
