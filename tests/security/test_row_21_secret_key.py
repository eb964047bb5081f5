"""Row 21: the secret key is made once, whole, for its owner alone; it can be replaced; known ones are refused."""

from __future__ import annotations

import secrets
import stat
import threading
from pathlib import Path

import pytest

from project import secret_key as module
from project.config import Settings
from project.core.model import StoredFile
from project.errors import BadSignature, SettingInvalid
from project.relay.links import Links
from project.secret_key import kept_key, secret_keys

FILE = StoredFile("f", "r", "other_file", "a.txt", "text/plain", 1, "0" * 64, 1.0)


def test_made_once_and_kept_private(tmp_path: Path) -> None:
    key = kept_key(tmp_path / "data")
    assert len(key) >= 40
    assert kept_key(tmp_path / "data") == key
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_two_starts_at_once_read_the_same_whole_key(tmp_path: Path) -> None:
    for turn in range(20):
        folder = tmp_path / str(turn)
        gate, found = threading.Barrier(4), []

        def start(folder: Path = folder, gate: threading.Barrier = gate, found: list[str] = found) -> None:
            gate.wait()
            found.append(kept_key(folder))

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == 1
        assert len(found[0]) >= 40
        assert [path.name for path in folder.iterdir()] == ["secret_key"]


def test_file_appears_only_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends between making the file and writing it must not leave an empty key for the next."""

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(module.os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        kept_key(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_earlier_keys_are_still_believed_until_they_are_dropped(tmp_path: Path) -> None:
    old, new = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    link = Links(secret_keys(Settings(data_dir=tmp_path, secret_key=old)), lifetime_s=60).download_path(FILE, "lease")
    token = link.rsplit("/", 1)[1]
    rotated = secret_keys(Settings(data_dir=tmp_path, secret_key=new, secret_key_fallbacks=f" {old} ,"))
    assert rotated == (new, old)
    both = Links(rotated, lifetime_s=60)
    assert both.read_download(token) == ("f", "r", "lease")
    fresh = both.download_path(FILE, "lease").rsplit("/", 1)[1]
    only_new = Links((new,), lifetime_s=60)
    assert only_new.read_download(fresh) == ("f", "r", "lease")
    with pytest.raises(BadSignature):
        only_new.read_download(token)


@pytest.mark.parametrize(
    "key", ["short", "a" * 64, "changeme-" + "x1y2z3w4" * 4, "Secret-key-of-somebody's-example-app"]
)
def test_keys_anybody_knows_are_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingInvalid, match="SPACES_SECRET_KEY must be"):
        secret_keys(Settings(data_dir=tmp_path, secret_key=key))
    with pytest.raises(SettingInvalid, match="SPACES_SECRET_KEY_FALLBACKS must be"):
        secret_keys(Settings(data_dir=tmp_path, secret_key_fallbacks=key))


def test_a_key_of_the_sites_own_is_good_however_it_begins(tmp_path: Path) -> None:
    made = "dEv-" + "0123456789abcdefghijklmnopqrstuvwxyzAB-"
    (tmp_path / "secret_key").write_text(made)
    assert secret_keys(Settings(data_dir=tmp_path)) == (made,)
    with pytest.raises(SettingInvalid):
        secret_keys(Settings(data_dir=tmp_path, secret_key=made))
