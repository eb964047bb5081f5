"""One site a data folder: two on the same SQLite file would each believe itself alone."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from project.errors import Conflict

_held: list[IO[str]] = []


def hold(path: Path) -> None:
    """Take the lock until the process ends. Raises Conflict if another process has it."""
    file = path.open("a", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Conflict(f"another site uses {path.parent}: stop it, or choose another --data-dir") from None
    _held.append(file)
