"""Tables of the console and the inbox; part of the one schema."""

from __future__ import annotations

import sqlalchemy as sa

from project.core.calls import Outcome
from project.storage.sql.schema import metadata

_SEQ = sa.BigInteger().with_variant(sa.Integer, "sqlite")

calls = sa.Table(
    "rpc_calls",
    metadata,
    sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),
    sa.Column("method", sa.String(100), nullable=False),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Column("caller_id", sa.String(64), nullable=False),
    sa.Column("caller", sa.String(200), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("duration_ms", sa.Float, nullable=False),
    sa.Column("outcome", sa.String(32), nullable=False),
    sa.Column("response", sa.JSON(none_as_null=True)),
    sa.Column("error", sa.Text),
    sa.Column("code", sa.String(64)),
    sa.Column("field", sa.String(200)),
    sa.Column("trace", sa.Text),
    sa.Column("test_id", sa.String(64)),
    sa.Column("replay_of", sa.String(64)),
    sa.Column("words", sa.Text, nullable=False),
    sa.CheckConstraint(f"outcome IN ({', '.join(repr(str(name)) for name in sorted(Outcome))})", name="outcome"),
    sqlite_autoincrement=True,
)
sa.Index("ix_rpc_calls_at", calls.c.at)
sa.Index("ix_rpc_calls_method", calls.c.method, calls.c.seq)
sa.Index("ix_rpc_calls_test_id", calls.c.test_id)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("seq", _SEQ, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(100), nullable=False, unique=True),
    sa.Column("user_id", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("title", sa.String(300), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("sender", sa.String(200), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False, index=True),
    sqlite_autoincrement=True,
)
sa.Index("ix_notices_user", notices.c.user_id, notices.c.seq)

notice_reads = sa.Table(
    "notice_reads",
    metadata,
    sa.Column("notice_id", sa.String(100), primary_key=True),
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
)

space_revisions = sa.Table(
    "space_revisions",
    metadata,
    sa.Column("space_id", sa.String(64), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)

load_runs = sa.Table(
    "load_runs",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("target", sa.String(200), nullable=False, index=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("started_at", sa.Float, nullable=False, index=True),
    sa.Column("baseline", sa.Boolean, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
    sa.CheckConstraint("state IN ('running', 'finished', 'stopped', 'failed')", name="state"),
)
# One run at a time, whatever node begins it.
_RUNNING = sa.text("state = 'running'")
sa.Index("uq_load_runs_running", load_runs.c.state, unique=True, sqlite_where=_RUNNING, postgresql_where=_RUNNING)

load_schedules = sa.Table(
    "load_schedules",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("next_at", sa.Float, nullable=False),
    sa.Column("record", sa.JSON, nullable=False),
)

rpc_templates = sa.Table(
    "rpc_templates",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("method", sa.String(100), nullable=False),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.UniqueConstraint("method", "name"),
)
