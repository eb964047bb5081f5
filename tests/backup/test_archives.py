"""Archives: whole or refused, never over anything, and as the site was at one moment."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from project.backup.cli import main
from project.backup.manifest import MANIFEST
from project.storage.sql.migrate import migrate
from project.storage.sql.schema import files

FILE_ID = "ab" * 16
CONTENT = b"a sound" * 1000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as a site leaves it, with one file in it."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "files").mkdir()
    migrate(f"sqlite:///{folder / 'spaces.db'}")
    (folder / "secret_key").write_text("k" * 43)
    add_file(folder, FILE_ID, CONTENT)
    return folder


@pytest.fixture
def data(model: Path, tmp_path: Path) -> Path:
    """A data folder of the test's own."""
    return Path(shutil.copytree(model, tmp_path / "data"))


def add_file(folder: Path, file_id: str, content: bytes) -> None:
    (folder / "files" / file_id).write_bytes(content)
    values = (file_id, "r", "result", "sound.wav", "audio/wav", len(content), hashlib.sha256(content).hexdigest(), 0.0)
    names = ", ".join(column.name for column in files.columns)
    with closing(sqlite3.connect(folder / "spaces.db")) as database, database:
        database.execute(f"INSERT INTO files ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def run(*arguments: object) -> tuple[int, str]:
    """The exit code of ``python -m project.backup`` and all it said."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def made(data: Path, archive: Path) -> Path:
    code, said = run("create", archive, "--data-dir", data)
    assert code == 0, said
    return archive


def test_all_comes_back_for_its_owner_alone(data: Path, tmp_path: Path) -> None:
    archive = made(data, tmp_path / "one.tar")
    assert archive.stat().st_mode & 0o777 == 0o600
    assert run("verify", archive)[0] == 0
    target = tmp_path / "new" / "data"
    assert run("restore", archive, "--data-dir", target)[0] == 0
    found = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert found == {"spaces.db", "secret_key", f"files/{FILE_ID}"}
    assert (target / "files" / FILE_ID).read_bytes() == CONTENT
    assert (target / "secret_key").read_text() == "k" * 43
    assert [target.stat().st_mode & 0o777, (target / "files").stat().st_mode & 0o777] == [0o700, 0o700]
    assert {(target / name).stat().st_mode & 0o777 for name in found} == {0o600}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "nothing is left over"


def test_a_folder_gets_an_archive_named_after_the_time(data: Path, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    made(data, shelf)
    assert [path.match("spaces-????????T??????Z.tar") for path in shelf.iterdir()] == [True]


def test_nothing_is_overwritten(data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "one.tar"
    archive.write_text("precious")
    code, said = run("create", archive, "--data-dir", data)
    assert (code, "archive_exists" in said, archive.read_text()) == (1, True, "precious")
    archive.unlink()
    made(data, archive)
    before = (data / "spaces.db").read_bytes()
    code, said = run("restore", archive, "--data-dir", data)
    assert (code, "folder_not_empty" in said) == (1, True)
    assert (data / "spaces.db").read_bytes() == before
    (tmp_path / "file").write_text("precious")
    assert run("restore", archive, "--data-dir", tmp_path / "file")[0] == 1
    assert (tmp_path / "file").read_text() == "precious"


def test_an_empty_folder_may_be_there(data: Path, tmp_path: Path) -> None:
    archive = made(data, tmp_path / "one.tar")
    target = tmp_path / "empty"
    target.mkdir()
    assert run("restore", archive, "--data-dir", target)[0] == 0
    assert (target / "spaces.db").is_file()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.97])
def test_a_cut_archive_is_refused_and_leaves_nothing(data: Path, tmp_path: Path, share: float) -> None:
    archive = made(data, tmp_path / "one.tar")
    whole = archive.read_bytes()
    end = whole.rindex(MANIFEST.encode())
    archive.write_bytes(whole[: int(end * share)])
    target = tmp_path / "new"
    for command in (("verify", archive), ("restore", archive, "--data-dir", target)):
        code, said = run(*command)
        assert (code, "archive_invalid" in said) == (1, True), said
    assert not target.exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["spaces.db", "secret_key", f"files/{FILE_ID}", MANIFEST])
def test_one_changed_byte_is_found(data: Path, tmp_path: Path, name: str) -> None:
    archive = made(data, tmp_path / "one.tar")
    with tarfile.open(archive) as tar:
        at = tar.getmember(name).offset_data
    content = bytearray(archive.read_bytes())
    content[at] ^= 1
    archive.write_bytes(bytes(content))
    code, said = run("restore", archive, "--data-dir", tmp_path / "new")
    assert (code, "archive_invalid" in said) == (1, True), said
    assert not (tmp_path / "new").exists()


def rewritten(archive: Path, change: Callable[[tarfile.TarFile, dict[str, bytes]], None]) -> None:
    """The same archive with other files in it."""
    with tarfile.open(archive) as tar:
        held = {info.name: file.read() for info in tar if (file := tar.extractfile(info))}
    with tarfile.open(archive, "w") as tar:
        change(tar, held)
        for name, content in held.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def outside(tar: tarfile.TarFile, held: dict[str, bytes]) -> None:
    held["../outside"] = b"x"
    told = json.loads(held[MANIFEST])
    told["entries"]["../outside"] = {"size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    held[MANIFEST] = json.dumps(told).encode()


def linked(tar: tarfile.TarFile, held: dict[str, bytes]) -> None:
    del held["secret_key"]
    info = tarfile.TarInfo("secret_key")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    tar.addfile(info)


def unlisted(tar: tarfile.TarFile, held: dict[str, bytes]) -> None:
    held["files/" + "cd" * 16] = b"x"


def lacking(tar: tarfile.TarFile, held: dict[str, bytes]) -> None:
    del held[f"files/{FILE_ID}"]


def forgotten(tar: tarfile.TarFile, held: dict[str, bytes]) -> None:
    lacking(tar, held)
    told = json.loads(held[MANIFEST])
    del told["entries"][f"files/{FILE_ID}"]
    held[MANIFEST] = json.dumps(told).encode()


def of_later(tar: tarfile.TarFile, held: dict[str, bytes]) -> None:
    held[MANIFEST] = json.dumps({**json.loads(held[MANIFEST]), "format": 2}).encode()


@pytest.mark.parametrize("change", [outside, linked, unlisted, lacking, forgotten, of_later])
def test_an_archive_of_another_making_is_refused(
    data: Path, tmp_path: Path, change: Callable[[tarfile.TarFile, dict[str, bytes]], None]
) -> None:
    archive = made(data, tmp_path / "one.tar")
    rewritten(archive, change)
    code, said = run("restore", archive, "--data-dir", tmp_path / "deep" / "new")
    assert (code, "archive_invalid" in said) == (1, True), said
    assert not (tmp_path / "deep" / "outside").exists()
    assert not (tmp_path / "deep" / "new").exists()


def test_a_compressed_archive_is_read_too(data: Path, tmp_path: Path) -> None:
    archive = made(data, tmp_path / "one.tar")
    with tarfile.open(archive) as tar, tarfile.open(tmp_path / "one.tar.gz", "w:gz") as packed:
        for info in tar:
            packed.addfile(info, tar.extractfile(info))
    assert run("verify", tmp_path / "one.tar.gz")[0] == 0


def test_what_the_site_had_lost_before_is_told(data: Path, tmp_path: Path) -> None:
    add_file(data, "cd" * 16, b"changed later")
    add_file(data, "ef" * 16, b"lost")
    (data / "files" / ("cd" * 16)).write_bytes(b"changed")
    (data / "files" / ("ef" * 16)).unlink()
    archive = tmp_path / "one.tar"
    for command in (
        ("create", archive, "--data-dir", data),
        ("verify", archive),
        ("restore", archive, "--data-dir", tmp_path / "new"),
    ):
        code, said = run(*command)
        assert code == 3, said
        assert f"WARNING missing when it was made: {'ef' * 16}" in said
        assert f"WARNING damaged when it was made: {'cd' * 16}" in said
    assert (tmp_path / "new" / "files" / FILE_ID).read_bytes() == CONTENT


def test_errors_say_what_helps(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = run("create", tmp_path / "a.tar", "--data-dir", tmp_path / "nowhere")
    assert (code, "SPACES_DATA_DIR" in said, "nothing_to_back_up" in said) == (1, True, True), said
    code, said = run("create", tmp_path / "no" / "a.tar", "--data-dir", data)
    assert (code, f"cannot write to {tmp_path / 'no'}" in said) == (1, True), said
    code, said = run("verify", tmp_path / "none.tar")
    assert (code, "there is no archive at" in said) == (1, True), said
    (data / "spaces.db").write_text("no database at all")
    code, said = run("create", tmp_path / "a.tar", "--data-dir", data)
    assert (code, "nothing_to_back_up" in said, (tmp_path / "a.tar").exists()) == (1, True, False), said
    monkeypatch.setenv("SPACES_DATABASE_URL", "postgresql+psycopg://somebody@127.0.0.1/spaces")
    code, said = run("create", tmp_path / "a.tar", "--data-dir", data)
    assert (code, "pg_dump" in said) == (1, True), said


def test_a_copy_is_of_one_moment(data: Path, tmp_path: Path) -> None:
    """Somebody writes all the time, two rows at once: never is one of them there without the other."""
    over = threading.Event()
    with closing(sqlite3.connect(data / "spaces.db")) as database:
        database.execute("CREATE TABLE pairs (a INTEGER)")

    def write() -> None:
        with closing(sqlite3.connect(data / "spaces.db", timeout=30)) as database:
            number = 0
            while not over.is_set():
                number += 1
                with database:
                    database.execute("INSERT INTO pairs VALUES (?)", (number,))
                    database.execute("INSERT INTO pairs VALUES (?)", (-number,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            made(data, tmp_path / f"{number}.tar")
    finally:
        over.set()
        writer.join()
    for number in range(3):
        target = tmp_path / f"new{number}"
        assert run("restore", tmp_path / f"{number}.tar", "--data-dir", target)[0] == 0
        with closing(sqlite3.connect(target / "spaces.db")) as database:
            count, total = database.execute("SELECT count(*), coalesce(sum(a), 0) FROM pairs").fetchone()
        assert (count % 2, total) == (0, 0)
