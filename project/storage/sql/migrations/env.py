"""Alembic's entry: migrations run on the connection, and in the transaction, that ``storage.sql.migrate`` hands in."""

from alembic import context

from project.storage.sql.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
