"""The routes over HTTP, on a real site: who may do what, what is refused and how it is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import LiveSite, Process, eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def space(site: LiveSite) -> Iterator[str]:
    """A space with every input and a quick worker."""
    kinds = {f"ws_enable_{kind}": "on" for kind in ("audio", "video", "file_upload")}
    space_id = site.make_space("Served", **kinds)
    mock = Process("mock_app.py", "--host", site.host, "--spaces", "Served", "--min-seconds", "0", "--max-seconds", "0")
    try:
        mock.says("Request processor started")
        yield space_id
    finally:
        mock.end()


@pytest.fixture
def user(site: LiveSite) -> requests.Session:
    return site.login("testuser", "testpass123")


def test_login_answers(site: LiveSite) -> None:
    def login(**form: str) -> requests.Response:
        return requests.post(f"{site.host}/login", data=form, allow_redirects=False)

    good = login(username="testuser", password="testpass123")
    assert good.status_code == 302
    cookie = good.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    wrong, unknown = login(username="testuser", password="nope"), login(username="nobody", password="nope")
    assert wrong.status_code == unknown.status_code == 401
    asked = requests.post(f"{site.host}/login", data={"username": "x"}, headers={"Accept": "application/json"})
    assert asked.json() == {
        "success": False,
        "error": "The user name or the password is wrong.",
        "code": "wrong_credentials",
    }


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/requests?before=3", "/requests?before=3"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_login_only_goes_on_within_the_site(site: LiveSite, target: str, location: str) -> None:
    form = {"username": "testuser", "password": "testpass123", "next": target}
    answer = requests.post(f"{site.host}/login", data=form, allow_redirects=False)
    assert answer.headers["Location"] == location


@pytest.mark.parametrize(
    ("username", "password", "status", "code"),
    [
        ("ab", "long enough 1", 400, "invalid_field"),
        ("with space", "long enough 1", 400, "invalid_field"),
        ("someone", "short", 400, "invalid_field"),
        ("someone", "password123", 400, "weak_password"),
        ("TestUser", "long enough 1", 409, "username_taken"),
    ],
)
def test_registration_is_refused(site: LiveSite, username: str, password: str, status: int, code: str) -> None:
    form = {"username": username, "password": password}
    answer = requests.post(f"{site.host}/register", data=form, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json().get("field") in ("username", "password")


def test_registration_and_logout(site: LiveSite) -> None:
    session = requests.Session()
    session.post(f"{site.host}/register", data={"username": "新用户.1", "password": "ünïcode 密码 works"})
    assert session.get(f"{site.host}/requests", allow_redirects=False).status_code == 200
    stolen = dict(session.cookies)
    session.post(f"{site.host}/logout")
    assert requests.get(f"{site.host}/requests", cookies=stolen, allow_redirects=False).status_code == 302


def test_following_a_link_does_not_log_out(site: LiveSite, user: requests.Session) -> None:
    assert user.get(f"{site.host}/logout").status_code == 200
    assert user.get(f"{site.host}/requests", allow_redirects=False).status_code == 200


def test_administration_is_for_administrators(site: LiveSite, user: requests.Session) -> None:
    assert user.get(f"{site.host}/admin/").status_code == 403
    assert user.post(f"{site.host}/admin/space/add", data={"name": "x"}).status_code == 403
    nobody = requests.get(f"{site.host}/admin/", allow_redirects=False)
    assert (nobody.status_code, nobody.headers["Location"]) == (302, "/login?next=/admin/")
    assert requests.post(f"{site.host}/admin/space/add", data={"name": "x"}).status_code == 401
    assert site.login().get(f"{site.host}/admin/").status_code == 200


def test_waiting_submission_brings_the_result(site: LiveSite, space: str, user: requests.Session) -> None:
    body = site.submit(user, space, prompt="hello", wait="30")
    assert (body["success"], body["status"]) == (True, "completed")
    assert "hello" in body["result"]["text_output"]
    as_json = user.post(f"{site.host}/websockets/submit/{space}", json={"prompt": "hi", "wait": 30, "params": {"a": 1}})
    assert as_json.json()["status"] == "completed"


@pytest.mark.parametrize(
    ("form", "code", "field"),
    [
        ({}, "empty_submission", "prompt"),
        ({"prompt": "   "}, "empty_submission", "prompt"),
        ({"prompt": "x" * 100_001}, "invalid_field", "prompt"),
        ({"prompt": "x", "wait": "soon"}, "invalid_field", "wait"),
        ({"prompt": "x", "wait": "31"}, "invalid_field", "wait"),
        ({"prompt": "x", "wait": "nan"}, "invalid_field", "wait"),
        ({"prompt": "x", "params": "{"}, "invalid_field", "params"),
        ({"prompt": "x", "params": "[1]"}, "invalid_field", "params"),
        ({"audio_url": "file:///etc/passwd"}, "invalid_field", "audio_url"),
        ({"audio_url": "http://"}, "invalid_field", "audio_url"),
    ],
)
def test_bad_submissions_name_the_field(
    site: LiveSite, space: str, user: requests.Session, form: dict[str, str], code: str, field: str
) -> None:
    answer = user.post(f"{site.host}/websockets/submit/{space}", data=form)
    body = answer.json()
    assert (answer.status_code, body["success"], body["code"], body["field"]) == (400, False, code, field)


def test_inputs_that_are_not_enabled(
    site: LiveSite, user: requests.Session, start_mock: Callable[..., Process]
) -> None:
    space_id = site.make_space("PromptOnly")
    start_mock(site.host, "PromptOnly")
    files = {"audio_file": ("a.wav", b"RIFF", "audio/wav")}
    answer = user.post(f"{site.host}/websockets/submit/{space_id}", files=files)
    assert (answer.status_code, answer.json()["field"]) == (400, "audio_file")
    unknown = user.post(f"{site.host}/websockets/submit/{space_id}", files={"odd": ("a", b"x")})
    assert (unknown.status_code, unknown.json()["field"]) == (400, "odd")


def test_too_soon(site: LiveSite, user: requests.Session, start_mock: Callable[..., Process]) -> None:
    space_id = site.make_space("Limited", ws_rate_limit_seconds="30")
    start_mock(site.host, "Limited", "--min-seconds", "0", "--max-seconds", "0")
    site.submit(user, space_id, prompt="first")
    answer = user.post(f"{site.host}/websockets/submit/{space_id}", data={"prompt": "second"})
    assert answer.status_code == 429
    assert 25 < answer.json()["retry_after"] <= 30
    assert int(answer.headers["Retry-After"]) in range(26, 31)


def test_full_queue(site: LiveSite, user: requests.Session, start_mock: Callable[..., Process]) -> None:
    space_id = site.make_space("Full", ws_max_queue="1")
    flags = ("--min-seconds", "60", "--max-seconds", "60", "--capacity", "1")
    start_mock(site.host, "Full", *flags)
    first = site.submit(user, space_id, prompt="runs")
    eventually(lambda: site.status(user, first["request_id"])["status"] == "processing")
    site.submit(user, space_id, prompt="waits")
    answer = user.post(f"{site.host}/websockets/submit/{space_id}", data={"prompt": "too many"})
    assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
    assert answer.headers["Retry-After"]


def test_requests_of_others_look_like_none(site: LiveSite, space: str, user: requests.Session) -> None:
    mine = site.submit(site.login(), space, prompt="secret", wait="30")["request_id"]
    url = f"{site.host}/websockets/status"
    others = user.get(url, params={"request_id": mine})
    none = user.get(url, params={"request_id": "0" * 32})
    assert others.status_code == none.status_code == 404
    assert others.json() == none.json()
    assert user.post(f"{site.host}/websockets/cancel/{mine}").status_code == 404
    assert user.get(f"{site.host}/requests/{mine}").status_code == 404
    assert requests.get(url, params={"request_id": mine}).status_code == 401


def test_files_are_served_safely_and_to_their_owner(site: LiveSite, space: str, user: requests.Session) -> None:
    page = b"<html><script>alert(1)</script></html>"
    files = [("other_file", ("../../evil\u202egpj.html", page, "image/png"))]
    answer = user.post(f"{site.host}/websockets/submit/{space}", data={"prompt": "draw", "wait": "30"}, files=files)
    stored = {file["field"]: file for file in answer.json()["files"]}
    assert stored["other_file"]["name"] == "evilgpj.html"
    got = user.get(site.host + stored["other_file"]["url"])
    assert got.content == page
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in got.headers["Content-Security-Policy"]
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    picture = user.get(site.host + stored["result"]["url"], headers={"Range": "bytes=0-7"})
    assert (picture.status_code, picture.content) == (206, b"\x89PNG\r\n\x1a\n")
    assert picture.headers["Content-Type"] == "image/png"
    assert requests.get(site.host + stored["result"]["url"]).status_code == 401
    other = requests.Session()
    other.post(f"{site.host}/register", data={"username": "other_person", "password": "quite long enough"})
    assert other.get(site.host + stored["result"]["url"]).status_code == 404
    assert user.get(f"{site.host}/websockets/files/..%2f..%2fsecret_key").status_code == 404


def test_forged_worker_links(site: LiveSite) -> None:
    for path in ("files", "results"):
        url = f"{site.host}/websockets/work/{path}/forged.token"
        answer = requests.get(url) if path == "files" else requests.post(url, data=b"x")
        assert (answer.status_code, answer.json()["code"]) == (403, "bad_signature")


def test_too_large_leaves_nothing(own_site: LiveSite, start_mock: Callable[..., Process]) -> None:
    own_site.environment["SPACES_MAX_UPLOAD_BYTES"] = "100000"
    own_site.start()
    space_id = own_site.make_space("Small", ws_enable_file_upload="on")
    start_mock(own_site.host, "Small")
    session = own_site.login()
    url = f"{own_site.host}/websockets/submit/{space_id}"
    answer = session.post(url, files={"other_file": ("big", b"x" * 5_000_000)})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    def chunks() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="other_file"; filename="f"\r\n\r\n'
        for _ in range(50):
            yield b"x" * 100_000

    lying = session.post(url, data=chunks(), headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert lying.status_code in (400, 413)
    kept = [path for path in (own_site.data_dir / "files").rglob("*") if path.is_file()]
    assert kept == []


def test_stream_tells_at_once_and_at_every_change(site: LiveSite, space: str, user: requests.Session) -> None:
    with user.get(f"{site.host}/websockets/stream", params={"space_id": space}, stream=True, timeout=60) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        events = _events(stream)
        assert next(events)["connected"] is True
        submitted = site.submit(user, space, prompt="x")
    query = {"request_id": submitted["request_id"]}
    with user.get(f"{site.host}/websockets/stream", params=query, stream=True, timeout=60) as stream:
        seen = [event["status"] for event in _events(stream) if event["status"] == "completed"][:1]
    assert seen == ["completed"]


def _events(stream: requests.Response) -> Iterator[dict[str, Any]]:
    for line in stream.iter_lines():
        if line.startswith(b"data: "):
            event = json.loads(line[6:])
            if "success" not in event:
                continue  # what every page is told
            yield event
            if event.get("status") == "completed":
                return


SAME, OTHER = "same", "http://evil.example"


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Origin": SAME}, True),
        ({"Origin": OTHER}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": SAME}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": SAME}, True),
    ],
)
def test_foreign_pages_cannot_act(site: LiveSite, headers: dict[str, str], passes: bool) -> None:
    sent = {name: site.host if value == SAME else value for name, value in headers.items()}
    form = {"username": "testuser", "password": "wrong"}
    answer = requests.post(f"{site.host}/login", data=form, headers=sent)
    assert answer.status_code == (401 if passes else 403)
    assert requests.get(site.host, headers=sent).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nope", "/login", "/websockets/status", "/socket.io/", "/static/css/site.css"])
def test_every_answer_has_the_security_headers(site: LiveSite, path: str) -> None:
    answer = requests.get(site.host + path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_only_its_own_names_are_answered(site: LiveSite) -> None:
    assert requests.get(site.host, headers={"Host": f"localhost:{site.port}"}).status_code == 200
    rebound = requests.get(site.host, headers={"Host": "rebind.example"})
    assert (rebound.status_code, rebound.json()["code"]) == (400, "bad_host")


def test_errors_for_programs_and_for_people(site: LiveSite) -> None:
    assert requests.get(f"{site.host}/websockets/nope").json()["code"] == "not_found"
    page = requests.get(f"{site.host}/nope", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "<h1>" in page.text
    wrong = requests.get(f"{site.host}/websockets/submit/x")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")


def test_default_login_never_leaves_this_machine(own_site: LiveSite) -> None:
    refused = Process(
        "run.py", "--host", "0.0.0.0", "--port", "0", environment={"SPACES_DATA_DIR": str(own_site.data_dir)}
    )
    try:
        assert refused.wait() == 1
        assert "SPACES_ADMIN_PASSWORD" in refused.output
    finally:
        refused.end()


def test_taken_port_is_one_clear_line(site: LiveSite, own_site: LiveSite) -> None:
    environment = {"SPACES_DATA_DIR": str(own_site.data_dir)}
    refused = Process("run.py", "--port", str(site.port), environment=environment)
    try:
        assert refused.wait() == 1
        assert refused.output.startswith(f"ERROR cannot listen on 127.0.0.1 port {site.port}: Address already in use; ")
        assert len(refused.output.splitlines()) == 1
    finally:
        refused.end()


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"SPACES_DATA_DIR": "/proc/nowhere"}, "cannot write to the data folder /proc/nowhere: "),
        ({"SPACES_DATA_DIR": __file__}, f"cannot write to the data folder {__file__}: "),
        ({"SPACES_LOG_FILE": "/proc/nowhere/error.log"}, "cannot write the log /proc/nowhere/error.log: "),
        ({"SPACES_DATABASE_URL": "nonsense://somewhere"}, "SPACES_DATABASE_URL cannot be used: "),
        ({"SPACES_DATABASE_URL": "no address"}, "SPACES_DATABASE_URL cannot be used: "),
        ({"SPACES_HOST": "203.0.113.7"}, "cannot listen on 203.0.113.7 port 0: "),
    ],
)
def test_what_keeps_a_site_from_starting_is_one_clear_line(
    tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    usual = {"SPACES_DATA_DIR": str(tmp_path / "data"), "SPACES_LOG_FILE": str(tmp_path / "error.log")}
    password = {"SPACES_ADMIN_PASSWORD": "correct horse battery staple"}
    refused = Process("run.py", "--port", "0", environment={**usual, **password, **environment})
    try:
        assert refused.wait(30) == 1
        assert refused.output.startswith(f"ERROR {says}")
        assert len(refused.output.splitlines()) == 1, refused.output
    finally:
        refused.end()


@pytest.mark.parametrize("mode", ["gevent", "threading"])
def test_other_async_modes(own_site: LiveSite, start_mock: Callable[..., Process], mode: str) -> None:
    own_site.environment["SPACES_ASYNC_MODE"] = mode
    own_site.start()
    space_id = own_site.make_space("Mode", ws_enable_file_upload="on")
    start_mock(own_site.host, "Mode", "--min-seconds", "0.2", "--max-seconds", "0.2")
    session = own_site.login()
    files = {"other_file": ("f", b"data")}
    answer = session.post(
        f"{own_site.host}/websockets/submit/{space_id}", data={"prompt": "draw", "wait": "30"}, files=files
    )
    assert answer.json()["status"] == "completed"
    assert own_site.stop() == 0
