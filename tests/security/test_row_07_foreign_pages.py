"""Row 7: a page of another site cannot act in a user's name, and a script without a browser still can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from project.app import create_app
from project.config import Settings
from project.web.guard import SAFE_METHODS, Guard
from tests.conftest import LiveSite

HOST = "spaces.example:8000"
OWN, EVIL = f"http://{HOST}", "http://evil.example"
PUBLIC = "https://spaces.example"
TRUTH: list[tuple[str, dict[str, str], bool]] = [
    # what it is, headers sent, whether it may act
    ("a script", {}, True),
    ("own page, old browser or plain http", {"Origin": OWN}, True),
    ("own page, new browser", {"Sec-Fetch-Site": "same-origin", "Origin": OWN}, True),
    ("own page, new browser, no origin", {"Sec-Fetch-Site": "same-origin"}, True),
    ("address bar, bookmark", {"Sec-Fetch-Site": "none"}, True),
    ("behind the proxy, by its public origin", {"Origin": PUBLIC}, True),
    ("behind the proxy, new browser", {"Sec-Fetch-Site": "same-origin", "Origin": PUBLIC}, True),
    ("foreign page", {"Origin": EVIL}, False),
    ("foreign page, new browser", {"Sec-Fetch-Site": "cross-site", "Origin": EVIL}, False),
    ("foreign page that hides its origin", {"Sec-Fetch-Site": "cross-site"}, False),
    ("foreign page that lies about the origin", {"Sec-Fetch-Site": "cross-site", "Origin": OWN}, False),
    ("sandboxed frame, file, data address", {"Origin": "null"}, False),
    ("sandboxed frame, new browser", {"Sec-Fetch-Site": "cross-site", "Origin": "null"}, False),
    ("sibling name", {"Sec-Fetch-Site": "same-site", "Origin": "http://x.spaces.example"}, False),
    ("sibling name, old browser", {"Origin": "http://x.spaces.example"}, False),
    ("other port", {"Origin": "http://spaces.example:9000"}, False),
    ("other port, new browser", {"Sec-Fetch-Site": "same-site", "Origin": "http://spaces.example:9000"}, False),
    ("other scheme", {"Origin": f"https://{HOST}"}, False),
    ("own name as a prefix", {"Origin": f"http://{HOST}.evil.example"}, False),
    ("own name as a suffix", {"Origin": f"http://evil-{HOST}"}, False),
    ("own name with a user", {"Origin": f"http://{HOST}@evil.example"}, False),
    ("empty origin", {"Origin": ""}, False),
    ("made-up answer", {"Sec-Fetch-Site": "same-origin, cross-site"}, False),
    ("empty answer", {"Sec-Fetch-Site": ""}, False),
]


def environ(method: str, headers: dict[str, str]) -> dict[str, Any]:
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    return {"REQUEST_METHOD": method, "PATH_INFO": "/login", "wsgi.url_scheme": "http", "HTTP_HOST": HOST, **named}


def guard() -> Guard:
    settings = Settings(
        host="0.0.0.0", admin_password="of our own", public_origin=PUBLIC, trusted_hosts="spaces.example"
    )
    return Guard(lambda environ, start: [], settings)


@pytest.mark.parametrize(("what", "headers", "passes"), TRUTH, ids=[row[0] for row in TRUTH])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_who_may_act(what: str, headers: dict[str, str], passes: bool, method: str) -> None:
    refusal = guard().refusal(environ(method, headers))
    assert (refusal is None) == passes, what
    assert refusal is None or (refusal.code, refusal.status) == ("cross_origin", 403)


def test_empty_origin_is_no_public_origin() -> None:
    """Where no public origin is set, its emptiness is not one that a page could have."""
    plain = Guard(lambda environ, start: [], Settings(host="0.0.0.0", trusted_hosts="spaces.example"))
    for origin in ("", "null", EVIL):
        assert plain.refusal(environ("POST", {"Origin": origin})) is not None
    assert plain.refusal(environ("POST", {"Origin": OWN})) is None


@pytest.mark.parametrize(("what", "headers", "passes"), TRUTH, ids=[row[0] for row in TRUTH])
def test_everybody_may_look(what: str, headers: dict[str, str], passes: bool) -> None:
    for method in SAFE_METHODS:
        assert guard().refusal(environ(method, headers)) is None


def changing_addresses(folder: Path) -> list[tuple[str, str]]:
    """Method and address of everything that changes anything, from the app's own table."""
    application = create_app(Settings(data_dir=folder, database_url="memory://", async_mode="threading"))
    found = []
    for rule in application.flask.url_map.iter_rules():
        path = rule.rule
        for argument in rule.arguments:
            converter = next(part for part in path.split("<") if part.split(">")[0].split(":")[-1] == argument)
            path = path.replace(f"<{converter.split('>')[0]}>", "0" * 32)
        found += [(method, path) for method in sorted((rule.methods or set()) - SAFE_METHODS)]
    application.store.close()
    return found


@pytest.mark.slow
def test_no_address_acts_for_a_foreign_page(site: LiveSite, tmp_path: Path) -> None:
    admin = site.login()
    everything = changing_addresses(tmp_path)
    assert len(everything) > 10
    for method, path in everything:
        answer = admin.request(method, site.host + path, headers={"Origin": EVIL})
        assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin"), path
        own = admin.request(method, site.host + path, headers={"Origin": site.host}, allow_redirects=False)
        assert own.status_code != 403 or own.json()["code"] != "cross_origin", path
        if path == "/logout":
            admin = site.login()


@pytest.mark.slow
def test_looking_changes_nothing(site: LiveSite) -> None:
    """No address that changes anything takes GET: it is refused or answers with a form."""
    admin = site.login()
    space_id = site.make_space("Kept")
    for path in (f"/admin/space/delete/{space_id}", f"/websockets/cancel/{'0' * 32}", f"/websockets/submit/{space_id}"):
        assert admin.get(site.host + path).status_code == 405, path
    assert requests.get(f"{site.host}/websockets/space/{space_id}/status").status_code == 200
