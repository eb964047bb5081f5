"""Rows 2 and 3: whom the site trusts for being near, and that nobody reaches it with a password from its manual."""

from __future__ import annotations

import itertools
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from project.accounts import passwords
from project.accounts.passwords import check_rules, is_weak, weak_passwords, weak_words
from project.config import Settings
from project.errors import FieldInvalid, SettingInvalid, WeakPassword, WrongCredentials
from project.sockets.peer import is_local
from tests.conftest import LiveSite, Process
from tests.relay.socket_client import Client
from tests.security.conftest import Bench

OWN = "quiet-lantern-42"
ANYWHERE = {"SPACES_HOST": "0.0.0.0"}


# -- row 2: without a token only from this machine, for certain ------------------------------------------------------

PEERS = {"127.0.0.1": True, "::1": True, "127.8.9.10": True, "192.0.2.1": False, "::ffff:192.0.2.1": False, "": False}
HOSTS = {"localhost": True, "127.0.0.1:5001": True, "[::1]:5001": True, "rebound.example": False, "": False}
SIGNS_OF_A_PROXY = ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Whatever")


def _local(peer: str, host: str, header: str | None, settings: Settings) -> bool:
    environ = {"REMOTE_ADDR": peer, "HTTP_HOST": host}
    if header:
        environ[f"HTTP_{header.upper().replace('-', '_')}"] = "127.0.0.1"
    return is_local(environ, settings)


@pytest.mark.parametrize(("peer", "host"), list(itertools.product(PEERS, HOSTS)))
def test_only_a_peer_that_is_near_for_certain_is_trusted(peer: str, host: str) -> None:
    settings = Settings()
    assert _local(peer, host, None, settings) is (PEERS[peer] and HOSTS[host])
    for header in SIGNS_OF_A_PROXY:
        assert _local(peer, host, header, settings) is False
    for far in (
        replace(settings, host="0.0.0.0"),
        replace(settings, proxy_hops=1),
        replace(settings, public_origin="https://spaces.example"),
    ):
        assert _local(peer, host, None, far) is False


class Proxy:
    """A reverse proxy that adds nothing, the worst kind: everybody behind it comes from 127.0.0.1."""

    def __init__(self, target: int, head: bytes):
        self._target, self._head = target, head
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._join, args=(self._listener.accept()[0],), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        site = socket.create_connection(("127.0.0.1", self._target))
        first, _, rest = client.recv(65536).partition(b"\r\n")
        site.sendall(first + b"\r\n" + self._head + rest)
        threading.Thread(target=self._copy, args=(site, client), daemon=True).start()
        self._copy(client, site)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(65536):
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()


def test_a_worker_behind_a_proxy_needs_a_token(site: LiveSite) -> None:
    site.make_space("Proxied")
    near = Client(site)
    assert near.register("Proxied")["success"] is True
    near.close()
    proxy = Proxy(site.port, b"X-Forwarded-For: 127.0.0.1\r\n")
    try:
        far = Client(LiveSite(site.data_dir, port=proxy.port))
        refused = far.register("Proxied")
        assert (refused["success"], refused["code"]) == (False, "token_required")
        far.close()
    finally:
        proxy.close()


# -- row 3: the documented logins, and the first administrator -------------------------------------------------------


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    started: list[Process] = []

    def run(*flags: str, **environment: str) -> Process:
        process = Process(
            "run.py",
            "--port",
            "0",
            *flags,
            environment={
                "SPACES_DATA_DIR": str(tmp_path / "data"),
                "SPACES_LOG_FILE": str(tmp_path / "e.log"),
                **environment,
            },
        )
        started.append(process)
        return process

    yield run
    for process in set(started) & set(Process.running):
        process.end()


def _address(process: Process) -> str:
    process.says("Running on http://")
    found = re.search(r"Running on http://\S+?:(\d+) ", process.output)
    assert found
    return f"http://127.0.0.1:{found[1]}"


def _logs_in(address: str, username: str, password: str) -> requests.Response:
    form = {"username": username, "password": password}
    return requests.post(f"{address}/login", data=form, headers={"Accept": "application/json"}, allow_redirects=False)


def test_the_site_does_not_leave_this_machine_with_a_password_everybody_knows(start: object) -> None:
    refused = start(**ANYWHERE)  # type: ignore[operator]
    assert refused.wait() != 0
    assert "refusing to listen on 0.0.0.0" in refused.output
    assert "SPACES_ADMIN_PASSWORD" in refused.output
    assert len(refused.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "refusing to listen on 0.0.0.0 with the default login"),
        ("admin123", "too easy to guess"),
        ("Password2031", "too easy to guess"),
        ("short", "at least 8 characters"),
    ],
)
def test_passwords_the_site_does_not_go_out_with(bench: Bench, password: str, said: str) -> None:
    bench.settings = replace(bench.settings, admin_password=password)
    bench.restart()
    with pytest.raises(SettingInvalid, match=f"SPACES_ADMIN_PASSWORD.*{said}|{said}.*SPACES_ADMIN_PASSWORD"):
        bench.accounts.seed()
    assert bench.accounts.people.all() == ()


def test_documented_logins_stay_behind_when_the_site_goes_out(start: object) -> None:
    """First on this machine, where they work; then for everybody, where they do not."""
    near = start()  # type: ignore[operator]
    address = _address(near)
    assert _logs_in(address, "admin", "admin123").status_code == 302
    assert _logs_in(address, "testuser", "testpass123").status_code == 302
    assert "admin123" in requests.get(f"{address}/login").text
    near.end()
    far = start(**ANYWHERE, SPACES_ADMIN_PASSWORD=OWN)  # type: ignore[operator]
    address = _address(far)
    assert _logs_in(address, "admin", "admin123").status_code == 401
    assert _logs_in(address, "testuser", "testpass123").status_code == 401
    assert _logs_in(address, "admin", OWN).status_code == 302
    assert "admin123" not in requests.get(f"{address}/login").text


def test_one_time_password_is_printed_once_and_must_be_changed(start: object, tmp_path: Path) -> None:
    first = start("--one-time-password", **ANYWHERE)  # type: ignore[operator]
    address = _address(first)
    found = re.search(r"One-time password of admin: ([\w-]{19})\n", first.output)
    assert found
    session = requests.Session()
    session.post(f"{address}/login", data={"username": "admin", "password": found[1]})
    sent = session.get(f"{address}/admin/", allow_redirects=False)
    assert sent.headers["Location"] == "/account/password"
    own = {"current_password": found[1], "new_password": "tea in the afternoon"}
    assert session.post(f"{address}/account/password", data=own).status_code == 200
    assert session.get(f"{address}/admin/", allow_redirects=False).status_code == 200
    first.end()
    # From then on the site starts by itself: its administrator has a password of their own.
    second = start(**ANYWHERE)  # type: ignore[operator]
    address = _address(second)
    assert "One-time password" not in second.output
    assert _logs_in(address, "admin", "tea in the afternoon").status_code == 302
    assert found[1] not in (tmp_path / "e.log").read_text(encoding="utf-8")


# -- the same rules without a process --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "METHOD", "scrypt:1024:8:1")


def test_a_proxy_on_loopback_gets_a_one_time_password(bench: Bench) -> None:
    bench.settings = Settings(proxy_hops=1)
    bench.restart()
    given = bench.accounts.seed()
    assert given is not None
    assert bench.accounts.login("admin", given)[1].must_change is True
    with pytest.raises(WrongCredentials):
        bench.accounts.login("admin", "admin123")
    assert bench.accounts.people.all()[0].username == "admin"
    assert len(bench.accounts.people.all()) == 1
    assert bench.accounts.seed() is None


def test_a_password_of_the_settings_is_given_once(bench: Bench) -> None:
    """It may stay in the environment for ever: what was changed on the site since stays changed."""
    assert bench.accounts.seed() is None
    admin = bench.accounts.login("admin", OWN)[1]
    bench.accounts.change_password(admin, OWN, "tea in the afternoon")
    bench.restart()
    bench.accounts.seed()
    bench.accounts.login("admin", "tea in the afternoon")
    with pytest.raises(WrongCredentials):
        bench.accounts.login("admin", OWN)
    bench.settings = replace(bench.settings, admin_password="another lantern, lit")
    bench.restart()
    bench.accounts.seed()
    bench.accounts.login("admin", "another lantern, lit")


def test_somebody_elses_name_does_not_become_the_administrator(bench: Bench) -> None:
    bench.accounts.register("boss", OWN)
    bench.settings = replace(bench.settings, admin_user="boss")
    bench.restart()
    with pytest.raises(SettingInvalid, match="boss is not an administrator"):
        bench.accounts.seed()


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "P@ssw0rd!",
        "password2031",
        "123Letmein",
        "Adm1n!!!!",
        "qwertyuiop",
        "12345678",
        "87654321",
        "abcdefgh",
        "aaaaaaaa",
        "abcabcabc",
        "Websocket#9",
        "websocketspaces",
        "ming_likes",
        "ming2024",
        "MING_LIKES99",
    ],
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_rules(password, "ming" if password.endswith("2024") else "ming_likes")


@pytest.mark.parametrize(
    "password",
    [
        "tr0ub4dor&3",
        "mellow-otter-9",
        "correct horse",
        "密码密码很长的密码",
        "🦉🐝🌵🧭🪁🎈🔔🧩",
        "x" * 30 + "yz",
        "Zx" + "7" * 62,
    ],
)
def test_any_characters_will_do(password: str) -> None:
    check_rules(password, "ming")


def test_length_is_the_only_other_rule() -> None:
    for wrong in ("", "1234567", "x" * 127 + "yz"):
        with pytest.raises(FieldInvalid) as error:
            check_rules(wrong, "ming")
        assert error.value.field == "password"
    with pytest.raises(FieldInvalid):
        check_rules("mellow-otter-9", "ming", current="mellow-otter-9")


def test_the_list_stands_for_more_than_three_thousand() -> None:
    """Each word counts in any case and with any digits and signs around it; these few endings are many already."""
    variants = {
        f"{word}{ending}" for word in weak_words() for ending in ("123", "1234", "!", "2025", "#1", "99", "007")
    }
    short = {variant for variant in variants if len(variant) < passwords.LONG_CHARS}
    assert len(short | weak_passwords()) > 3000
    assert {variant for variant in short if not is_weak(variant)} == set()
