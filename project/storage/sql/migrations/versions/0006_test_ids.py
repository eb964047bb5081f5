"""The load run that a request belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "test_ids"
down_revision = "clients"

OF_A_TEST = sa.text("test_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("requests", sa.Column("test_id", sa.String(64)))
    op.create_index(
        "ix_requests_test_id",
        "requests",
        ["test_id", "seq"],
        sqlite_where=OF_A_TEST,
        postgresql_where=OF_A_TEST,
    )


def downgrade() -> None:
    op.drop_index("ix_requests_test_id", table_name="requests")
    op.drop_column("requests", "test_id")
