"""A worker whose space is deleted or whose token is revoked is sent away at once."""

from __future__ import annotations

import re

import pytest

from project.core.model import SpaceSettings, Worker
from project.relay.connections import Connection
from tests.conftest import LiveSite, eventually
from tests.relay.assembly import Relaying
from tests.relay.socket_client import Connect, v2


def make_token(site: LiveSite, space_id: str, name: str) -> tuple[str, str]:
    """The id and the text of a new worker token."""
    page = site.login().post(f"{site.host}/admin/space/{space_id}/tokens", data={"token_name": name}).text
    text = page.split('<code id="token">')[1].split("</code>")[0]
    return text.split("_")[1], text


@pytest.mark.slow
def test_deleting_a_space_disconnects_its_worker(site: LiveSite, connect: Connect) -> None:
    space_id, other_id = site.make_space("Deleted"), site.make_space("Not deleted")
    worker, other = connect(), connect()
    worker.register("Deleted", **v2("w"))
    other.register("Not deleted", **v2("w"))
    session = site.login()
    request_id = site.submit(session, space_id, prompt="x")["request_id"]
    request = worker.next()
    session.post(f"{site.host}/admin/space/delete/{space_id}")
    eventually(lambda: not worker.socket.connected)
    assert worker.cancels.get(timeout=60)["lease_id"] == request["lease_id"]
    assert site.status(session, request_id)["code"] == "space_deleted"
    assert other.socket.connected
    assert site.connected(other_id)


@pytest.mark.slow
def test_revoking_a_token_disconnects_who_came_with_it(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Revoked", ws_max_workers="3")
    old_id, old = make_token(site, space_id, "old")
    _, new = make_token(site, space_id, "new")
    by_old, by_new, by_none = connect(), connect(), connect()
    by_old.register("Revoked", token=old, **v2("a", capacity=1))
    session = site.login()
    request_id = site.submit(session, space_id, prompt="x")["request_id"]
    by_old.next()
    by_new.register("Revoked", token=new, **v2("b"))
    by_none.register("Revoked", **v2("c"))
    session.post(f"{site.host}/admin/space/{space_id}/tokens/{old_id}/revoke")
    eventually(lambda: not by_old.socket.connected)
    assert by_new.socket.connected
    assert by_none.socket.connected
    eventually(lambda: site.status(session, request_id)["attempt"] == 2, what="somebody else is given its request")
    again = connect()
    assert again.register("Revoked", token=old)["code"] == "bad_token"
    shown = session.get(f"{site.host}/admin/space/edit/{space_id}").text
    assert len(re.findall("/revoke", shown)) == 1


def test_what_another_node_deletes_or_revokes_counts_here_too() -> None:
    relaying = Relaying()
    gone: list[str] = []
    relaying.link.on_disconnect = gone.append
    relaying.relay.keep_up_with_spaces()
    token, _ = relaying.spaces.make_token("s", "lab")
    relaying.connections.add(Connection(Worker("t", "s", "n", "v", "b", 2, 2, 1.0), "http://site", token_id=token.id))
    relaying.relay.keep_up_with_spaces()
    assert gone == []
    relaying.store.spaces.revoke_token(token.id, now=2.0)
    relaying.relay.keep_up_with_spaces()
    assert gone == ["t"]
    relaying.connections.remove("t")
    relaying.store.spaces.remove("s", now=3.0)
    relaying.relay.keep_up_with_spaces()
    assert gone == ["t", "c"]


def test_what_another_node_allows_counts_here_too() -> None:
    relaying = Relaying()
    settings = SpaceSettings(name="Space", capacity=1)
    relaying.store.spaces.change("s", settings)
    relaying.relay.keep_up_with_spaces()
    assert (relaying.connection.bound, relaying.connection.room) == (1, 1)
