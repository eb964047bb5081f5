"""Batches of client records."""

import sqlalchemy as sa
from alembic import op

revision = "clients"
down_revision = "queues"


def upgrade() -> None:
    op.create_table(
        "client_batches",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("records", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_client_batches"),
    )
    op.create_index("ix_client_batches_user_id", "client_batches", ["user_id"])


def downgrade() -> None:
    op.drop_table("client_batches")
