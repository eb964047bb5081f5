"""Batches of client records in SQL: one row each, its records as JSON, since they are only ever read as a whole."""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa

from project.core.batches import Batch
from project.storage.sql import schema
from project.storage.sql.lane import Lane

_B = schema.client_batches
_LISTED = [_B.c.id, _B.c.user_id, _B.c.name, _B.c.created_at, _B.c.count]


class SqlBatches:
    """``BatchStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def add(self, batch: Batch) -> None:
        """See the port."""
        row = {**asdict(batch), "records": list(batch.records)}
        self._writer.call(lambda connection: connection.execute(_B.insert(), row) and None)

    def list(self, user_id: str | None, *, limit: int = 50) -> tuple[Batch, ...]:
        """See the port."""
        query = sa.select(*_LISTED).order_by(_B.c.created_at.desc(), _B.c.id).limit(limit)
        query = query if user_id is None else query.where(_B.c.user_id == user_id)
        found = self._reader.call(lambda connection: connection.execute(query).all())
        return tuple(Batch(**row._mapping) for row in found)

    def get(self, batch_id: str) -> Batch | None:
        """See the port."""
        query = sa.select(*_LISTED, _B.c.records).where(_B.c.id == batch_id)
        row = self._reader.call(lambda connection: connection.execute(query).one_or_none())
        return Batch(**row._mapping) if row is not None else None

    def remove(self, batch_id: str) -> bool:
        """See the port."""
        gone = _B.delete().where(_B.c.id == batch_id)
        return bool(self._writer.call(lambda connection: connection.execute(gone).rowcount))
