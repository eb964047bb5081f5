"""The testing guide's ``ws_manager``: who is connected and what became of a request, from any process.

It answers from the store, not from this process's memory, so the answers are the site's own.
"""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from project.config import Settings
from project.core.estimate import eta_of
from project.core.states import OPEN
from project.relay.outlook import RUNS
from project.relay.views import RequestView
from project.storage.sql import queries, rows, schema
from project.storage.sql.presence import live_workers
from project.storage.sql.snapshot import snapshot


class WebSocketManager:
    """A read-only view of the relay. Settings come from ``SPACES_*`` at each call unless they are given."""

    def __init__(self, settings: Settings | None = None):
        self._settings = settings

    def get_connected_spaces(self) -> list[str]:
        """Ids of the spaces that have a connected worker."""
        query = _workers(None, self._read())
        with self._snapshot() as connection:
            return sorted({row.space_id for row in connection.execute(query)})

    def is_connected(self, space_id: str) -> bool:
        """Whether the space has a connected worker."""
        return space_id in self.get_connected_spaces()

    def get_queue_size(self, space_id: str) -> int:
        """How many requests of the space are open: waiting or running."""
        table = schema.requests
        is_open = table.c.status.in_([status.value for status in OPEN])
        query = sa.select(sa.func.count()).where(table.c.space_id == space_id, is_open)
        with self._snapshot() as connection:
            return connection.scalar(query) or 0

    def get_request_status(self, request_id: str) -> dict[str, Any] | None:
        """What ``/websockets/status`` answers, or None for an unknown request."""
        with self._snapshot() as connection:
            request = rows.load(connection, [request_id], files=True).get(request_id)
            if request is None:
                return None
            position = rows.positions(connection, [request_id]).get(request_id)
            runs = queries.recent_runs(connection, request.space_id, RUNS)
            workers = len(connection.execute(_workers(request.space_id, self._read())).all())
            away = sa.select(schema.absences.c.since).where(schema.absences.c.space_id == request.space_id)
            view = RequestView(
                request,
                position,
                self.get_queue_size(request.space_id),
                eta_s=eta_of(request, position, runs, workers=workers, in_hand=workers, now=time.time()),
                away_since=connection.scalar(away) if position and not workers else None,
            )
        return view.as_dict()

    def _snapshot(self) -> Any:
        return snapshot(self._read())

    def _read(self) -> Settings:
        return self._settings or Settings.from_environment()


def _workers(space_id: str | None, settings: Settings) -> sa.Select[Any]:
    return live_workers(space_id, now=time.time(), stale_after_s=settings.lease_s)


ws_manager = WebSocketManager()
