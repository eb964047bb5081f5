"""The database's part: a consistent copy while the site writes, and the question whether a copy is sound."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from project.backup.errors import ArchiveInvalid, NothingToBackUp
from project.config import Settings

_SQLITE: Final = "sqlite:///"
_WAIT_S: Final = 30.0


def database_path(settings: Settings) -> Path:
    """The site's SQLite file. Raises NothingToBackUp for another kind of database, or for none."""
    url = settings.store_url
    if not url.startswith(_SQLITE):
        kind = url.partition(":")[0]
        raise NothingToBackUp(
            f"the database is {kind}, and only SQLite is copied here: use its own tool (such as pg_dump) and keep the "
            f"folder {settings.upload_dir} and the secret key with it"
        )
    path = Path(url.removeprefix(_SQLITE))
    if not path.is_file():
        raise NothingToBackUp(f"there is no database at {path}: is --data-dir (SPACES_DATA_DIR) the site's?")
    return path


def copy_database(source: Path, target: Path) -> None:
    """Copy in one step of SQLite's own: as it is at one moment, holding up nobody. Raises NothingToBackUp."""
    try:
        with closing(_open(source)) as site, closing(sqlite3.connect(target)) as copy:
            site.backup(copy)
    except sqlite3.Error as error:
        raise NothingToBackUp(f"cannot copy the database {source}: {error}") from error


def schema_of(path: Path) -> str:
    """The revision of the schema. Raises ArchiveInvalid."""
    with _reading(path) as database:
        found = database.execute("SELECT version_num FROM alembic_version").fetchone()
    if found is None:
        raise ArchiveInvalid(f"{path.name} is not a database of this site: it has no schema")
    return str(found[0])


def known_files(path: Path) -> dict[str, str]:
    """The id of every file that a request has, with its SHA-256. Raises ArchiveInvalid."""
    with _reading(path) as database:
        return dict(database.execute("SELECT id, sha256 FROM files ORDER BY id"))


def insist_on_sound(path: Path) -> None:
    """Raises ArchiveInvalid if SQLite finds anything wrong with the database."""
    with _reading(path) as database:
        said = [row[0] for row in database.execute("PRAGMA integrity_check(5)")]
        if said != ["ok"]:
            raise ArchiveInvalid(f"the database is damaged: {'; '.join(said)}")
        broken = database.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise ArchiveInvalid(f"the database is damaged: a row of {broken[0]} refers to nothing")


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path)) as database:
            yield database
    except sqlite3.Error as error:
        raise ArchiveInvalid(f"{path.name} is not a database of this site: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_S)
