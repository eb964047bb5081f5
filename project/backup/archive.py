"""Archives on disk: written whole or not at all, read with every byte checked."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from project.backup.errors import ArchiveExists, ArchiveInvalid, BackupError
from project.backup.manifest import MANIFEST, Entry, Manifest, is_of_an_archive, read_manifest

BLOCK_BYTES: Final = 1024 * 1024
_MODE: Final = 0o600
_MOST_MANIFEST_BYTES: Final = 512 * 1024 * 1024
Told = Callable[[int], None]
"""Is called with the number of bytes just done."""


class Hashing(io.RawIOBase):
    """Reads exactly ``size`` bytes of a file, which may grow meanwhile, and hashes them on the way."""

    def __init__(self, source: IO[bytes], told: Told):
        self._source = source
        self._hash = hashlib.sha256()
        self._told = told

    @property
    def sha256(self) -> str:
        """The hash of what was read so far, in hex."""
        return self._hash.hexdigest()

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        block = self._source.read(size)
        self._hash.update(block)
        self._told(len(block))
        return block


class ArchiveWriter:
    """Adds files; the manifest comes last, so that an archive that was cut off is known by its lack."""

    def __init__(self, tar: tarfile.TarFile, told: Told):
        self._tar = tar
        self._told = told
        self.entries: dict[str, Entry] = {}

    def add(self, name: str, source: Path) -> Entry:
        """Add a file under a name of an archive's. Raises OSError, FileNotFoundError among them."""
        with source.open("rb") as file:
            reader = Hashing(file, self._told)
            info = self._info(name, os.fstat(file.fileno()).st_size)
            self._tar.addfile(info, reader)
        self.entries[name] = entry = Entry(info.size, reader.sha256)
        return entry

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest."""
        text = manifest.as_json()
        self._tar.addfile(self._info(MANIFEST, len(text)), io.BytesIO(text))

    @staticmethod
    def _info(name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, _MODE, int(time.time())
        return info


@contextmanager
def new_archive(path: Path, told: Told) -> Iterator[ArchiveWriter]:
    """A file of mode 0600 that gets its name when the block ends well. Raises ArchiveExists, BackupError."""
    if path.exists():
        raise ArchiveExists(f"{path} is there already; an archive is never overwritten")
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except OSError as error:
        raise BackupError(f"cannot write to {path.parent}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                yield ArchiveWriter(tar, told)
            file.flush()
            os.fsync(file.fileno())
        # A link is refused if the name was taken meanwhile; a rename would overwrite.
        os.link(part, path)
        _sync(path.parent)
    except FileExistsError:
        raise ArchiveExists(f"{path} is there already; an archive is never overwritten") from None
    except OSError as error:
        raise BackupError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def manifest_of(path: Path) -> Manifest:
    """What the archive says it holds. Raises ArchiveInvalid."""
    with _members(path) as members:
        for info, file in members:
            if info.name == MANIFEST:
                return read_manifest(file.read(_MOST_MANIFEST_BYTES))
    raise ArchiveInvalid(f"{path} has no {MANIFEST}: it is cut off, or no archive of a site")


def extract(path: Path, manifest: Manifest, target: Path, wanted: Callable[[str], bool], told: Told) -> None:
    """Check all files against the manifest; write those that are wanted below ``target``. Raises ArchiveInvalid."""
    seen: set[str] = set()
    with _members(path) as members:
        for info, file in members:
            if info.name == MANIFEST:
                continue
            entry = manifest.entries.get(info.name)
            if entry is None or info.name in seen or not is_of_an_archive(info.name):
                raise ArchiveInvalid(f"{path} holds {info.name!r}, which its {MANIFEST} does not list once")
            seen.add(info.name)
            reader = Hashing(file, told)
            _write(reader, target / info.name if wanted(info.name) else None)
            if info.size != entry.size or reader.sha256 != entry.sha256:
                raise ArchiveInvalid(f"{info.name} in {path} is not what was written: its SHA-256 is another")
    lacking = next((name for name in manifest.entries if name not in seen), None)
    if lacking is not None:
        raise ArchiveInvalid(f"{path} lacks {lacking}, which its {MANIFEST} lists")


def _write(reader: Hashing, target: Path | None) -> None:
    if target is None:
        while reader.read(BLOCK_BYTES):
            pass
        return
    target.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        while block := reader.read(BLOCK_BYTES):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _members(path: Path) -> Iterator[Iterator[tuple[tarfile.TarInfo, IO[bytes]]]]:
    try:
        with tarfile.open(path) as tar:
            yield _files(path, tar)
    except FileNotFoundError:
        raise ArchiveInvalid(f"there is no archive at {path}") from None
    except (tarfile.TarError, EOFError) as error:
        raise ArchiveInvalid(f"{path} is not an archive, or is cut off: {error}") from error
    except OSError as error:
        raise BackupError(f"cannot read {path} or write from it: {error.strerror or error}") from error


def _files(path: Path, tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for info in tar:
        file = tar.extractfile(info) if info.isreg() else None
        if file is None:
            raise ArchiveInvalid(f"{path} holds {info.name!r}, which is no file")
        yield info, file


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
