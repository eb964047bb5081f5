"""The Store port: what the use cases ask of a store, whatever keeps it.

Commands are frozen data, so that a store may take many of them in one commit. Every method returns only when what
it changed is durable, and either changes everything it says or nothing. ``now`` is always the caller's clock.
Both adapters run under the same contract tests (``tests/storage/``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from project.core.commands import (
    Claim,
    Finish,
    Finished,
    Kept,
    Purged,
    Renew,
    Report,
    Resume,
    Resumed,
    Submit,
    Submitted,
)
from project.core.model import (
    Request,
    Space,
    SpaceSettings,
    StoredFile,
    Transition,
    Worker,
    WorkerToken,
)
from project.storage.batches import BatchStore
from project.storage.console_port import CallStore, InboxStore, RunStore
from project.storage.pending import Pending
from project.storage.people import AccountStore, AuditStore, FactorStore, KeyStore, ThrottleStore

__all__ = [
    "AccountStore",
    "AuditStore",
    "BatchStore",
    "CallStore",
    "Claim",
    "FactorStore",
    "Finish",
    "Finished",
    "InboxStore",
    "Kept",
    "KeyStore",
    "Page",
    "Pending",
    "PresenceStore",
    "Purged",
    "Renew",
    "Report",
    "RequestStore",
    "Resume",
    "Resumed",
    "RunStore",
    "SpaceStore",
    "Store",
    "Submit",
    "Submitted",
    "ThrottleStore",
]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing, newest first; ``before_seq`` continues it."""

    items: tuple[Request, ...]
    before_seq: int | None = None


class RequestStore(Protocol):
    """Requests, their leases, their files and their history."""

    def submit(self, command: Submit) -> Submitted:
        """Keep a request, or find the one its key stands for.

        Raises SpaceNotFound, RateLimited (with ``retry_after_s``), QueueFull, OwnQueueFull, KeyReused, AlreadyRetried,
        and for the person's quota TooManyRequests, TooManyOpen, TooMuchKept.
        """

    def claim(self, command: Claim) -> tuple[Request, ...]:
        """Move requests from queued to processing, oldest first, files included. Empty if none wait.

        Files that an earlier attempt returned are no longer the request's: the new attempt returns its own.
        """

    def finish(self, command: Finish) -> Finished:
        """Record a result exactly once. A queued-again request whose lease matches is taken up again first."""

    def renew(self, command: Renew) -> frozenset[str]:
        """Request ids whose lease was extended; the rest are no longer the worker's."""

    def finish_later(self, command: Finish) -> Pending[Finished]:
        """``finish`` without waiting for the commit, so that results of one connection can share it."""

    def report(self, command: Report) -> Request | None:
        """Store progress or a chunk; None if the lease is not current."""

    def report_later(self, command: Report) -> Pending[Request | None]:
        """``report`` without waiting."""

    def resume(self, command: Resume) -> Resumed:
        """Settle what a returning worker holds."""

    def release(self, connection_id: str, *, keep_lease: bool, now: float, abreast: int = 1) -> tuple[Request, ...]:
        """A connection is gone: queue its attempts again (or fail those out of attempts); the moved requests.

        Its worker ran ``abreast`` at once; an attempt that had not begun is not used up.
        """

    def expire(self, now: float, *, limit: int = 500) -> tuple[Request, ...]:
        """Apply deadlines: lost leases, queue and run timeouts. The moved requests."""

    def extend_leases(self, until: float) -> int:
        """At start: every lease ends at ``until``, so workers have time to come back; how many had another end.

        Later ones, too: the system's time may have been set back meanwhile, and who does not come is not waited for.
        """

    def cancel(self, request_id: str, *, now: float, code: str) -> Request | None:
        """End an open request as cancelled; the request as it was, or None if it was over or unknown."""

    def get(self, request_id: str) -> Request | None:
        """One request whole, or None."""

    def positions(self, request_ids: Collection[str]) -> Mapping[str, int]:
        """Places in the queue (1 is next) of those that are queued."""

    def queue_size(self, space_id: str) -> int:
        """How many requests of a space are open: queued and processing."""

    def waiting_spaces(self) -> frozenset[str]:
        """Spaces with at least one queued request."""

    def held(self, connection_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """The requests that each of these connections is working on, as far as the store knows."""

    def list(
        self,
        *,
        user_id: str | None = None,
        space_id: str | None = None,
        codes: Collection[str] = (),
        limit: int = 50,
        before_seq: int | None = None,
    ) -> Page:
        """Requests newest first, of a user, a space, or all. Payload and result included.

        With ``codes``, only those that failed for one of these reasons.
        """

    def forget(self, request_id: str) -> Purged:
        """Forget one request that is over, with its history, its key and its files; nothing if it is open."""

    def purge(self, space_id: str | None, *, before: float, limit: int) -> Purged:
        """Forget requests of a space (None: of spaces that are gone) that ended before then, the oldest first."""

    def keyed(self, user_id: str, key: str, *, since: float) -> Kept | None:
        """What a person's idempotency key stands for, if it was used after ``since``."""

    def purge_keys(self, before: float) -> int:
        """Forget the idempotency keys used up to then; how many."""

    def retries(self, request_ids: Collection[str]) -> Mapping[str, str]:
        """The request by which each of these was tried again, where there is one."""

    def recent_runs(self, space_id: str, *, limit: int) -> tuple[float, ...]:
        """How long the space's last completed runs took, newest first, in seconds."""

    def history(self, request_id: str) -> tuple[Transition, ...]:
        """Every move of a request, oldest first."""

    def add_file(self, file: StoredFile) -> None:
        """Keep a file a worker returned; a file whose id is there already stays as it is."""

    def get_file(self, file_id: str) -> StoredFile | None:
        """One file's record, or None."""

    def file_ids(self) -> frozenset[str]:
        """Every file id known, to find orphans on disk."""


class SpaceStore(Protocol):
    """Spaces and their worker tokens."""

    def add(self, space: Space) -> None:
        """Keep a new space."""

    def change(self, space_id: str, settings: SpaceSettings) -> Space | None:
        """Replace a space's settings; None if there is no such space."""

    def remove(self, space_id: str, *, now: float) -> tuple[Request, ...]:
        """Delete a space and its tokens; its open requests end as cancelled/space_deleted and are returned."""

    def get(self, space_id: str) -> Space | None:
        """One space, or None."""

    def named(self, name: str) -> tuple[Space, ...]:
        """Every space of exactly that name."""

    def all(self) -> tuple[Space, ...]:
        """Every space, newest first."""

    def add_token(self, token: WorkerToken) -> None:
        """Keep a worker token (its hash)."""

    def tokens(self, space_id: str) -> tuple[WorkerToken, ...]:
        """Tokens of a space, revoked ones too, newest first."""

    def use_token(self, token_hash: str, *, now: float) -> WorkerToken | None:
        """The live token with that hash, marked as used now; None if unknown or revoked."""

    def revoke_token(self, token_id: str, *, now: float) -> bool:
        """Whether a live token was revoked."""

    def live_tokens(self) -> frozenset[str]:
        """The ids of all tokens that are not revoked."""


class PresenceStore(Protocol):
    """Which workers are connected to which node. A row of a node that stopped beating does not count."""

    def beat(self, node_id: str, *, now: float) -> None:
        """The node is alive."""

    def end_node(self, node_id: str, *, now: float) -> None:
        """The node stops: its rows go."""

    def nodes(self, *, now: float, stale_after_s: float = 15.0) -> frozenset[str]:
        """The nodes that are alive."""

    def join(self, worker: Worker, *, most: int | None = None) -> bool:
        """A worker has registered; whether there was a place for it. Decided in one go, whatever other nodes do.

        It takes the place of its own earlier connections to the space, known by its ``worker_id`` if it has one. With
        ``most``, it needs one of so many places, which the workers have that do not drain; those of a dead node until
        they are cleared, for what they held has to be back in its places first.
        """

    def of_node(self, node_id: str) -> frozenset[str]:
        """The connections of a node, whether it is alive or not."""

    def leave(self, connection_id: str, *, now: float) -> None:
        """A worker's connection is gone."""

    def away_since(self, space_id: str) -> float | None:
        """When the last of a space's workers went; None if there never was one. Only of meaning while none is there."""

    def set_draining(self, connection_id: str) -> None:
        """The worker takes no more work."""

    def workers(self, space_id: str | None = None, *, now: float, stale_after_s: float = 15.0) -> tuple[Worker, ...]:
        """Workers of live nodes, of one space or all."""

    def stale(self, *, now: float, stale_after_s: float = 15.0) -> tuple[str, ...]:
        """The connections of dead nodes."""

    def clear_stale(self, *, now: float, stale_after_s: float = 15.0) -> None:
        """Forget dead nodes and their connections. Their workers are away since the node's last beat."""


@dataclass(frozen=True, slots=True)
class Store:
    """The parts of one store, and how to close it."""

    requests: RequestStore
    spaces: SpaceStore
    accounts: AccountStore
    keys: KeyStore
    factors: FactorStore
    throttles: ThrottleStore
    audit: AuditStore
    presence: PresenceStore
    calls: CallStore
    inbox: InboxStore
    runs: RunStore
    batches: BatchStore
    close: Callable[[], None] = field(default=lambda: None)
