"""What an archive says it holds. Pure: names, sizes and hashes in, or a clear error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from project.backup.errors import ArchiveInvalid

FORMAT: Final = 1
DATABASE: Final = "spaces.db"
SECRET_KEY: Final = "secret_key"
MANIFEST: Final = "manifest.json"
_FILE: Final = re.compile(r"files/[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in the archive: its size in bytes and its SHA-256 in hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """``created_at`` in ISO 8601; ``missing`` and ``damaged`` are ids of files that were so when it was made."""

    created_at: str
    schema: str
    entries: Mapping[str, Entry]
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every file that the database knows is there as it came."""
        return not self.missing and not self.damaged

    def as_json(self) -> bytes:
        """To be the archive's last file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True).encode()


def is_of_an_archive(name: str) -> bool:
    """Whether an archive may hold a file of that name; no other is ever written to the disk."""
    return name in (DATABASE, SECRET_KEY) or _FILE.fullmatch(name) is not None


def read_manifest(text: bytes) -> Manifest:
    """Raises ArchiveInvalid."""
    try:
        told: dict[str, Any] = json.loads(text)
        found = told.pop("format")
        if found != FORMAT:
            raise ArchiveInvalid(f"the archive has format {found!r}; this version reads format {FORMAT}")
        entries = {str(name): Entry(int(e["size"]), str(e["sha256"])) for name, e in told.pop("entries").items()}
        manifest = Manifest(
            created_at=str(told["created_at"]),
            schema=str(told["schema"]),
            entries=entries,
            missing=tuple(told["missing"]),
            damaged=tuple(told["damaged"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ArchiveInvalid(f"the archive's {MANIFEST} cannot be read") from None
    strange = next((name for name in entries if not is_of_an_archive(name)), None)
    if strange is not None or DATABASE not in entries:
        raise ArchiveInvalid(
            f"the archive's {MANIFEST} lists {strange!r}" if strange else "the archive has no database"
        )
    return manifest
