"""Files that are either whole or not there, whatever happens meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

PART = ".part"


def write(path: Path, text: str) -> None:
    """Put ``text`` into ``path``, on disk for good when this returns. Raises OSError."""
    part = path.with_name(path.name + PART)
    with part.open("w", encoding="utf-8") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())
    part.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Make the folder's own entries durable, where a system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
