"""Row 6: a call that waits for its result ends with the login or the key that it was made with."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable

import pytest
import requests

from tests.conftest import LiveSite, eventually, one_of_trials

PASSWORD = "mellow-otter-9"
WAIT_S = "30"
"""As long as a call may wait: one that were not ended would be answered 200 then."""

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def space(site: LiveSite) -> str:
    return site.make_space("Slow", ws_queue_while_offline="on")


def person(site: LiveSite, name: str) -> requests.Session:
    session = requests.Session()
    assert session.post(f"{site.host}/register", data={"username": name, "password": PASSWORD}).status_code == 200
    return session


def key_of(site: LiveSite, session: requests.Session) -> tuple[requests.Session, str]:
    """A session that has an API key alone, and the address that revokes it."""
    form = {"key_name": "program", "scope_submit": "on", "scope_read": "on"}
    page = session.post(f"{site.host}/account/keys", data=form).text
    text, revoke = re.search(r"wsk_[\w-]+", page), re.search(r"/account/keys/\w+/revoke", page)
    assert text
    assert revoke
    program = requests.Session()
    program.headers["Authorization"] = f"Bearer {text[0]}"
    return program, site.host + revoke[0]


def ends(call: Callable[[], requests.Response], end: Callable[[], object], has_begun: Callable[[], object]) -> None:
    """The call, once it waits, is answered 401 when ``end`` has been done."""
    answers: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    eventually(has_begun, what="the call waits")
    assert not answers
    end()
    thread.join(60)
    assert answers[0].status_code == 401, answers[0].text
    assert answers[0].json()["code"] == "login_required"


@pytest.mark.parametrize("ending", ["logout", "disable", "key"])
@pytest.mark.parametrize("asking", ["submit", "status"])
@one_of_trials
def test_waiting_ends(site: LiveSite, space: str, ending: str, asking: str) -> None:
    """Nothing tells from outside that a status call waits already; one that comes too late is refused otherwise."""
    name = f"waits_{ending}_{asking}_{next(NUMBERS)}"
    session = person(site, name)
    owner = site.login()
    program, revoke = key_of(site, session) if ending == "key" else (session, "")
    twin = requests.Session()
    twin.cookies.update(session.cookies)

    def end() -> None:
        if ending == "logout":
            twin.post(f"{site.host}/logout")
        elif ending == "key":
            twin.post(revoke)
        else:
            people = owner.get(f"{site.host}/admin/users", params={"name": name}).text
            found = re.search(rf"(/admin/users/\w+)\">{name}<", people)
            assert found
            owner.post(f"{site.host}{found[1]}/disable")

    if asking == "submit":
        ends(
            lambda: program.post(f"{site.host}/websockets/submit/{space}", data={"prompt": name, "wait": WAIT_S}),
            end,
            lambda: name in owner.get(f"{site.host}/admin/").text,
        )
        return
    request_id = site.submit(program, space, prompt=name)["request_id"]
    ends(
        lambda: program.get(f"{site.host}/websockets/status", params={"request_id": request_id, "wait": WAIT_S}),
        end,
        lambda: True,
    )
