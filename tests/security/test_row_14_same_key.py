"""Row 14: an Idempotency-Key is a name of its person's own: it opens nothing of others, in no tab, no space."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import requests

from tests.conftest import LiveSite

PASSWORD = "mellow-otter-9"


def person(site: LiveSite, name: str) -> requests.Session:
    session = requests.Session()
    assert session.post(f"{site.host}/register", data={"username": name, "password": PASSWORD}).status_code == 200
    return session


def submit(site: LiveSite, cookies: dict[str, str], space_id: str, key: str, prompt: str = "x") -> requests.Response:
    return requests.post(
        f"{site.host}/websockets/submit/{space_id}",
        data={"prompt": prompt},
        headers={"Idempotency-Key": key},
        cookies=cookies,
    )


def test_key_of_somebody_else_is_another_key(site: LiveSite) -> None:
    one, other = (
        site.make_space("Keys", ws_queue_while_offline="on"),
        site.make_space("More", ws_queue_while_offline="on"),
    )
    ming, wei = dict(person(site, "ming").cookies), dict(person(site, "wei").cookies)
    mine = submit(site, ming, one, "same").json()
    theirs = submit(site, wei, one, "same").json()
    assert mine["request_id"] != theirs["request_id"]
    assert not theirs["repeated"]
    status = {"request_id": mine["request_id"]}
    seen = requests.get(f"{site.host}/websockets/status", params=status, cookies=wei)
    none = requests.get(f"{site.host}/websockets/status", params={"request_id": "0" * 32}, cookies=wei)
    assert (seen.status_code, seen.json()) == (none.status_code, none.json()) == (404, none.json())
    elsewhere = submit(site, ming, other, "same")
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "idempotency_key_reused")


def test_two_tabs_and_32_tries_are_one_request(site: LiveSite) -> None:
    space_id = site.make_space("Tabs", ws_queue_while_offline="on")
    cookies = dict(person(site, "tabs").cookies)
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda _: submit(site, cookies, space_id, "tab").json(), range(32)))
    assert len({answer["request_id"] for answer in answers}) == 1
    assert sum(not answer["repeated"] for answer in answers) == 1
