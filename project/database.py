"""The testing guide's ``load_db()``: what the site knows, as plain data, read only, from any process."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from project.config import Settings
from project.core.model import SpaceSettings
from project.core.spaces import described
from project.storage.sql import schema
from project.storage.sql.snapshot import snapshot


def load_db(settings: Settings | None = None) -> dict[str, dict[str, Any]]:
    """``{"spaces": {id: {...}}, "users": {id: {...}}}`` as stored now.

    A websockets space has a ``websockets_config`` with its enabled inputs and limits. No secret is included.
    Settings come from ``SPACES_*``, as the site's own do. Raises StorageUnavailable if there is no database yet.
    """
    with snapshot(settings or Settings.from_environment()) as connection:
        spaces = connection.execute(sa.select(schema.spaces)).all()
        users = connection.execute(sa.select(schema.users)).all()
    return {
        "spaces": {row.id: _space(row) for row in spaces},
        "users": {
            row.id: {"username": row.username, "role": row.role, "disabled": row.disabled, "created_at": row.created_at}
            for row in users
        },
    }


def _space(row: sa.Row[Any]) -> dict[str, Any]:
    settings = SpaceSettings(**row.settings)
    space: dict[str, Any] = {
        "name": settings.name,
        "description": settings.description,
        "card_type": settings.card_type,
        "cover": settings.cover,
        "cover_type": settings.cover_type,
        "created_at": row.created_at,
    }
    if settings.card_type == "websockets":
        space["websockets_config"] = described(settings)
    return space
