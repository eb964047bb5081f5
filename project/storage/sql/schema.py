"""Tables of the store. The table of legal moves stands in ``core.states``; here it is a constraint on the history."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from project.core.states import OPEN, TRANSITIONS, Status

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def one_of(column: str, values: Collection[Status]) -> str:
    """The words for a status being one of these: of constraints, of partial indexes, and of what is to use these.

    Each is written out: such an index is used only where it can be seen, before a value is given, that it has every
    row asked for.
    """
    return f"{column} IN ({', '.join(repr(str(value)) for value in sorted(values))})"


def _legal_moves() -> str:
    moves = [f"(before = '{before}' AND {one_of('after', after)})" for before, after in TRANSITIONS.items() if after]
    return " OR ".join(["(before IS NULL AND after = 'queued')", *moves])


spaces = sa.Table(
    "spaces",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, index=True),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("owner_id", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

worker_tokens = sa.Table(
    "worker_tokens",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("space_id", sa.String(64), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("last_used_at", sa.Float),
    sa.Column("revoked_at", sa.Float),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("username", sa.String(200), nullable=False),
    sa.Column("username_key", sa.String(400), nullable=False, unique=True),
    sa.Column("password_hash", sa.String(300), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("must_change", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("seeded_hash", sa.String(300), nullable=False, server_default=""),
    sa.CheckConstraint("role IN ('user', 'admin')", name="role"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False, index=True),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("seen_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
    sa.Column("id", sa.String(64), nullable=False, server_default=""),
    sa.Column("address", sa.String(100), nullable=False, server_default=""),
    sa.Column("device", sa.String(300), nullable=False, server_default=""),
    sa.Column("half", sa.Boolean, nullable=False, server_default=sa.false()),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False, index=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("key_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
    sa.Column("last_used_at", sa.Float),
    sa.Column("revoked_at", sa.Float),
)

second_factors = sa.Table(
    "second_factors",
    metadata,
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("nonce", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("confirmed_at", sa.Float),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("recovery", sa.JSON, nullable=False),
)

throttles = sa.Table(
    "throttles",
    metadata,
    sa.Column("key", sa.String(300), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False, index=True),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("kind", sa.String(64), nullable=False, index=True),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("actor_key", sa.String(400), nullable=False, index=True),
    sa.Column("subject", sa.String(300), nullable=False),
    sa.Column("subject_key", sa.String(600), nullable=False, index=True),
    sa.Column("detail", sa.String(600), nullable=False),
    sa.Column("address", sa.String(100), nullable=False),
    sqlite_autoincrement=True,
)

nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("node_id", sa.String(64), primary_key=True),
    sa.Column("seen_at", sa.Float, nullable=False),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("connection_id", sa.String(64), primary_key=True),
    sa.Column("space_id", sa.String(64), nullable=False, index=True),
    sa.Column("node_id", sa.String(64), nullable=False, index=True),
    sa.Column("worker_id", sa.String(200), nullable=False),
    sa.Column("boot_id", sa.String(200), nullable=False),
    sa.Column("protocol", sa.Integer, nullable=False),
    sa.Column("capacity", sa.Integer, nullable=False),
    sa.Column("connected_at", sa.Float, nullable=False),
    sa.Column("draining", sa.Boolean, nullable=False),
)

writers = sa.Table(
    "writers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

absences = sa.Table(
    "absences",
    metadata,
    sa.Column("space_id", sa.String(64), primary_key=True),
    sa.Column("since", sa.Float, nullable=False),
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("space_id", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("username", sa.String(200), nullable=False),
    sa.Column("payload", sa.JSON, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("queue_deadline", sa.Float, nullable=False),
    sa.Column("queue_timeout_s", sa.Float, nullable=False),
    sa.Column("run_timeout_s", sa.Float, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("lease_id", sa.String(100)),
    sa.Column("lease_until", sa.Float),
    sa.Column("connection_id", sa.String(64)),
    sa.Column("worker_id", sa.String(200)),
    sa.Column("dispatched_at", sa.Float),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Column("progress", sa.Float),
    sa.Column("progress_message", sa.Text, nullable=False),
    sa.Column("progress_seq", sa.BigInteger, nullable=False),
    sa.Column("chunk_seq", sa.BigInteger, nullable=False),
    sa.Column("partial", sa.Text, nullable=False),
    sa.Column("result", sa.JSON(none_as_null=True)),
    sa.Column("error", sa.Text),
    sa.Column("code", sa.String(64)),
    sa.Column("run_s", sa.Float),
    sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("retry_reason", sa.String(64)),
    sa.Column("retry_of", sa.String(64)),
    sa.Column("test_id", sa.String(64)),
    sa.CheckConstraint(one_of("status", frozenset(Status)), name="status"),
    sa.CheckConstraint("attempt >= 0 AND attempt <= max_attempts", name="attempts"),
    sa.CheckConstraint("status <> 'processing' OR (lease_id IS NOT NULL AND lease_until IS NOT NULL)", name="leased"),
    sa.CheckConstraint(f"({one_of('status', OPEN)}) = (finished_at IS NULL)", name="finished"),
    sqlite_autoincrement=True,
)
_IS_OPEN = sa.text(one_of("status", OPEN))
sa.Index(
    "ix_requests_open",
    requests.c.space_id,
    requests.c.status,
    requests.c.turn,
    requests.c.seq,
    sqlite_where=_IS_OPEN,
    postgresql_where=_IS_OPEN,
)
sa.Index(
    "ix_requests_waiting",
    requests.c.space_id,
    requests.c.user_id,
    # What is asked of a person's waiting requests, so that none of them need be read.
    requests.c.turn,
    requests.c.attempt,
    requests.c.lease_id,
    sqlite_where=sa.text("status = 'queued'"),
    postgresql_where=sa.text("status = 'queued'"),
)
sa.Index(
    "ix_requests_failed",
    requests.c.code,
    requests.c.seq,
    sqlite_where=sa.text("status = 'failed'"),
    postgresql_where=sa.text("status = 'failed'"),
)
sa.Index(
    "uq_requests_retry_of",
    requests.c.retry_of,
    unique=True,
    sqlite_where=sa.text("retry_of IS NOT NULL"),
    postgresql_where=sa.text("retry_of IS NOT NULL"),
)
sa.Index(
    "ix_requests_test_id",
    requests.c.test_id,
    requests.c.seq,
    sqlite_where=sa.text("test_id IS NOT NULL"),
    postgresql_where=sa.text("test_id IS NOT NULL"),
)
sa.Index(
    "ix_requests_open_user",
    requests.c.user_id,
    sqlite_where=_IS_OPEN,
    postgresql_where=_IS_OPEN,
)
sa.Index("ix_requests_user_created_at", requests.c.user_id, requests.c.created_at)
sa.Index("ix_requests_user", requests.c.user_id, requests.c.space_id, requests.c.seq)
sa.Index("ix_requests_finished_at", requests.c.finished_at)

submission_keys = sa.Table(
    "submission_keys",
    metadata,
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False, index=True),
    sa.Column("created_at", sa.Float, nullable=False, index=True),
)

history = sa.Table(
    "history",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("request_id", sa.String(64), nullable=False, index=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("before", sa.String(16)),
    sa.Column("after", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.CheckConstraint(_legal_moves(), name="legal_move"),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("request_id", sa.String(64), nullable=False, index=True),
    sa.Column("field", sa.String(16), nullable=False),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("content_type", sa.String(100), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

client_batches = sa.Table(
    "client_batches",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.String(64), nullable=False, index=True),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("records", sa.JSON, nullable=False),
)
