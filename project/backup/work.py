"""The three things that can be done: make an archive of a running site, check one, bring one back."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from project.backup.archive import ArchiveWriter, Told, extract, manifest_of, new_archive
from project.backup.database import copy_database, database_path, insist_on_sound, known_files, schema_of
from project.backup.errors import ArchiveInvalid, BackupError, FolderNotEmpty
from project.backup.manifest import DATABASE, SECRET_KEY, Manifest
from project.config import Settings
from project.secret_key import FILE as KEY_FILE


def create(settings: Settings, archive: Path, told: Told) -> Manifest:
    """Back the site up, whether it runs or not. Raises BackupError.

    The database is copied first: each file it knows was on disk before the database knew it. One that is deleted
    between the two copies is told as missing.
    """
    source = database_path(settings)
    with new_archive(archive, told) as writer, _room(archive.parent) as room:
        copy = room / DATABASE
        copy_database(source, copy)
        insist_on_sound(copy)
        writer.add(DATABASE, copy)
        if (settings.data_dir / KEY_FILE).exists():
            writer.add(SECRET_KEY, settings.data_dir / KEY_FILE)
        missing, damaged = _add_files(writer, settings.upload_dir, known_files(copy))
        manifest = Manifest(
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            schema=schema_of(copy),
            entries=writer.entries,
            missing=tuple(missing),
            damaged=tuple(damaged),
        )
        writer.finish(manifest)
    return manifest


def _add_files(writer: ArchiveWriter, folder: Path, known: dict[str, str]) -> tuple[list[str], list[str]]:
    missing: list[str] = []
    damaged: list[str] = []
    for file_id, sha256 in known.items():
        try:
            entry = writer.add(f"files/{file_id}", folder / file_id)
        except FileNotFoundError:
            missing.append(file_id)
            continue
        if entry.sha256 != sha256:
            damaged.append(file_id)
    return missing, damaged


def verify(archive: Path, told: Told) -> Manifest:
    """Read the whole archive, compare every hash, and let SQLite check the database. Raises BackupError."""
    manifest = manifest_of(archive)
    with _room(None) as room:
        extract(archive, manifest, room, lambda name: name == DATABASE, told)
        _insist_on_complete(room / DATABASE, manifest)
    return manifest


def restore(archive: Path, data_dir: Path, told: Told) -> Manifest:
    """Verify the archive and make it the data folder, whole or not at all. Raises FolderNotEmpty, BackupError."""
    target = data_dir.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FolderNotEmpty(f"{data_dir} is not an empty folder; a backup is restored into an empty one only")
    manifest = manifest_of(archive)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(f"cannot make {target.parent}: {error.strerror}") from error
    with _room(target.parent) as room:
        whole = room / "data"
        whole.mkdir(mode=0o700)
        extract(archive, manifest, whole, lambda _name: True, told)
        _insist_on_complete(whole / DATABASE, manifest)
        try:
            # Takes the place of an empty folder, and of nothing else.
            whole.rename(target)
        except OSError as error:
            raise FolderNotEmpty(f"{data_dir} cannot become the data folder: {error.strerror}") from error
    return manifest


def _insist_on_complete(database: Path, manifest: Manifest) -> None:
    insist_on_sound(database)
    left_out = {*manifest.missing, *manifest.damaged}
    for file_id, sha256 in known_files(database).items():
        if file_id in left_out:
            continue
        entry = manifest.entries.get(f"files/{file_id}")
        if entry is None or entry.sha256 != sha256:
            raise ArchiveInvalid(f"the database knows the file {file_id}, which the archive does not hold as it was")


@contextmanager
def _room(beside: Path | None) -> Iterator[Path]:
    """A folder for the time being, which only its owner can enter."""
    try:
        room = Path(tempfile.mkdtemp(prefix=".backup-", dir=beside))
    except OSError as error:
        raise BackupError(f"cannot write to {beside}: {error.strerror}") from error
    try:
        yield room
    except OSError as error:
        raise BackupError(f"cannot write to {room.parent}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(room, ignore_errors=True)
