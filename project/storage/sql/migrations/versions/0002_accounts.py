"""People: sessions with names, API keys, second factors, throttles, the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "accounts"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.Column("last_used_at", sa.Float(), nullable=True),
        sa.Column("revoked_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_index(op.f("ix_api_keys_user_id"), "api_keys", ["user_id"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("actor_key", sa.String(length=400), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("subject_key", sa.String(length=600), nullable=False),
        sa.Column("detail", sa.String(length=600), nullable=False),
        sa.Column("address", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_actor_key"), "audit", ["actor_key"], unique=False)
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)
    op.create_index(op.f("ix_audit_kind"), "audit", ["kind"], unique=False)
    op.create_index(op.f("ix_audit_subject_key"), "audit", ["subject_key"], unique=False)
    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("confirmed_at", sa.Float(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("recovery", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "throttles",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_throttles")),
    )
    op.create_index(op.f("ix_throttles_at"), "throttles", ["at"], unique=False)
    op.add_column("sessions", sa.Column("id", sa.String(length=64), server_default="", nullable=False))
    op.add_column("sessions", sa.Column("address", sa.String(length=100), server_default="", nullable=False))
    op.add_column("sessions", sa.Column("device", sa.String(length=300), server_default="", nullable=False))
    op.add_column("sessions", sa.Column("half", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("users", sa.Column("must_change", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("users", sa.Column("seeded_hash", sa.String(length=300), server_default="", nullable=False))
    # Logins of before get a name of their own, so that they can be listed and ended one by one.
    op.execute("UPDATE sessions SET id = substr(token_hash, 1, 16)")


def downgrade() -> None:
    op.drop_column("users", "seeded_hash")
    op.drop_column("users", "must_change")
    op.drop_column("sessions", "half")
    op.drop_column("sessions", "device")
    op.drop_column("sessions", "address")
    op.drop_column("sessions", "id")
    op.drop_index(op.f("ix_throttles_at"), table_name="throttles")
    op.drop_table("throttles")
    op.drop_table("second_factors")
    op.drop_index(op.f("ix_audit_subject_key"), table_name="audit")
    op.drop_index(op.f("ix_audit_kind"), table_name="audit")
    op.drop_index(op.f("ix_audit_at"), table_name="audit")
    op.drop_index(op.f("ix_audit_actor_key"), table_name="audit")
    op.drop_table("audit")
    op.drop_index(op.f("ix_api_keys_user_id"), table_name="api_keys")
    op.drop_table("api_keys")
