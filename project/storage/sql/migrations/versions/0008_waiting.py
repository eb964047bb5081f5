"""Indexes by which what one person has waiting, open and new is counted, and keys are forgotten, without reading all."""

import sqlalchemy as sa
from alembic import op

revision = "waiting"
down_revision = "nodes"

WAITING = sa.text("status = 'queued'")
OPEN = sa.text("status IN ('processing', 'queued')")


def upgrade() -> None:
    _make_waiting(["space_id", "user_id", "turn", "attempt", "lease_id"])
    op.create_index("ix_requests_open_user", "requests", ["user_id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index("ix_requests_user_created_at", "requests", ["user_id", "created_at"])
    op.create_index(op.f("ix_submission_keys_request_id"), "submission_keys", ["request_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_submission_keys_request_id"), table_name="submission_keys")
    op.drop_index("ix_requests_user_created_at", table_name="requests")
    op.drop_index("ix_requests_open_user", table_name="requests")
    _make_waiting(["space_id", "user_id"])


def _make_waiting(columns: list[str]) -> None:
    op.drop_index("ix_requests_waiting", table_name="requests")
    op.create_index("ix_requests_waiting", "requests", columns, sqlite_where=WAITING, postgresql_where=WAITING)
