"""The command line of ``python -m project.backup``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from project.backup.archive import Told
from project.backup.manifest import DATABASE, SECRET_KEY, Manifest
from project.backup.work import create, restore, verify
from project.config import Settings
from project.errors import SpacesError

INCOMPLETE: Final = 3
"""The exit code when an archive was made, but some of the site's files were missing or damaged before."""
_SHOWN: Final = 5


@click.group()
def main() -> None:
    """Back up a site, running or not, and bring it back."""


@main.command("create")
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--data-dir", type=click.Path(path_type=Path), help="The site's data folder (default SPACES_DATA_DIR).")
def create_command(archive: Path, data_dir: Path | None) -> None:
    """Write everything the site keeps to ARCHIVE, or to a file named after the time if that is a folder."""
    with _errors_told():
        settings = Settings.from_environment(data_dir=data_dir)
        if archive.is_dir():
            archive = archive / f"spaces-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar"
        manifest = _with_progress("Copying", lambda told: create(settings, archive, told))
    click.echo(f"{archive}: {_contents(manifest)}, mode 0600")
    if SECRET_KEY not in manifest.entries:
        click.echo("The secret key is not in it: it is set by SPACES_SECRET_KEY. Keep it with the archive.")
    _end(manifest)


@main.command("verify")
@click.argument("archive", type=click.Path(path_type=Path))
def verify_command(archive: Path) -> None:
    """Read all of ARCHIVE and say whether it is whole."""
    with _errors_told():
        manifest = _with_progress("Checking", lambda told: verify(archive, told))
    click.echo(f"{archive}: whole, {_contents(manifest)}")
    _end(manifest)


@main.command("restore")
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--data-dir", type=click.Path(path_type=Path), help="An empty or new folder (default SPACES_DATA_DIR).")
def restore_command(archive: Path, data_dir: Path | None) -> None:
    """Check ARCHIVE and make an empty folder the data folder it was made from."""
    with _errors_told():
        target = Settings.from_environment(data_dir=data_dir).data_dir
        manifest = _with_progress("Restoring", lambda told: restore(archive, target, told))
    click.echo(f"{target}: restored, {_contents(manifest)}")
    if SECRET_KEY not in manifest.entries:
        click.echo("The secret key was not in the archive: start the site with the same SPACES_SECRET_KEY.")
    _end(manifest)


def _contents(manifest: Manifest) -> str:
    files = len(manifest.entries) - len({DATABASE, SECRET_KEY} & manifest.entries.keys())
    size = sum(entry.size for entry in manifest.entries.values())
    return (
        f"the site of {manifest.created_at}, schema {manifest.schema}, {files} {'file' if files == 1 else 'files'}, "
        f"{size / 1e6:.1f} MB"
    )


def _end(manifest: Manifest) -> None:
    """Say what the site lacked already, and exit accordingly."""
    for state, ids in (("missing", manifest.missing), ("damaged", manifest.damaged)):
        if ids:
            more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
            click.echo(f"WARNING {state} when it was made: {', '.join(ids[:_SHOWN])}{more}", err=True)
    if not manifest.is_whole:
        sys.exit(INCOMPLETE)


def _with_progress(label: str, work: Callable[[Told], Manifest]) -> Manifest:
    if not sys.stderr.isatty():
        return work(lambda _size_bytes: None)
    done = 0

    def told(size_bytes: int) -> None:
        nonlocal done
        before, done = done, done + size_bytes
        if done // 10_000_000 > before // 10_000_000:
            click.echo(f"\r{label}: {done / 1e6:.0f} MB", nl=False, err=True)

    try:
        return work(told)
    finally:
        if done >= 10_000_000:
            click.echo(err=True)


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except SpacesError as error:
        sys.exit(f"ERROR {error.message} ({error.code})")
