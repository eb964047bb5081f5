"""What several nodes need: each writer's last transaction; and on PostgreSQL, text as long as it is."""

import sqlalchemy as sa
from alembic import op

revision = "nodes"
down_revision = "test_ids"


def upgrade() -> None:
    op.create_table(
        "writers",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_writers")),
    )
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    # How long a text may be is the code's to say. SQLite never minded; a database that does would answer with an
    # error of its own.
    tables = sa.inspect(connection)
    for table in tables.get_table_names():
        for column in tables.get_columns(table):
            if isinstance(column["type"], sa.String) and column["type"].length and table != "alembic_version":
                op.alter_column(table, column["name"], type_=sa.Text())


def downgrade() -> None:
    op.drop_table("writers")
