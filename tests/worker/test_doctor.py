"""The doctor finds what is wrong, says how to mend it, and ends with the code of that step."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from project.worker.doctor.cli import STEPS, main
from tests.conftest import LiveSite, Process, one_of_trials
from tests.worker.wrong_servers import HEALTHY, AlmostSite, Answering, Proxy, Silent, certificate

CODES = {step.title: step.exit_code for step in STEPS}
Examine = Callable[..., tuple[int, str]]
Serving = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SPACES_WORKER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def examine(capsys: pytest.CaptureFixture[str]) -> Examine:
    def run(host: str, *more: str, space: str = "Test", patience: str = "30") -> tuple[int, str]:
        code = main(["--host", host, "--space", space, "--timeout", patience, *more])
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def serving() -> Iterator[Serving]:
    """Closes what was started when the test is over."""
    started: list[Any] = []

    def keep(server: Any) -> Any:
        started.append(server)
        if isinstance(server, AlmostSite):
            server.start()
        return server

    yield keep
    for server in started:
        (server.stop if isinstance(server, AlmostSite) else server.close)()


def finds(outcome: tuple[int, str], title: str, what: str, mends: str) -> None:
    """Every step before is in order, this one is not, and the rest was not tried."""
    code, said = outcome
    signs = [(line[0], line[2:18].strip()) for line in said.splitlines() if line[:1] in "✓✗-" and line[:1]]
    place = [step.title for step in STEPS].index(title)
    expected = [("✓" if n < place else "✗" if n == place else "-", step.title) for n, step in enumerate(STEPS)]
    assert (code, signs) == (CODES[title], expected), said
    assert what in said
    assert mends in said


@pytest.mark.parametrize("host", ["spaces.example", "ftp://spaces.example", "http://", "http://x:99999", "http://x/y"])
def test_what_is_no_address(examine: Examine, host: str) -> None:
    code, said = examine(host)
    assert code == CODES["Address"]
    assert "✗ Address" in said
    assert "→" in said


def test_a_name_nobody_knows(examine: Examine) -> None:
    finds(examine("http://nowhere.invalid"), "Name", "nowhere.invalid is not known", "spelt right")


def test_nobody_there(examine: Examine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        finds(examine(host), "Connection", "Connection refused", "Is the site running")


def test_no_tls_there(examine: Examine, serving: Serving) -> None:
    server = serving(Answering(lambda path: HEALTHY))
    finds(examine(server.host.replace("http:", "https:")), "TLS", "no TLS there", "begin --host with http://")


def test_a_certificate_of_an_unknown_authority(
    examine: Examine, serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, own = certificate(tmp_path, address="127.0.0.1")
    server = serving(Answering(lambda path: HEALTHY, own))
    finds(examine(server.host), "TLS", "the certificate is refused: ", "SSL_CERT_FILE and REQUESTS")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    finds(examine(server.host), "HTTP", "no answer to GET /healthz", "WebSockets by SSL_CERT_FILE: set both")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    code, said = examine(server.host)
    assert code == CODES["WebSocket"], "the certificate is in order, and the site is not one"
    assert "certificate good until " in said


def test_a_certificate_for_another_name(
    examine: Examine, serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, own = certificate(tmp_path, address="192.0.2.1")
    server = serving(Answering(lambda path: HEALTHY, own))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    finds(
        examine(server.host), "TLS", "the certificate is refused", "The certificate is for another name than 127.0.0.1"
    )


PAGE = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("answer", "what", "mends"),
    [
        ((200, PAGE, b"<h1>Please log in"), "answered by something else (200, text/html)", "login page of the network"),
        ((301, {"Location": "https://a.example/"}, b""), "sends everybody on to https://a.example/", "as --host"),
        ((400, PAGE, b'{"code":"bad_host"}'), "does not answer to the name 127.0.0.1", "SPACES_PUBLIC_ORIGIN"),
        ((502, {**PAGE, "Server": "nginx"}, b"Bad Gateway"), "answers 502 for the site", "is the site running"),
    ],
)
def test_something_else_answers(
    examine: Examine, serving: Serving, answer: tuple[int, dict[str, str], bytes], what: str, mends: str
) -> None:
    server = serving(Answering(lambda path: answer))
    finds(examine(server.host), "HTTP", what, mends)


@pytest.mark.parametrize("says", [b"", b"220 mail.example ESMTP\r\n"])
@one_of_trials
def test_no_http_there(examine: Examine, serving: Serving, says: bytes) -> None:
    server = serving(Silent(says))
    finds(examine(server.host, patience="2"), "HTTP", "no answer to GET /healthz", "does not speak HTTP")


@pytest.mark.parametrize("status", [200, 400, 403, 426])
def test_a_proxy_that_strips_the_upgrade(examine: Examine, serving: Serving, status: int) -> None:
    server = serving(Answering(lambda path: HEALTHY if path == "/healthz" else (status, PAGE, b"no")))
    finds(examine(server.host), "WebSocket", f"the answer to the upgrade is {status}, not 101", "$http_upgrade")


def test_a_line_that_cuts_large_messages(examine: Examine, serving: Serving) -> None:
    site = serving(AlmostSite(most_frame_bytes=65536))
    finds(examine(site.host), "Large message", "a message of 256 KB does not get through", "raise its limit")


@one_of_trials
def test_what_the_site_sends_by_itself_is_held_back(
    examine: Examine, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = serving(AlmostSite())
    site.hold_pings(monkeypatch)
    finds(examine(site.host, patience="2"), "Pings", "no ping came within", "buffering off")


def test_a_proxy_that_refuses_files(examine: Examine, serving: Serving) -> None:
    site = serving(AlmostSite(upload=(413, PAGE, b"Request Entity Too Large")))
    finds(examine(site.host), "Files", "refused on the way (413)", "client_max_body_size")


@pytest.mark.parametrize("code", ["space_name_unknown", "bad_token", "token_required", "space_not_websockets"])
def test_refusals_say_what_mends_them(examine: Examine, serving: Serving, code: str) -> None:
    site = serving(AlmostSite())
    site.refusals = [{"code": code, "message": "as the site says it"}]
    outcome = examine(site.host)
    finds(outcome, "Space and token", f"as the site says it ({code})", "admin page")
    assert site.of("register")[0]["probe"] is True


def test_all_is_well(examine: Examine, serving: Serving) -> None:
    site = serving(AlmostSite())
    code, said = examine(site.host, "--token", "wsp_1_secret")
    assert code == 0, said
    assert said.count("✓") == len(STEPS)
    assert "All is well" in said
    assert site.of("register")[0]["token"] == "wsp_1_secret"
    assert "wsp_1_secret" not in said


def test_through_a_proxy(examine: Examine, serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is known to the proxy only, as in a closed network."""
    site = serving(AlmostSite())
    proxy = serving(Proxy(site.port))
    monkeypatch.setenv("HTTP_PROXY", proxy.address)
    monkeypatch.setenv("http_proxy", proxy.address)
    code, said = examine("http://spaces.invalid")
    assert code == 0, said
    assert f"{proxy.address.removeprefix('http://')} (HTTP_PROXY)" in said
    assert "left to the proxy" in said
    assert "CONNECT spaces.invalid:80 HTTP/1.1" in proxy.asked


def test_a_proxy_that_lets_no_tunnel_through(
    examine: Examine, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serving(Proxy(0, refuses=b"HTTP/1.1 403 Forbidden\r\n\r\n"))
    monkeypatch.setenv("http_proxy", proxy.address)
    finds(examine("http://spaces.invalid"), "Connection", "no tunnel through to spaces.invalid:80", "NO_PROXY")


def test_a_proxy_that_is_not_there(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        finds(examine("http://spaces.invalid"), "Proxy", "Connection refused", "Correct or unset HTTP_PROXY")


def test_all_proxy_alone_does_not_help_a_websocket(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    finds(examine("http://spaces.invalid"), "Proxy", "only ALL_PROXY is set", "Set HTTP_PROXY")


@pytest.mark.slow
def test_a_real_site_and_the_command_as_it_is_typed(site: LiveSite, start_mock: Callable[..., Process]) -> None:
    space_id = site.make_space("Examined")
    start_mock(site.host, "Examined")
    for arguments, code, said in (
        (("--space", "Examined"), 0, "1 of 1 workers are there already"),
        (("--space", "examined"), CODES["Space and token"], "space_name_unknown"),
        (("--space", "Examined", "--token", "wsp_1_wrong"), CODES["Space and token"], "bad_token"),
        ((), 2, "--space"),
    ):
        process = Process("-m", "project.worker", "doctor", "--host", site.host, *arguments)
        try:
            assert process.wait() == code, process.output
            assert said in process.output
        finally:
            process.end()
    assert site.connected(space_id), "the worker that was there has not noticed"


@pytest.mark.slow
def test_no_command_is_a_usage_error() -> None:
    process = Process("-m", "project.worker", "dance")
    try:
        assert process.wait() == 2
        assert "usage: python -m project.worker {doctor}" in process.output
    finally:
        process.end()
