"""The things the site knows, as frozen records. Times are seconds since the epoch, UTC; sizes are bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from project.core.ordering import Order
from project.core.states import TERMINAL, Status

Role = Literal["user", "admin"]
FileField = Literal["audio_file", "video_file", "other_file", "result"]


@dataclass(frozen=True, slots=True)
class User:
    """A person with a login. ``password_hash`` never leaves the accounts layer.

    ``must_change``: the password was somebody else's choice and opens nothing but the page to change it.
    ``seeded_hash``: the password of the settings that was given to this account last, so that it is given once.
    """

    id: str
    username: str
    password_hash: str
    role: Role
    created_at: float
    disabled: bool = False
    must_change: bool = False
    seeded_hash: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether the person administers spaces."""
        return self.role == "admin"


@dataclass(frozen=True, slots=True)
class Session:
    """A login that lives on the server: the browser holds only a random token, stored here as its SHA-256.

    ``id`` is what the login is called where it is listed; ``half``: the password was right, the code is still to come.
    """

    token_hash: str
    user_id: str
    created_at: float
    seen_at: float
    expires_at: float
    id: str = ""
    address: str = ""
    device: str = ""
    half: bool = False


@dataclass(frozen=True, slots=True)
class SpaceSettings:
    """What an operator decides about a space (the guide's form fields, and the relay's limits).

    ``max_queue_per_user`` 0: no bound but the queue's own. ``capacity``: how many requests one worker may have at
    hand; 0: as many as it asks for. ``retention_days``: how long a request is kept once it is over; 0: for ever.
    """

    name: str
    description: str = ""
    card_type: str = "websockets"
    cover: str = "default.png"
    cover_type: str = "image"
    enable_prompt: bool = True
    enable_audio: bool = False
    enable_video: bool = False
    enable_file_upload: bool = False
    rate_limit_s: float = 0.0
    max_workers: int = 1
    max_queue: int = 1000
    max_queue_per_user: int = 0
    order: Order = "fifo"
    capacity: int = 0
    queue_while_offline: bool = False
    run_timeout_s: float = 120.0
    queue_timeout_s: float = 3600.0
    retention_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Space:
    """A page that one model serves."""

    id: str
    settings: SpaceSettings
    created_at: float
    owner_id: str = ""

    @property
    def name(self) -> str:
        """The name workers register by; it need not be unique, but an ambiguous one is refused."""
        return self.settings.name


@dataclass(frozen=True, slots=True)
class WorkerToken:
    """A named secret that lets a worker serve one space; only its SHA-256 is kept."""

    id: str
    space_id: str
    name: str
    token_hash: str
    created_at: float
    last_used_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """The presence of one registered connection. ``boot_id`` changes with each start of the worker's process."""

    connection_id: str
    space_id: str
    node_id: str
    worker_id: str
    boot_id: str
    protocol: int
    capacity: int
    connected_at: float
    draining: bool = False


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file on the site's disk, under a random name. ``field`` says where it came from."""

    id: str
    request_id: str
    field: FileField
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Request:
    """What a user submitted, and how far it has come.

    ``seq`` is the store's own number: the order of a space is the order of ``seq``, never of a clock.
    ``turn`` comes before it, see ``core.ordering``. ``retry_reason`` is why the attempt before this one was lost.
    ``retry_of`` names the failed request that an administrator had tried again by this one.
    ``test_id`` names the load run that it belongs to.
    ``lease_id`` stays set while a request is queued again after a broken connection, so that the same worker,
    back with that lease, may take its attempt up again; any other claim replaces it.
    """

    id: str
    seq: int
    space_id: str
    user_id: str
    username: str
    payload: Mapping[str, Any]
    status: Status
    created_at: float
    queue_deadline: float
    queue_timeout_s: float = 3600.0
    attempt: int = 0
    max_attempts: int = 3
    lease_id: str | None = None
    lease_until: float | None = None
    connection_id: str | None = None
    worker_id: str | None = None
    run_timeout_s: float = 120.0
    dispatched_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    progress: float | None = None
    progress_message: str = ""
    partial: str = ""
    progress_seq: int = -1
    chunk_seq: int = 0
    result: Mapping[str, Any] | None = None
    error: str | None = None
    code: str | None = None
    run_s: float | None = None
    turn: int = 0
    retry_reason: str | None = None
    retry_of: str | None = None
    test_id: str | None = None
    files: tuple[StoredFile, ...] = field(default=())

    @property
    def is_fresh(self) -> bool:
        """Whether no worker has ever been given it."""
        return self.attempt == 0 and self.lease_id is None

    @property
    def is_over(self) -> bool:
        """Whether the request has ended, for good."""
        return self.status in TERMINAL


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of a request's history. ``before`` is None for the submission itself."""

    request_id: str
    at: float
    before: Status | None
    after: Status
    attempt: int
    reason: str = ""
