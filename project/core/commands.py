"""What is asked of a store about requests, as frozen data, and what it answers. ``now`` is the caller's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from project.core.leases import Verdict
from project.core.model import Request, StoredFile
from project.core.ordering import Order
from project.core.quotas import NONE, Quota
from project.core.states import Status


@dataclass(frozen=True, slots=True)
class Submit:
    """Keep a new request. ``id`` is random and made by the caller.

    ``key`` is the person's own name for it: for ``key_age_s`` the same one with the same ``fingerprint`` of the body
    means the same request.
    """

    id: str
    space_id: str
    user_id: str
    username: str
    payload: Mapping[str, Any]
    now: float
    queue_timeout_s: float
    run_timeout_s: float
    rate_limit_s: float = 0.0
    max_queue: int = 1000
    max_attempts: int = 3
    files: tuple[StoredFile, ...] = ()
    max_queue_per_user: int = 0
    order: Order = "fifo"
    key: str = ""
    fingerprint: str = ""
    key_age_s: float = 86400.0
    quota: Quota = NONE
    retry_of: str | None = None
    test_id: str | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """The request as kept, and its place: 1 is the next to be handed out, None: it does not wait any more.

    ``repeated``: it had been kept before, under the same key.
    """

    request: Request
    position: int | None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Purged:
    """Requests that are forgotten, and the files that lie on the disk for nobody now."""

    request_ids: tuple[str, ...] = ()
    file_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What an idempotency key stands for."""

    fingerprint: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Hand the oldest ``limit`` queued requests of a space to one connection, each with a fresh lease.

    A last try is handed out by itself, to a connection that has nothing at hand (``alone``).
    The lease id of a request is ``<claim_id>.<seq>``; ``claim_id`` is random. With ``starts`` the run counts as
    started at once (version 1 workers cannot tell).
    """

    claim_id: str
    space_id: str
    connection_id: str
    worker_id: str
    limit: int
    now: float
    lease_s: float
    starts: bool = False
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Finish:
    """Record how an attempt ended, if it still holds its lease (``core.leases.judge``).

    ``result`` is None when the site itself gives the attempt up; a later answer of the worker is then too late.
    """

    request_id: str
    space_id: str
    connection_id: str
    lease_id: str
    status: Status
    result: Mapping[str, Any] | None
    now: float
    error: str | None = None
    code: str | None = None
    run_s: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a result, and the request as it is now (None if unknown to that worker)."""

    verdict: Verdict
    request: Request | None


@dataclass(frozen=True, slots=True)
class Renew:
    """Extend leases that a worker says it holds. ``started`` lists the request ids whose handler has begun."""

    space_id: str
    connection_id: str
    leases: Mapping[str, str]
    now: float
    lease_s: float
    started: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """Progress or pieces of text of a running attempt; it renews the lease and marks the run as started.

    ``seq`` is that of the progress; pieces have their own, from 1. Both rise within an attempt; an old one changes
    nothing.
    """

    request_id: str
    space_id: str
    lease_id: str
    seq: int
    now: float
    lease_s: float
    percent: float | None = None
    message: str = ""
    pieces: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Resume:
    """A worker is back: keep the leases it lists and may keep, queue again whatever else it held.

    A listed lease is kept if it is still the request's lease, be the request processing or queued again since.
    ``abreast``: how many requests the worker runs at once (``core.moves.lost_together``).
    """

    space_id: str
    connection_id: str
    worker_id: str
    leases: Mapping[str, str]
    now: float
    lease_s: float
    started: frozenset[str] = frozenset()
    abreast: int = 1


@dataclass(frozen=True, slots=True)
class Resumed:
    """``keep``: request ids whose lease stays valid. ``changed``: requests that moved (queued again, or failed)."""

    keep: tuple[str, ...]
    changed: tuple[Request, ...] = ()
