"""The console: the log of calls, notices, load runs, schedules and templates."""

import sqlalchemy as sa
from alembic import op

revision = "console"
down_revision = "accounts"


def upgrade() -> None:
    op.create_table(
        "load_runs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("baseline", sa.Boolean(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.CheckConstraint("state IN ('running', 'finished', 'stopped', 'failed')", name=op.f("ck_load_runs_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_load_runs")),
    )
    with op.batch_alter_table("load_runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_load_runs_started_at"), ["started_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_load_runs_target"), ["target"], unique=False)
        batch_op.create_index(
            "uq_load_runs_running",
            ["state"],
            unique=True,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        )
    op.create_table(
        "load_schedules",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_load_schedules")),
    )
    op.create_table(
        "notice_reads",
        sa.Column("notice_id", sa.String(length=100), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", "user_id", name=op.f("pk_notice_reads")),
    )
    op.create_table(
        "notices",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=100), nullable=False),
        sa.Column("user_id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("sender", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_notices")),
        sa.UniqueConstraint("id", name=op.f("uq_notices_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notices_created_at"), ["created_at"], unique=False)
        batch_op.create_index("ix_notices_user", ["user_id", "seq"], unique=False)
    op.create_table(
        "rpc_calls",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=100), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("caller_id", sa.String(length=64), nullable=False),
        sa.Column("caller", sa.String(length=200), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("response", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("field", sa.String(length=200), nullable=True),
        sa.Column("trace", sa.Text(), nullable=True),
        sa.Column("test_id", sa.String(length=64), nullable=True),
        sa.Column("replay_of", sa.String(length=64), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('internal_error', 'invalid_params', 'remote_error', 'success', 'timeout', 'unavailable', 'unknown_method')",
            name=op.f("ck_rpc_calls_outcome"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_rpc_calls")),
        sa.UniqueConstraint("id", name=op.f("uq_rpc_calls_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("rpc_calls", schema=None) as batch_op:
        batch_op.create_index("ix_rpc_calls_at", ["at"], unique=False)
        batch_op.create_index("ix_rpc_calls_method", ["method", "seq"], unique=False)
        batch_op.create_index("ix_rpc_calls_test_id", ["test_id"], unique=False)
    op.create_table(
        "rpc_templates",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("method", sa.String(length=100), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rpc_templates")),
        sa.UniqueConstraint("method", "name", name=op.f("uq_rpc_templates_method_name")),
    )
    op.create_table(
        "space_revisions",
        sa.Column("space_id", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("space_id", name=op.f("pk_space_revisions")),
    )
    with op.batch_alter_table("requests", schema=None) as batch_op:
        batch_op.create_index("ix_requests_finished_at", ["finished_at"], unique=False)
