"""Rows 22, 23 and 24: what every answer carries, what none tells, and the names the site answers to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from project.app import Application, create_app
from project.config import Settings
from project.core.policies import policy
from project.web.guard import HEADERS, TRANSPORT_SECURITY, Guard
from project.web.hosts import Hosts
from tests.conftest import LiveSite
from tests.security.raw import RawWebSocket, connect, status

NAMES = [name for name, _ in HEADERS]


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    made = create_app(Settings(data_dir=tmp_path, database_url="memory://", async_mode="threading"))
    yield made
    made.store.close()


@pytest.mark.slow
def test_every_kind_of_answer_carries_the_headers(site: LiveSite) -> None:
    user = site.login("testuser", "testpass123")
    answers = {
        "page": requests.get(site.host),
        "redirect": requests.get(f"{site.host}/requests", allow_redirects=False),
        "not found": requests.get(f"{site.host}/nope"),
        "forbidden": user.get(f"{site.host}/admin/"),
        "wrong method": requests.get(f"{site.host}/websockets/submit/x"),
        "wrong host": requests.get(site.host, headers={"Host": "evil.example"}),
        "foreign page": requests.post(f"{site.host}/login", headers={"Origin": "http://evil.example"}),
        "too large": requests.post(f"{site.host}/login", headers={"Content-Length": "99999999999"}),
        "long head": requests.get(site.host, headers={f"X-{n}": "x" * 7000 for n in range(6)}),
        "static": requests.get(f"{site.host}/static/css/site.css"),
        "not modified": requests.get(
            f"{site.host}/static/css/site.css",
            headers={"If-None-Match": requests.get(f"{site.host}/static/css/site.css").headers["ETag"]},
        ),
        "health": requests.get(f"{site.host}/healthz"),
        "json": user.get(f"{site.host}/websockets/status"),
        "socket without one": requests.get(f"{site.host}/socket.io/"),
    }
    assert [answers[name].status_code for name in ("redirect", "too large", "long head", "not modified")] == [
        302,
        413,
        431,
        304,
    ]
    for name, answer in answers.items():
        assert {header: answer.headers.get(header) for header, _ in HEADERS} == dict(HEADERS), name
    refused = RawWebSocket(site, "Origin: http://evil.example")
    assert refused.status == 400
    assert all(f"{name}: " in refused.head for name in NAMES)


def test_policy_allows_no_inline_script_or_style() -> None:
    policy = dict(HEADERS)["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert all(f"{directive} 'none'" in policy for directive in ("base-uri", "object-src", "frame-ancestors"))


def test_unexpected_error_tells_nothing_and_carries_the_headers(application: Application) -> None:
    @policy("public")
    def broken() -> None:
        raise RuntimeError("secret detail")

    application.flask.view_functions["health.health"] = broken
    answer = application.flask.test_client().get("/healthz")
    assert answer.status_code == 500
    assert all(answer.headers[name] == value for name, value in HEADERS)
    for told in ("secret detail", "Traceback", "RuntimeError", "project/", "werkzeug", "Werkzeug"):
        assert told not in answer.text


def test_error_that_cannot_be_shown_is_still_answered(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **values: object) -> str:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("project.web.errors.render_template", broken)
    answer = application.flask.test_client().get("/nope")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert all(answer.headers[name] == value for name, value in HEADERS)
    assert "secret" not in answer.text


@pytest.mark.slow
def test_there_is_no_debugger(site: LiveSite) -> None:
    for path in ("/console", "/?__debugger__=yes&cmd=resource&f=debugger.js", "/nope?__debugger__=yes&cmd=pinauth"):
        answer = requests.get(site.host + path)
        assert "debugger" not in answer.text.lower().replace(path.lower(), "")
    assert requests.get(f"{site.host}/console").status_code == 404


def test_debugging_cannot_be_switched_on_from_outside(
    application: Application, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not application.flask.debug
    monkeypatch.setenv("FLASK_DEBUG", "1")
    again = create_app(Settings(data_dir=tmp_path / "b", database_url="memory://", async_mode="threading"))
    assert not again.flask.debug
    again.store.close()


@pytest.mark.slow
def test_answers_do_not_say_what_serves_them(site: LiveSite) -> None:
    server = requests.get(site.host).headers.get("Server", "")
    assert not re.search(r"\d", server)


def test_transport_security_is_for_https_alone() -> None:
    def sent(origin: str) -> set[str]:
        seen: list[tuple[str, str]] = []

        def app(environ: dict[str, Any], start: Any) -> list[bytes]:
            start("200 OK", [])
            return []

        guard = Guard(app, Settings(public_origin=origin))
        environ = {"REQUEST_METHOD": "GET", "HTTP_HOST": "localhost", "PATH_INFO": "/"}
        guard(environ, lambda status, headers, *rest: seen.extend(headers))
        return {name for name, _ in seen}

    assert TRANSPORT_SECURITY[0] in sent("https://spaces.example")
    assert TRANSPORT_SECURITY[0] not in sent("http://spaces.example")
    assert TRANSPORT_SECURITY[0] not in sent("")


LOOPBACK = Settings()
FAR = Settings(host="0.0.0.0", admin_password="of our own", trusted_hosts="spaces.lan, box")
PROXIED = Settings(public_origin="https://spaces.example", proxy_hops=1, admin_password="of our own")


@pytest.mark.parametrize(
    ("settings", "host", "answers"),
    [
        (LOOPBACK, "localhost:5001", True),
        (LOOPBACK, "127.0.0.1:5001", True),
        (LOOPBACK, "[::1]:5001", True),
        (LOOPBACK, "LOCALHOST", True),
        (LOOPBACK, "evil.example", False),
        (LOOPBACK, "localhost.evil.example", False),
        (LOOPBACK, "127.0.0.1.evil.example", False),
        (LOOPBACK, "192.168.1.5", False),
        (LOOPBACK, "", False),
        (LOOPBACK, "localhost@evil.example", False),
        (LOOPBACK, "localhost:evil", False),
        (LOOPBACK, "localhost/x", False),
        (FAR, "192.168.1.5:5001", True),
        (FAR, "[fe80::1]:5001", True),
        (FAR, "spaces.lan:5001", True),
        (FAR, "box", True),
        (FAR, "rebound.evil.example", False),
        (FAR, "192.168.1.5.evil.example", False),
        (PROXIED, "spaces.example", True),
        (PROXIED, "evil.example", False),
    ],
)
def test_names_the_site_answers_to(settings: Settings, host: str, answers: bool) -> None:
    refusal = Hosts(settings).refusal(host)
    assert (refusal is None) == answers
    assert refusal is None or (refusal.status, refusal.code) == (400, "bad_host")


@pytest.mark.slow
def test_forwarding_headers_of_a_stranger_change_nothing(site: LiveSite) -> None:
    claimed = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}
    plain, forwarded = (requests.get(f"{site.host}/login", headers=headers) for headers in ({}, claimed))
    assert plain.text == forwarded.text
    session = site.login()
    space_id = site.make_space("Addressed")
    page = session.get(f"{site.host}/admin/space/edit/{space_id}", headers=claimed)
    assert "evil.example" not in page.text


@pytest.mark.slow
def test_only_what_our_own_proxy_says_counts(own_site: LiveSite) -> None:
    """With one hop, the last entry of X-Forwarded-For is the visitor; what is before it the visitor made up."""
    own_site.environment |= {
        "SPACES_PROXY_HOPS": "1",
        "SPACES_ADMIN_PASSWORD": "a password of our own",
        "SPACES_MAX_CONNECTIONS_PER_ADDRESS": "2",
    }
    own_site.start()
    held = []
    for number in range(2):
        sock = connect(own_site)
        sock.sendall(
            f"POST /login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.{number}, 192.0.2.7\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nusername=".encode()
        )
        held.append(sock)
    other = requests.get(f"{own_site.host}/healthz", headers={"X-Forwarded-For": "192.0.2.7, 192.0.2.8"})
    assert other.status_code == 200
    same = requests.get(f"{own_site.host}/healthz", headers={"X-Forwarded-For": "10.9.9.9, 192.0.2.7"})
    assert (same.status_code, same.json()["code"]) == (429, "too_many_connections")
    for sock in held:
        sock.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\nabcde",
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5, 6\r\n\r\nabcdef",
    ],
)
def test_requests_that_two_servers_could_read_differently(site: LiveSite, head: str) -> None:
    sock = connect(site, timeout_s=5)
    sock.sendall(head.encode())
    assert status(sock) in (0, 400)
    sock.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"HTTP_X_FORWARDED_HOST": "spaces.example"}, None),
        ({"HTTP_X_FORWARDED_HOST": "evil.example"}, 400),
        ({"HTTP_X_FORWARDED_HOST": "evil.example, spaces.example"}, None),
        ({"HTTP_X_FORWARDED_HOST": "spaces.example, evil.example"}, 400),
        ({"HTTP_X_FORWARDED_HOST": "spaces.example/path"}, 400),
        ({"HTTP_X_FORWARDED_PROTO": "https"}, None),
        ({"HTTP_X_FORWARDED_PROTO": "wss"}, None),
        ({"HTTP_X_FORWARDED_PROTO": "javascript"}, 400),
        ({"HTTP_HOST": "evil.example", "HTTP_X_FORWARDED_HOST": "spaces.example"}, 400),
    ],
)
def test_what_a_proxy_reports_is_judged_like_the_host(headers: dict[str, str], status: int | None) -> None:
    settings = Settings(proxy_hops=1, public_origin="https://spaces.example", admin_password="a password of our own")
    asked = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_HOST": "127.0.0.1:5001", **headers}
    refused = Guard(lambda environ, start: [], settings).refusal(asked)
    assert (refused.status if refused else None) == status
    without = Guard(lambda environ, start: [], Settings()).refusal(asked | {"HTTP_HOST": "127.0.0.1"})
    assert without is None, "with no proxy of ours the headers say nothing"


def test_form_behind_a_proxy_is_judged_by_the_address_the_browser_sees() -> None:
    settings = Settings(proxy_hops=1, trusted_hosts="spaces.example", admin_password="a password of our own")
    guard = Guard(lambda environ, start: [], settings)
    asked = {"REQUEST_METHOD": "POST", "PATH_INFO": "/login", "HTTP_HOST": "spaces.example", "wsgi.url_scheme": "http"}
    seen = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "spaces.example:8443"}
    assert guard.refusal(asked | seen | {"HTTP_ORIGIN": "https://spaces.example:8443"}) is None
    refused = guard.refusal(asked | seen | {"HTTP_ORIGIN": "https://spaces.example"})
    assert refused is not None
    assert refused.code == "cross_origin"
