"""What only PostgreSQL's driver knows: how a new connection is prepared, and what its errors say.

Imported where there is a PostgreSQL and nowhere else: the driver takes as long to load as a small framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg.types.string import StrDumper

_LOST: Final = ("08", "57P01", "57P02", "57P03")
"""The server, or the way to it, is gone, or not there yet."""


class _TextDumper(StrDumper):
    """PostgreSQL keeps every character but NUL, which becomes the sign of one that is not known."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\x00", "\ufffd") if "\x00" in obj else obj)


def prepare(connection: psycopg.Connection[Any], session: Mapping[str, str]) -> None:
    """Make a new connection one of ours; ``session``: settings that hold for it."""
    connection.adapters.register_dumper(str, _TextDumper)
    with connection.cursor() as cursor:
        for name, value in session.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        # What replicates before it answers is more than on; only off, and what is off the disk, is less.
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()


def is_lost(error: BaseException | None) -> bool:
    """Whether an error of the driver says that the server is gone, or was not reached."""
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate is None or error.sqlstate.startswith(_LOST))
