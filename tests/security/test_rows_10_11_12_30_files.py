"""Rows 10, 11, 12 and 30: files that come in, lie, are served, and are scanned."""

from __future__ import annotations

import io
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests
from playwright.sync_api import Browser, Dialog, Page
from playwright.sync_api import Error as PlaywrightError

from project.errors import FileNotFound, FileRefused, ScannerUnavailable
from project.storage.files import FileVault
from project.web.antivirus import scan
from project.web.uploads import INERT, clean_name, sniffed
from tests.conftest import LiveSite, eventually
from tests.relay.socket_client import Client, held, v2

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 60
SCRIPT = b"<script>document.title='ran';alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'
HTML = b"<!doctype html><title>quiet</title>" + SCRIPT
POLYGLOTS = {
    "gif.html": b"GIF89a/*" + SCRIPT + b"*/=1;",
    "png.html": PNG + SCRIPT,
    "jpeg.svg": b"\xff\xd8\xff\xe0" + SVG,
    "wav.js": b"RIFF\x10\0\0\0WAVE" + SCRIPT,
    "pdf.html": b"%PDF-1.7\n" + SCRIPT,
}
LIMIT = 200_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    live = LiveSite(tmp_path_factory.mktemp("site"), {"SPACES_MAX_UPLOAD_BYTES": str(LIMIT)})
    try:
        live.start()
        yield live
    finally:
        live.end()


@pytest.fixture(scope="module")
def space(site: LiveSite) -> Iterator[str]:
    """A space that takes every kind of file, with a worker that leaves everything lying."""
    space_id = site.make_space("Files", **{f"ws_enable_{kind}": "on" for kind in ("audio", "video", "file_upload")})
    worker = Client(site)
    assert worker.register("Files", **v2("files", capacity=1000))["success"]
    yield space_id
    worker.close()


def upload(site: LiveSite, session: requests.Session, space: str, name: str, data: bytes, **fields: Any) -> str:
    """Submit one file and return its address."""
    field = fields.pop("field", "other_file")
    answer = session.post(f"{site.host}/websockets/submit/{space}", data=fields, files={field: (name, data)})
    assert answer.status_code == 200, answer.text
    found = site.status(session, answer.json()["request_id"])["files"]
    return str(site.host + found[0]["url"])


def files_of(site: LiveSite) -> set[Path]:
    return {path for path in (site.data_dir / "files").rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evil.svg", "evil.html", "evil.xml", "evil.pdf", "evil.js", *POLYGLOTS])
def test_served_files_are_inert(site: LiveSite, space: str, name: str) -> None:
    session = site.login()
    data = POLYGLOTS.get(name) or (SVG if name.endswith("svg") else HTML)
    answer = session.get(upload(site, session, space, name, data))
    headers = answer.headers
    assert answer.content == data
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    shown = headers["Content-Disposition"].startswith("inline")
    assert shown == (headers["Content-Type"] in INERT)
    if not shown:
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"].startswith("attachment")


def test_no_type_that_could_carry_a_script_is_served_as_what_it_is() -> None:
    assert all(kind.split("/")[0] in ("image", "audio", "video") and "svg" not in kind for kind in INERT)
    for data in (SVG, HTML, b"<?xml version='1.0'?>" + SVG, b"%PDF-1.7", b"\xef\xbb\xbf<html>", b"", b"MZ", b"PK\3\4"):
        assert sniffed(data) == "application/octet-stream"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evil.svg", "evil.html", *POLYGLOTS])
def test_a_browser_that_goes_there_runs_nothing(site: LiveSite, space: str, browser: Browser, name: str) -> None:
    session = site.login()
    address = upload(site, session, space, name, POLYGLOTS.get(name) or (SVG if name.endswith("svg") else HTML))
    context = browser.new_context(accept_downloads=True)
    context.add_cookies([{"name": k, "value": v, "url": site.host} for k, v in session.cookies.items()])
    page = context.new_page()
    ran: list[str] = []

    def note(dialog: Dialog) -> None:
        ran.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    _go(page, address)
    page.wait_for_timeout(200)
    assert ran == []
    assert page.title() != "ran"
    context.close()


def _go(page: Page, address: str) -> None:
    with suppress(PlaywrightError):  # what is downloaded is no page to go to
        page.goto(address, wait_until="load")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("C:\\evil.txt", "evil.txt"),
        ("a\x00b.txt", "ab.txt"),
        ("x" * 300, "x" * 150),
        ("gnp.\u202eexe", "gnp.exe"),
        ("\u2066name\u2069.txt", "name.txt"),
        ("....", "file"),
        ("line\r\nX-Evil: 1", "lineX-Evil: 1"),
        ('quo"te.txt', 'quo"te.txt'),
        ("日本語.txt", "日本語.txt"),
    ],
)
def test_names_are_only_ever_names(site: LiveSite, space: str, name: str, shown: str) -> None:
    assert clean_name(name) == shown
    session = site.login()
    before = files_of(site)
    part = io.BytesIO(b"data")
    body = (
        f'--b\r\nContent-Disposition: form-data; name="other_file"; filename="{_quoted(name)}"\r\n\r\ndata\r\n--b--\r\n'
    )
    del part
    answer = session.post(
        f"{site.host}/websockets/submit/{space}",
        data=body.encode("utf-8"),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    if answer.status_code == 200:
        status = site.status(session, answer.json()["request_id"])
        told = session.get(site.host + status["files"][0]["url"]).headers["Content-Disposition"]
        assert "\r" not in told
        assert "\n" not in told
        assert "/" not in unquote(told.split("''", 1)[1])
    else:
        assert answer.status_code == 400
    for path in files_of(site) - before:
        assert path.parent == site.data_dir / "files"
        assert len(path.name) == 32


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def test_nothing_but_an_id_becomes_a_path(tmp_path: Path) -> None:
    vault = FileVault(tmp_path / "files")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (vault.root / ("a" * 32)).symlink_to(secret)
    for name in ("../secret", "a" * 32, "A" * 32, "0" * 31, "", "incoming", "0" * 32 + "\n", str(secret)):
        with pytest.raises(FileNotFound):
            vault.path(name)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["../secret_key", "..%2fsecret_key", "%2e%2e/secret_key", "....//secret_key"])
def test_no_address_leads_out_of_the_folder(site: LiveSite, path: str) -> None:
    admin = site.login()
    for start in ("/websockets/files/", "/static/", "/static/css/"):
        prepared = requests.Request("GET", site.host + "/").prepare()
        prepared.url = site.host + start + path
        prepared.headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in admin.cookies.items())
        assert admin.send(prepared).status_code == 404


@pytest.mark.slow
def test_one_byte_too_many(site: LiveSite, space: str) -> None:
    session = site.login()
    upload(site, session, space, "full", b"x" * LIMIT)
    before = files_of(site)
    url = f"{site.host}/websockets/submit/{space}"
    over = session.post(url, files={"other_file": ("over", b"x" * (LIMIT + 1))})
    assert (over.status_code, over.json()["code"]) == (413, "too_large")
    halves = [("other_file", (str(n), b"x" * (LIMIT // 2 + 1))) for n in range(2)]
    assert session.post(url, files=halves).status_code == 413
    eventually(lambda: files_of(site) == before)


@pytest.mark.slow
@pytest.mark.parametrize("claimed", [10, None])
def test_body_that_is_longer_than_it_says(site: LiveSite, space: str, claimed: int | None) -> None:
    """Too little is taken, or it is too much; nothing of it stays."""
    session = site.login()
    before = files_of(site)
    head = b'--b\r\nContent-Disposition: form-data; name="other_file"; filename="f"\r\n\r\n'

    def pieces() -> Iterator[bytes]:
        yield head
        for _ in range(40):
            yield b"x" * 100_000

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    if claimed is not None:
        headers["Content-Length"] = str(claimed)
    with requests.Session() as fresh:
        fresh.cookies.update(session.cookies)
        try:
            answer = fresh.post(f"{site.host}/websockets/submit/{space}", data=pieces(), headers=headers)
        except requests.ConnectionError:
            answer = None
    assert answer is None or answer.status_code in (400, 413)
    eventually(lambda: files_of(site) == before)


@pytest.mark.slow
def test_files_are_what_they_are_whatever_they_are_called(site: LiveSite, space: str) -> None:
    session = site.login()
    assert session.get(upload(site, session, space, "song.mp3", PNG)).headers["Content-Type"] == "image/png"
    before = files_of(site)
    url = f"{site.host}/websockets/submit/{space}"
    for field in ("audio_file", "video_file"):
        lying = session.post(url, files={field: ("song.mp3", PNG)})
        assert (lying.status_code, lying.json()["code"], lying.json()["field"]) == (400, "invalid_field", field)
        assert session.post(url, files={field: ("song.raw", b"nobody knows")}).status_code == 200
    assert session.post(url, files={"audio_file": ("song.mp3", b"ID3" + b"\0" * 60)}).status_code == 200
    eventually(lambda: len(files_of(site) - before) == 3)


@pytest.mark.slow
def test_only_forms_that_take_files_do(site: LiveSite) -> None:
    before = files_of(site)
    answer = requests.post(f"{site.host}/login", files={"username": ("f", b"x" * 1000)})
    assert answer.status_code == 400
    assert files_of(site) == before


@pytest.mark.slow
def test_attempt_returns_no_more_than_the_site_takes(site: LiveSite) -> None:
    space_id = site.make_space("Returns")
    worker = Client(site)
    assert worker.register("Returns", **v2("returns"))["success"]
    session = site.login()
    submitted = site.submit(session, space_id, prompt="x")
    url = worker.next()["upload_url"]
    assert requests.post(url, data=b"x" * (LIMIT - 10)).status_code == 200
    before = files_of(site)
    over = requests.post(url, data=b"x" * 11)
    assert (over.status_code, over.json()["code"]) == (413, "too_large")
    eventually(lambda: files_of(site) == before)
    kept = eventually(lambda: site.status(session, submitted["request_id"])["files"])
    assert [file["size"] for file in kept] == [LIMIT - 10]
    worker.close()


class FakeClamd(threading.Thread):
    """A scanner that finds EICAR's test text, and reads what it is sent as clamd does."""

    def __init__(self, answer: Callable[[bytes], bytes]):
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.scanned: list[bytes] = []
        self.start()

    def run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with sock, sock.makefile("rb") as file:
                assert file.read(10) == b"zINSTREAM\0"
                data = b""
                while size := struct.unpack("!I", file.read(4))[0]:
                    data += file.read(size)
                self.scanned.append(data)
                sock.sendall(self._answer(data))

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.join(5)


EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def find_eicar(data: bytes) -> bytes:
    return b"stream: Eicar-Test-Signature FOUND\0" if EICAR in data else b"stream: OK\0"


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eventlet", "threading"])
def test_scanner_sees_every_file_first(own_site: LiveSite, mode: str) -> None:
    clamd = FakeClamd(find_eicar)
    own_site.environment |= {"SPACES_CLAMD": clamd.address, "SPACES_ASYNC_MODE": mode}
    own_site.start()
    space_id = own_site.make_space("Scanned", ws_enable_file_upload="on")
    worker = Client(own_site)
    assert worker.register("Scanned", **v2("w"))["success"]
    session = own_site.login()
    url = f"{own_site.host}/websockets/submit/{space_id}"
    found = session.post(url, files={"other_file": ("f", EICAR)})
    assert (found.status_code, found.json()["code"]) == (400, "file_refused")
    assert files_of(own_site) == set()
    clean = b"clean" * 50_000
    assert session.post(url, files={"other_file": ("f", clean)}).status_code == 200
    assert clamd.scanned == [EICAR, clean]
    request = worker.next()
    assert requests.get(request["payload"]["files"][0]["url"]).content == clean
    returned = requests.post(request["upload_url"], data=EICAR)
    assert (returned.status_code, returned.json()["code"]) == (400, "file_refused")
    clamd.stop()
    away = session.post(url, files={"other_file": ("f", clean)})
    assert (away.status_code, away.json()["code"]) == (503, "scanner_unavailable")
    assert "Retry-After" in away.headers
    assert held(request)
    worker.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"stream: OK\0", None),
        (b"stream: Some-Virus FOUND\0", FileRefused),
        (b"INSTREAM size limit exceeded. ERROR\0", ScannerUnavailable),
        (b"", ScannerUnavailable),
        (b"nonsense\0", ScannerUnavailable),
    ],
)
def test_answers_of_the_scanner(answer: bytes, error: type[Exception] | None) -> None:
    clamd = FakeClamd(lambda data: answer)
    try:
        if error is None:
            scan(clamd.address, io.BytesIO(b"x"))
        else:
            with pytest.raises(error):
                scan(clamd.address, io.BytesIO(b"x"))
    finally:
        clamd.stop()
