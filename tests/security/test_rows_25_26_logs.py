"""Rows 25 and 26: no input forges a line of a log, no secret gets into one, and who looked at what is on record."""

from __future__ import annotations

import csv
import io
import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from project.accounts import passwords
from project.accounts.audit import KINDS, Origin
from project.core.people import AuditFilter
from project.errors import SpacesError, WrongCredentials
from project.logs import OneLine
from project.storage.sql.engine import make_engine
from project.web.words import AUDIT
from tests.conftest import ROOT, LiveSite, Process, eventually
from tests.relay.socket_client import Client, v2
from tests.security.conftest import PASSWORD, Bench

HOME = Origin("192.0.2.7")
JSON = {"Accept": "application/json"}
LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR) ")


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "METHOD", "scrypt:1024:8:1")


# -- row 25 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("char", ["\n", "\r", "\x1b[31m", "\x00", "\x85", "\u2028", "\u202e", "\x7f"])
def test_control_characters_are_escaped_in_the_log(char: str) -> None:
    record = logging.LogRecord("project.x", logging.WARNING, "", 0, "refused: %s", (f"a{char}2026 ERROR forged",), None)
    line = OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s").format(record)
    assert LINE.match(line)
    assert char[0] not in line
    assert len(line.splitlines()) == 1


def test_control_characters_are_escaped_in_the_audit_log(bench: Bench) -> None:
    bench.accounts.audit.record("login", "a\nb", Origin("1\r2"), subject="\x1b[2Jx", detail="\u202eevil" + "y" * 900)
    entry = bench.log()[0]
    assert (entry.actor, entry.address, entry.subject) == (r"a\nb", r"1\r2", r"\x1b[2Jx")
    assert entry.detail.startswith(r"\u202eevil")
    assert len(entry.detail) == 600


def test_names_with_line_breaks_leave_one_line_each(own_site: LiveSite) -> None:
    own_site.start()
    forged = "x\n2026-01-01 00:00:00,000 ERROR project: forged"
    requests.post(f"{own_site.host}/login", data={"username": forged, "password": forged})
    requests.post(f"{own_site.host}/register", data={"username": forged, "password": PASSWORD})
    client = Client(own_site)
    client.register(forged, token=forged)
    client.close()
    requests.get(f"{own_site.host}/websockets/files/{requests.utils.quote(forged)}", headers={"User-Agent": "x"})
    assert own_site.stop() == 0
    assert own_site.process is not None
    for text in (own_site.process.output, (own_site.data_dir / "error.log").read_text(encoding="utf-8")):
        assert "2026-01-01 00:00:00" not in [line[:19] for line in text.splitlines()]


# -- row 26: planted canaries ----------------------------------------------------------------------------------------

CANARIES = {
    name: f"canary{number}of{name}zq" for number, name in enumerate(["prompt", "file", "result", "failure", "chunk"])
} | {
    "password": "canary-password-otter-77",
    "new password": "canary-newword-lantern-78",
    "typed into the name": "canary-misplaced-heron-79",
    "wrong password": "canary-wrong-badger-80",
    "wrong token": "wsp_canary_81_of_token_zq",
    "wrong key": "wsk_canary_82_of_key_zq",
}


def _plant(site: LiveSite) -> dict[str, str]:
    """Do everything that has a secret in it; what secrets the site itself made meanwhile."""
    space = site.make_space("Canaries", ws_enable_file_upload="on")
    admin = site.login()
    page = admin.post(f"{site.host}/admin/space/{space}/tokens", data={"token_name": "t"}).text
    token = page[page.index("wsp_") :].split("<")[0]
    session = _accounts(site)
    key_page = session.post(f"{site.host}/account/keys", data={"key_name": "k", "scope_read": "on"}).text
    key = key_page[key_page.index("wsk_") :].split("<")[0]
    for text in (key, CANARIES["wrong key"]):
        requests.get(f"{site.host}/requests", headers={"Authorization": f"Bearer {text}"})
    refused = Client(site)
    refused.register("Canaries", token=CANARIES["wrong token"])
    refused.close()
    request_id = _work(site, session, space, token)
    assert admin.get(f"{site.host}/requests/{request_id}").status_code == 200
    factor = session.post(f"{site.host}/account/second-factor").text
    letters = re.search(r'id="secret">(\w+)<', factor)
    assert letters
    return {"token": token, "key": key, "session": session.cookies["spaces_session"], "letters": letters[1]}


def _accounts(site: LiveSite) -> requests.Session:
    session = requests.Session()
    session.post(f"{site.host}/register", data={"username": "canary_owner", "password": CANARIES["password"]})
    change = {"current_password": CANARIES["password"], "new_password": CANARIES["new password"]}
    assert session.post(f"{site.host}/account/password", data=change).status_code == 200
    for form in (
        {"username": "canary_owner", "password": CANARIES["wrong password"]},
        {"username": CANARIES["typed into the name"], "password": "x"},
        {"username": "canary_owner", "password": CANARIES["password"]},
    ):
        assert requests.post(f"{site.host}/login", data=form).status_code == 401
    return session


def _work(site: LiveSite, session: requests.Session, space: str, token: str) -> str:
    """A request that is answered, one that fails, and frames that are refused; the id of the first."""
    worker = Client(site)
    assert worker.register("Canaries", **v2("canary", token=token))["success"] is True
    submit = f"{site.host}/websockets/submit/{space}"
    files = {"other_file": (f"{CANARIES['file']}.txt", CANARIES["file"].encode())}
    first = session.post(submit, data={"prompt": CANARIES["prompt"]}, files=files, headers=JSON).json()
    handed = worker.next()
    lease = {"request_id": handed["request_id"], "lease_id": handed["lease_id"]}
    worker.call("inference_chunk", {**lease, "seq": 0, "text": CANARIES["chunk"]})
    worker.call("inference_result", {**lease, "status": CANARIES["result"], "result": CANARIES["result"]})
    worker.call("inference_result", {**lease, "status": "completed", "result": {"text_output": CANARIES["result"]}})
    session.post(submit, data={"prompt": CANARIES["prompt"]}, headers=JSON)
    handed = worker.next()
    failed = {"request_id": handed["request_id"], "lease_id": handed["lease_id"], "status": "failed"}
    worker.call("inference_result", {**failed, "result": {"error": CANARIES["failure"]}})
    for broken in ({"prompt": CANARIES["prompt"], "params": CANARIES["prompt"]}, {"odd": CANARIES["prompt"]}):
        session.post(submit, data=broken, headers=JSON)
    session.post(submit, data=CANARIES["prompt"], headers={**JSON, "Content-Type": "application/json"})
    session.post(submit, data=CANARIES["prompt"], headers={**JSON, "Content-Type": "multipart/form-data; boundary=x"})
    worker.close()
    return str(first["request_id"])


def test_no_secret_reaches_a_log(own_site: LiveSite) -> None:
    own_site.start()
    secrets = CANARIES | _plant(own_site)
    assert own_site.stop() == 0
    assert own_site.process is not None
    texts = {"console": own_site.process.output}
    texts |= {path.name: path.read_text(encoding="utf-8") for path in own_site.data_dir.glob("*.log*")}
    with closing(sqlite3.connect(own_site.data_dir / "spaces.db")) as database:
        for table in ("audit", "throttles"):
            texts[table] = "\n".join(map(repr, database.execute(f"SELECT * FROM {table}")))
        kept = "\n".join(map(repr, database.execute("SELECT payload, result, error FROM requests")))
        whole = "\n".join(database.iterdump())
    assert "registration refused" in texts["console"]  # there is a log to look into
    assert texts["audit"].count("\n") > 10
    found = [(name, where) for name, secret in secrets.items() for where, text in texts.items() if secret in text]
    assert found == []
    # The canaries sing where they should: the requests themselves hold them, and passwords are nowhere at all.
    assert CANARIES["prompt"] in kept
    assert CANARIES["failure"] in kept
    for name in ("password", "new password", "wrong password", "typed into the name", "token", "key", "session"):
        # A token's and a key's first part is its id, by which it is listed.
        secret = secrets[name].split("_", 2)[-1] if secrets[name].startswith("ws") else secrets[name]
        assert secret not in whole, name


def test_errors_of_the_database_do_not_carry_values(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'x.db'}", writes=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (a TEXT UNIQUE)"))
        connection.execute(sa.text("INSERT INTO t VALUES (:a)"), {"a": CANARIES["prompt"]})
    with pytest.raises(sa.exc.IntegrityError) as error, engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO t VALUES (:a)"), {"a": CANARIES["prompt"]})
    assert CANARIES["prompt"] not in str(error.value)


# -- what is on record -----------------------------------------------------------------------------------------------


def test_every_kind_has_words_and_no_other_can_be_written(bench: Bench) -> None:
    assert set(AUDIT) == set(KINDS)
    with pytest.raises(SpacesError, match="unknown kind"):
        bench.accounts.audit.record("gossip", "ming", HOME)


def test_every_kind_that_is_written_is_known() -> None:
    """A mistyped one would turn what somebody does into an error of the site."""
    written = {
        kind
        for path in (ROOT / "project").rglob("*.py")
        if "audit" in (text := path.read_text(encoding="utf-8")) or "project.web.notes" in text
        for kind in re.findall(r"(?:\bnote|audit\.record)\(\s*\"(\w+)\"", text)
    }
    assert written == set(KINDS)


def test_refusals_and_successes_are_on_record_without_what_was_typed(bench: Bench) -> None:
    user = bench.accounts.register("ming", PASSWORD, HOME)
    token = bench.accounts.login("ming", PASSWORD, HOME)[0]
    for name in ("ming", "nobody-typed-this"):
        with pytest.raises(WrongCredentials):
            bench.accounts.login(name, "wrong", HOME)
    bench.accounts.logout(token, HOME)
    bench.store.accounts.add_user(user.__class__("a", "boss", "x", "admin", 1.0))
    bench.store.accounts.set_disabled(user.id, True)
    with pytest.raises(WrongCredentials):
        bench.accounts.login("ming", PASSWORD, HOME)
    assert [(entry.kind, entry.actor, entry.detail) for entry in bench.log()] == [
        ("registered", "ming", ""),
        ("login", "ming", ""),
        ("login_refused", "ming", ""),
        ("login_refused", "?", ""),
        ("logout", "ming", ""),
        ("login_refused", "ming", "disabled"),
    ]
    assert {entry.address for entry in bench.log()} == {HOME.address}


def test_a_flood_is_one_event_in_ten_minutes(bench: Bench) -> None:
    for _ in range(100):
        bench.accounts.audit.record("worker_refused", "", HOME, detail="bad_token", seldom=True)
    assert len(bench.log()) == 1
    bench.accounts.audit.record("worker_refused", "", Origin("198.51.100.1"), detail="bad_token", seldom=True)
    bench.now += 601.0
    bench.accounts.audit.record("worker_refused", "", HOME, detail="bad_token", seldom=True)
    assert len(bench.log()) == 3


def test_the_log_is_bounded_in_age_and_number(bench: Bench) -> None:
    for _ in range(5):
        bench.accounts.audit.record("login", "ming", HOME)
        bench.now += 1.0
    bench.accounts.audit.purge(keep_s=1e9, most=3)
    assert len(bench.log()) == 3
    bench.now += bench.settings.audit_keep_s - 1.5
    bench.accounts.tidy()
    assert len(bench.log()) == 1
    assert (bench.settings.audit_keep_s, bench.settings.audit_most) == (90 * 86400.0, 200_000)


@pytest.fixture(scope="module")
def admin(site: LiveSite) -> requests.Session:
    return site.login()


@pytest.fixture(scope="module")
def request_of_user(site: LiveSite) -> Iterator[str]:
    space = site.make_space("Private")
    mock = Process(
        "mock_app.py", "--host", site.host, "--spaces", "Private", "--min-seconds", "0", "--max-seconds", "0"
    )
    try:
        mock.says("Request processor started")
        user = site.login("testuser", "testpass123")
        yield str(site.submit(user, space, prompt="between us", wait="30")["request_id"])
    finally:
        mock.end()


def _rows(site: LiveSite, admin: requests.Session, **chosen: str) -> list[dict[str, str]]:
    answer = admin.get(f"{site.host}/admin/audit.csv", params=chosen)
    assert answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_administrators_see_that_there_is_a_request_and_looking_into_it_is_on_record(
    site: LiveSite, admin: requests.Session, request_of_user: str
) -> None:
    for path in ("/admin/", "/admin/users"):
        assert "between us" not in admin.get(site.host + path).text
    assert _rows(site, admin, kind="content_viewed") == []
    assert "between us" in admin.get(f"{site.host}/requests/{request_of_user}").text
    for _ in range(5):
        admin.get(f"{site.host}/websockets/status", params={"request_id": request_of_user})
    rows = _rows(site, admin, kind="content_viewed")
    assert [(row["actor"], row["subject"], row["detail"]) for row in rows] == [
        ("admin", request_of_user, "of testuser")
    ]
    user = site.login("testuser", "testpass123")
    user.get(f"{site.host}/requests/{request_of_user}")
    assert len(_rows(site, admin, kind="content_viewed")) == 1


def test_what_administrators_do_is_on_record(site: LiveSite, admin: requests.Session) -> None:
    space = site.make_space("On record")
    page = admin.post(f"{site.host}/admin/space/{space}/tokens", data={"token_name": "lab"}).text
    revoke = re.search(rf"/admin/space/{space}/tokens/\w+/revoke", page)
    assert revoke
    admin.post(site.host + revoke[0])
    admin.post(f"{site.host}/admin/space/delete/{space}")
    kinds = [row["kind"] for row in _rows(site, admin, subject=space)]
    assert kinds == ["space_deleted", "token_revoked", "token_made", "space_made"]
    added = admin.post(f"{site.host}/admin/users", data={"username": "added_one", "role": "user"}).text
    address = re.search(r"/admin/users/(\w+)\">added_one<", added)
    assert address
    person = f"{site.host}/admin/users/{address[1]}"
    for action, form in (
        ("role", {"role": "admin"}),
        ("disable", {}),
        ("enable", {}),
        ("password", {}),
        ("logins", {}),
    ):
        assert admin.post(f"{person}/{action}", data=form).status_code == 200
    kinds = [row["kind"] for row in _rows(site, admin, subject="ADDED_ONE")]
    assert kinds == ["session_ended", "password_reset", "user_enabled", "user_disabled", "user_role", "user_added"]
    user = site.login("testuser", "testpass123")
    assert user.get(f"{site.host}/admin/").status_code == 403
    assert _rows(site, admin, kind="access_refused")[0]["subject"] == "admin.dashboard"


def test_the_page_filters_and_goes_on(site: LiveSite, admin: requests.Session) -> None:
    for _ in range(60):
        _rows(site, admin, until="2001-01-01")  # each export is an entry
    page = f"{site.host}/admin/audit"
    first = admin.get(page, params={"kind": "audit_exported", "actor": "ADMIN"})
    assert first.text.count('<td data-label="What"') == 50
    older = re.search(r'href="(/admin/audit\?before=\d+[^"]*)">Older', first.text)
    assert older
    second = admin.get(site.host + older[1].replace("&amp;", "&")).text
    assert second.count('<td data-label="What"') >= 10
    assert "Older" not in second
    assert admin.get(page, params={"since": "someday"}).status_code == 400
    assert "Nothing found" in admin.get(page, params={"until": "2001-01-01"}).text
    assert "Nothing found" in admin.get(page, params={"kind": "' OR 1=1 --"}).text
    assert admin.get(page, params={"before": "9" * 30}).status_code == 200


def test_the_table_for_a_spreadsheet_has_no_formulas(site: LiveSite, admin: requests.Session) -> None:
    space = site.make_space('=HYPERLINK("http://evil.example","x")')
    row = next(row for row in _rows(site, admin, subject=space) if row["kind"] == "space_made")
    assert row["detail"].startswith("'=HYPERLINK")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["time"])
    eventually(lambda: _rows(site, admin, kind="audit_exported"))


def test_nobody_changes_the_log_over_http(site: LiveSite, admin: requests.Session) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert admin.request(method, f"{site.host}/admin/audit", headers=JSON).status_code == 405


def test_filters_of_the_store_reach_the_oldest(bench: Bench) -> None:
    for number in range(30):
        bench.accounts.audit.record("login" if number % 3 else "logout", "ming", HOME)
        bench.now += 1.0
    found, before = [], None
    while page := bench.accounts.audit.page(AuditFilter(kind="logout"), limit=4, before_id=before):
        found += page
        before = page[-1].id
    assert len(found) == 10
