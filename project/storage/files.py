"""Files on disk, outside the web root, under random names. What people call a file is data, never a path."""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import time
from pathlib import Path
from typing import IO, Final

from project.errors import DiskFull, FileNotFound

_FILE_ID: Final = re.compile(r"[0-9a-f]{32}")
HEAD_BYTES: Final = 64
COPY_BYTES: Final = 1024 * 1024


class IncomingFile(io.RawIOBase):
    """A file being received: written and read like any binary file, hashed and measured on the way.

    ``keep`` makes it durable under its id, in the place of one that has it already; ``discard`` leaves nothing behind.
    """

    def __init__(self, vault: FileVault, file_id: str | None = None):
        part = secrets.token_hex(16)
        self.id = file_id or part
        self.size_bytes = 0
        self.head = b""
        self._vault = vault
        self._hash = hashlib.sha256()
        self._path = vault.incoming / part
        self._file: IO[bytes] = self._path.open("xb+")

    @property
    def sha256(self) -> str:
        """The hash of what was written so far, in hex."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        """Always."""
        return True

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always; only for reading back."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Append ``data``. Raises DiskFull."""
        try:
            self._file.write(data)
        except OSError as error:
            raise DiskFull(retry_after_s=10.0) from error
        self._hash.update(data)
        self.size_bytes += len(data)
        if len(self.head) < HEAD_BYTES:
            self.head += bytes(data[: HEAD_BYTES - len(self.head)])
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Read back."""
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the reading position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The reading position."""
        return self._file.tell()

    def keep(self) -> None:
        """Put the file in its place, on disk for good. Raises DiskFull."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._path.replace(self._vault.root / self.id)
            self._vault.sync()
        except OSError as error:
            self.discard()
            raise DiskFull(retry_after_s=10.0) from error

    def drop(self) -> None:
        """Remove what came in; a file that has its id already stays."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the file, wherever it has come."""
        self.drop()
        (self._vault.root / self.id).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the open file; it stays where it is."""
        self._file.close()
        super().close()


class FileVault:
    """The folder of kept files."""

    def __init__(self, root: Path):
        self.root = root
        self.incoming = root / "incoming"
        self.incoming.mkdir(parents=True, exist_ok=True)

    def receive(self, file_id: str | None = None) -> IncomingFile:
        """Begin to receive a file, to be kept under ``file_id`` or else a random id. Raises DiskFull."""
        try:
            return IncomingFile(self, file_id)
        except OSError as error:
            raise DiskFull(retry_after_s=10.0) from error

    def path(self, file_id: str) -> Path:
        """Where a kept file lies. Raises FileNotFound; an id that is not one never becomes a path."""
        if not _FILE_ID.fullmatch(file_id):
            raise FileNotFound
        path = self.root / file_id
        if path.is_symlink() or not path.is_file():
            raise FileNotFound
        return path

    def copy(self, file_id: str) -> str:
        """Keep the same content under an id of its own, which is returned. Raises FileNotFound, DiskFull."""
        with self.path(file_id).open("rb") as original:
            made = self.receive()
            try:
                while block := original.read(COPY_BYTES):
                    made.write(block)
            except BaseException:
                made.discard()
                raise
            made.keep()
        return made.id

    def remove(self, file_id: str) -> None:
        """Forget a kept file, if it is there."""
        if _FILE_ID.fullmatch(file_id):
            (self.root / file_id).unlink(missing_ok=True)

    def sweep(self, known_ids: frozenset[str], older_than_s: float) -> int:
        """Remove files that belong to no request and are older than that; how many."""
        limit = time.time() - older_than_s
        removed = 0
        for folder in (self.root, self.incoming):
            for path in folder.iterdir():
                if path.is_file() and path.name not in known_ids and path.stat().st_mtime < limit:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def sync(self) -> None:
        """Make the folder's own entries durable."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
