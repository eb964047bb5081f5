"""Row 1: nobody poses as a worker. What a token is, what is kept of it, where it may be seen, and how it ends."""

from __future__ import annotations

import re
import secrets
import sqlite3

import pytest
import requests

from tests.conftest import LiveSite, eventually, one_of_trials
from tests.relay.socket_client import Client, v2

FAR = {"SPACES_HOST": "0.0.0.0", "SPACES_ADMIN_PASSWORD": "quiet-lantern-42"}
REVOKED_WITHIN_S = 1.0


@pytest.fixture
def far(own_site: LiveSite) -> LiveSite:
    """A site that others can reach: no worker is trusted for being near."""
    own_site.environment |= FAR
    own_site.start()
    return own_site


def admin_of(site: LiveSite) -> requests.Session:
    return site.login("admin", FAR["SPACES_ADMIN_PASSWORD"])


def make_space(site: LiveSite, name: str) -> str:
    form = {"name": name, "card_type": "websockets", "cover": "default.png", "ws_enable_prompt": "on"}
    answer = admin_of(site).post(f"{site.host}/admin/space/add", data=form, allow_redirects=False)
    return answer.headers["Location"].rsplit("/", 1)[1]


def make_token(site: LiveSite, space: str, name: str = "t") -> tuple[str, str]:
    """A new token: its text, and the address that revokes it."""
    page = admin_of(site).post(f"{site.host}/admin/space/{space}/tokens", data={"token_name": name})
    assert page.status_code == 200, page.text
    text = re.search(r"wsp_(\w+?)_[\w-]{43}", page.text)
    assert text
    return text[0], f"{site.host}/admin/space/{space}/tokens/{text[1]}/revoke"


def register(site: LiveSite, space: str, **fields: object) -> dict[str, object]:
    client = Client(site)
    try:
        return client.register(space, **fields)
    finally:
        client.close()


def test_only_a_live_token_of_the_space_lets_a_worker_in(far: LiveSite) -> None:
    one, other = make_space(far, "One"), make_space(far, "Other")
    (good, _), (revoked, address) = make_token(far, one), make_token(far, one, "second")
    foreign, _ = make_token(far, other)
    admin_of(far).post(address)
    refusals = {
        "": "token_required",
        "wsp_": "bad_token",
        good[:-1]: "bad_token",
        good + "x": "bad_token",
        good.upper(): "bad_token",
        revoked: "bad_token",
        foreign: "bad_token",
        "\ud83e": "invalid_message",
        "admin": "bad_token",
    }
    for text, code in refusals.items():
        refused = register(far, "One", token=text)
        assert (refused["success"], refused["code"]) == (False, code), text
    assert register(far, "One", token=good)["success"] is True


def test_refused_workers_are_sent_away_and_nothing_of_theirs_is_taken(far: LiveSite) -> None:
    make_space(far, "Shut")
    client = Client(far)
    assert client.register("Shut", token="wsp_guessed")["success"] is False
    eventually(lambda: not client.socket.connected, what="the connection is closed")
    client.close()
    stranger = Client(far)
    for event in ("inference_result", "inference_progress", "inference_chunk", "heartbeat", "drain"):
        assert stranger.call(event, {"request_id": "x", "lease_id": "y"})["code"] in (
            "not_registered",
            "invalid_message",
        )
    stranger.close()


def test_two_tokens_live_for_rotation_and_each_says_when_it_was_used(far: LiveSite) -> None:
    space = make_space(far, "Rotated")
    first, revoke_first = make_token(far, space, "old")
    second, _ = make_token(far, space, "new")
    third = admin_of(far).post(f"{far.host}/admin/space/{space}/tokens", data={"token_name": "third"})
    assert third.status_code == 409
    page = f"{far.host}/admin/space/edit/{space}"
    assert "last used" not in admin_of(far).get(page).text
    assert register(far, "Rotated", token=first)["success"] is True
    assert admin_of(far).get(page).text.count("last used") == 1
    assert register(far, "Rotated", token=second)["success"] is True
    admin_of(far).post(revoke_first)
    make_token(far, space, "third")
    assert register(far, "Rotated", token=second)["success"] is True


@one_of_trials
def test_revoking_ends_the_connection_within_a_second_and_no_others(far: LiveSite) -> None:
    name = f"Revoked {secrets.token_hex(4)}"
    space = make_space(far, name)
    admin_of(far).post(
        f"{far.host}/admin/space/edit/{space}",
        data={
            "name": name,
            "card_type": "websockets",
            "cover": "default.png",
            "ws_enable_prompt": "on",
            "ws_max_workers": "2",
        },
    )
    (first, revoke), (second, _) = make_token(far, space), make_token(far, space, "second")
    going, staying = Client(far), Client(far)
    assert going.register(name, **v2("going", token=first))["success"] is True
    assert staying.register(name, **v2("staying", token=second))["success"] is True
    admin = admin_of(far)
    admin.post(revoke)
    eventually(lambda: not going.socket.connected, within_s=REVOKED_WITHIN_S)
    assert staying.call("heartbeat", {"in_flight": []})["ok"] is True
    staying.close()
    assert register(far, name, token=first)["success"] is False


def test_a_token_of_another_space_is_not_revoked_by_its_id(far: LiveSite) -> None:
    one, other = make_space(far, "One"), make_space(far, "Other")
    token, address = make_token(far, one)
    crossed = address.replace(one, other)
    assert admin_of(far).post(crossed, headers={"Accept": "application/json"}).status_code == 404
    assert register(far, "One", token=token)["success"] is True


def test_the_text_is_nowhere_but_with_the_worker(far: LiveSite) -> None:
    space = make_space(far, "Hidden")
    token, _ = make_token(far, space)
    assert token.split("_", 2)[2] not in admin_of(far).get(f"{far.host}/admin/space/edit/{space}").text
    assert register(far, "Hidden", token=token)["success"] is True
    assert register(far, "Hidden", token=token + "x")["success"] is False
    secret = token.split("_", 2)[2].encode()
    database = sqlite3.connect(far.data_dir / "spaces.db")
    dump = "\n".join(database.iterdump()).encode()
    database.close()
    assert secret not in dump
    assert far.process is not None
    for text in (
        far.process.output.encode(),
        *(path.read_bytes() for path in far.data_dir.rglob("*") if path.is_file()),
    ):
        assert secret not in text


def test_a_token_in_the_address_is_not_even_looked_at(far: LiveSite) -> None:
    """Addresses are logged by every proxy on the way, so a token in one must not work and become a habit."""
    space = make_space(far, "Address")
    token, _ = make_token(far, space)
    asked = Client(_Asking(far.data_dir, port=far.port, query=f"?token={token}&space=Address"))
    assert asked.register("Address")["code"] == "token_required"
    asked.close()


class _Asking(LiveSite):
    """A site whose address has a query."""

    def __init__(self, *positional: object, query: str, **named: object):
        super().__init__(*positional, **named)  # type: ignore[arg-type]
        self._query = query

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self._query}"
