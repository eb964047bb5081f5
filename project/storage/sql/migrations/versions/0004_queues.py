"""Turns, keys of submissions, second tries, and since when a space has no worker."""

import sqlalchemy as sa
from alembic import op

revision = "queues"
down_revision = "console"

OPEN = sa.text("status IN ('processing', 'queued')")
QUEUED = sa.text("status = 'queued'")
FAILED = sa.text("status = 'failed'")
RETRIED = sa.text("retry_of IS NOT NULL")


def upgrade() -> None:
    op.add_column("requests", sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("requests", sa.Column("retry_reason", sa.String(64)))
    op.add_column("requests", sa.Column("retry_of", sa.String(64)))
    op.drop_index("ix_requests_open", table_name="requests")
    _index("ix_requests_open", ["space_id", "status", "turn", "seq"], OPEN)
    _index("ix_requests_waiting", ["space_id", "user_id"], QUEUED)
    _index("ix_requests_failed", ["code", "seq"], FAILED)
    _index("uq_requests_retry_of", ["retry_of"], RETRIED, unique=True)
    op.create_table(
        "submission_keys",
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_submission_keys")),
    )
    op.create_index(op.f("ix_submission_keys_created_at"), "submission_keys", ["created_at"])
    op.create_table(
        "absences",
        sa.Column("space_id", sa.String(64), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("space_id", name=op.f("pk_absences")),
    )


def downgrade() -> None:
    op.drop_table("absences")
    op.drop_table("submission_keys")
    for name in ("uq_requests_retry_of", "ix_requests_failed", "ix_requests_waiting", "ix_requests_open"):
        op.drop_index(name, table_name="requests")
    _index("ix_requests_open", ["space_id", "status", "seq"], OPEN)
    for name in ("retry_of", "retry_reason", "turn"):
        op.drop_column("requests", name)


def _index(name, columns, where, unique=False):
    op.create_index(name, "requests", columns, unique=unique, sqlite_where=where, postgresql_where=where)
