"""API keys (with rows 4, 7, 14 and 15): programs act for a person within limits; a key ends when it is told to."""

from __future__ import annotations

import re
import sqlite3

import pytest
import requests

from project.accounts import passwords
from project.accounts.audit import Origin
from project.errors import BadApiKey, Conflict, FieldInvalid, Missing
from tests.conftest import LiveSite, Process
from tests.security.conftest import PASSWORD, Bench

HOME = Origin("192.0.2.7")
DAY_S = 86400.0
EVIL = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "METHOD", "scrypt:1024:8:1")


def test_a_key_is_shown_once_and_kept_as_a_hash(bench: Bench) -> None:
    user = bench.accounts.register("ming", PASSWORD)
    key, text = bench.accounts.keys.make(user, " nightly ", {"read", "submit"}, None, HOME)
    assert re.fullmatch(r"wsk_[0-9a-f]{12}_[\w-]{43}", text)
    assert (key.name, key.scopes, key.expires_at, key.last_used_at) == ("nightly", ("submit", "read"), None, None)
    assert text.split("_", 2)[2] not in str(bench.accounts.keys.of_user(user.id))
    assert text.split("_", 2)[2] not in str(bench.log())
    found, owner = bench.accounts.keys.find(text, HOME)
    assert (found.id, owner) == (key.id, user)
    assert bench.accounts.keys.of_user(user.id)[0].last_used_at == bench.now


def test_how_a_key_ends(bench: Bench) -> None:
    bench.accounts.seed()
    admin = bench.accounts.login("admin", "quiet-lantern-42")[1]
    user, other = bench.accounts.register("ming", PASSWORD), bench.accounts.register("wei", PASSWORD)

    def make(days: float | None = None) -> tuple[str, str]:
        key, text = bench.accounts.keys.make(user, "k", {"read"}, days, HOME)
        assert bench.accounts.keys.is_live(text)
        return key.id, text

    key_id, text = make()
    with pytest.raises(Missing):
        bench.accounts.keys.revoke(other, key_id, HOME)
    bench.accounts.keys.revoke(user, key_id, HOME)
    assert not bench.accounts.keys.is_live(text)
    _, text = make(days=2)
    bench.now += 2 * DAY_S
    assert not bench.accounts.keys.is_live(text)
    _, text = make()
    bench.accounts.people.disable(admin, user.id, HOME)
    assert not bench.accounts.keys.is_live(text)
    bench.accounts.people.enable(admin, user.id, HOME)
    assert bench.accounts.keys.is_live(text)
    bench.accounts.people.reset_password(admin, user.id, HOME)
    with pytest.raises(BadApiKey):
        bench.accounts.keys.find(text, HOME)


@pytest.mark.parametrize(
    ("name", "scopes", "days", "field"),
    [
        ("", {"read"}, None, "key_name"),
        ("x" * 101, {"read"}, None, "key_name"),
        ("two\nlines", {"read"}, None, "key_name"),
        ("k", set(), None, "scopes"),
        ("k", {"read", "everything"}, None, "scopes"),
        ("k", {"admin"}, None, "scopes"),
        ("k", {"read"}, 0.0, "days"),
        ("k", {"read"}, 4000.0, "days"),
        ("k", {"read"}, float("nan"), "days"),
    ],
)
def test_what_a_key_cannot_be(bench: Bench, name: str, scopes: set[str], days: float | None, field: str) -> None:
    user = bench.accounts.register("ming", PASSWORD)
    with pytest.raises(FieldInvalid) as error:
        bench.accounts.keys.make(user, name, scopes, days, HOME)
    assert error.value.field == field


def test_not_too_many(bench: Bench) -> None:
    user = bench.accounts.register("ming", PASSWORD)
    made = [bench.accounts.keys.make(user, "k", {"read"}, None, HOME)[0] for _ in range(20)]
    with pytest.raises(Conflict):
        bench.accounts.keys.make(user, "k", {"read"}, None, HOME)
    bench.accounts.keys.revoke(user, made[0].id, HOME)
    bench.accounts.keys.make(user, "k", {"read"}, None, HOME)


# -- on a real site --------------------------------------------------------------------------------------------------


def _make(site: LiveSite, session: requests.Session, *scopes: str) -> str:
    form = {"key_name": "k", **{f"scope_{scope}": "on" for scope in scopes}}
    found = re.search(r"wsk_\w+?_[\w-]{43}", session.post(f"{site.host}/account/keys", data=form).text)
    assert found
    return found[0]


def _bearer(text: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}", "Accept": "application/json", **headers}


def test_a_program_works_with_a_key_alone(site: LiveSite) -> None:
    space = site.make_space("Keyed", ws_enable_file_upload="on")
    mock = Process("mock_app.py", "--host", site.host, "--spaces", "Keyed", "--min-seconds", "0", "--max-seconds", "0")
    try:
        mock.says("Request processor started")
        key = _make(site, site.login("testuser", "testpass123"), "submit", "read")
        submit = f"{site.host}/websockets/submit/{space}"
        done = requests.post(submit, data={"prompt": "draw", "wait": 30}, headers=_bearer(key)).json()
        assert done["status"] == "completed"
        file = next(file for file in done["files"])
        assert requests.get(site.host + file["url"], headers=_bearer(key)).status_code == 200
        with requests.get(
            f"{site.host}/websockets/stream", params={"space_id": space}, headers=_bearer(key), stream=True
        ) as stream:
            assert stream.status_code == 200
            assert next(stream.iter_lines())
    finally:
        mock.end()


def test_rules_for_foreign_pages_do_not_hold_for_keys_and_cookies_do_not_count_beside_one(site: LiveSite) -> None:
    session = site.login("testuser", "testpass123")
    key = _make(site, session, "submit", "read")
    cancel = f"{site.host}/websockets/cancel/{'0' * 32}"
    assert requests.post(cancel, headers=_bearer(key, **EVIL)).status_code == 404  # it got as far as the request
    assert session.post(cancel, headers={"Accept": "application/json", **EVIL}).json()["code"] == "cross_origin"
    # A login beside a key that opens nothing: the key decides.
    wrong = session.post(cancel, headers=_bearer("wsk_wrong_key", **EVIL))
    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_api_key")
    assert session.get(f"{site.host}/requests", headers=_bearer("")).status_code == 401
    page = {"Accept": "text/html"}
    assert "Log out" in session.get(site.host, headers=page).text
    assert "Log out" not in session.get(site.host, headers={**_bearer("wsk_wrong_key"), **page}).text
    admin = site.login()
    assert admin.get(f"{site.host}/admin/", headers=_bearer(key)).status_code == 403
    # Another kind of Authorization is none of ours; the foreign page is refused as ever.
    basic = {"Authorization": "Basic eDp5", **EVIL}
    assert session.post(cancel, headers=basic).json()["code"] == "cross_origin"


def test_keys_do_not_make_keys_nor_touch_the_account(site: LiveSite) -> None:
    key = _make(site, site.login(), "submit", "read", "admin")
    for path in ("keys", "password", "logins/end-others", "second-factor"):
        answer = requests.post(f"{site.host}/account/{path}", headers=_bearer(key))
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert requests.get(f"{site.host}/admin/users", headers=_bearer(key)).status_code == 403
    assert requests.get(f"{site.host}/admin/audit.csv", headers=_bearer(key)).status_code == 403
    assert requests.get(f"{site.host}/admin/", headers=_bearer(key)).status_code == 200


def test_a_key_of_the_page_is_in_no_file(own_site: LiveSite) -> None:
    own_site.start()
    session = own_site.login("testuser", "testpass123")
    key = _make(own_site, session, "read")
    assert requests.get(f"{own_site.host}/requests", headers=_bearer(key)).status_code == 200
    assert requests.get(f"{own_site.host}/requests", headers=_bearer(key + "x")).status_code == 401
    assert key not in session.get(f"{own_site.host}/account/keys").text
    secret = key.split("_", 2)[2]
    database = sqlite3.connect(own_site.data_dir / "spaces.db")
    assert not any(secret in line for line in database.iterdump())
    database.close()
    assert own_site.process is not None
    assert secret not in own_site.process.output
