"""Live results as they come: each piece once, through broken connections and a killed site; streams that end."""

from __future__ import annotations

from typing import Any

import psutil
import pytest
import requests

from tests.conftest import LiveSite, eventually
from tests.relay.socket_client import Client, Connect, held, v2
from tests.relay.streaming import open_stream, put

pytestmark = pytest.mark.slow


def say(worker: Client, request: dict[str, Any], number: int, text: str) -> None:
    assert worker.call("inference_chunk", {**held(request), "seq": number, "text": text}) == {"ok": True}


@pytest.fixture
def user(site: LiveSite) -> requests.Session:
    return site.login("testuser", "testpass123")


def test_each_piece_comes_once_and_the_stream_ends_with_the_request(
    site: LiveSite, connect: Connect, user: requests.Session
) -> None:
    space_id = site.make_space("Stream")
    worker = connect()
    worker.register("Stream", **v2("w"))
    submitted = site.submit(user, space_id, prompt="x")["request_id"]
    request = worker.next()
    first = open_stream(site, user, request_id=submitted)
    events = first.events()
    text, last = "", ""
    for number in range(1, 4):
        say(worker, request, number, f"piece {number} ")
        while f"piece {number} " not in text:
            event = next(events)
            text, last = put(text, event), event.id
    first.close()
    say(worker, request, 4, "missed ")
    second = open_stream(site, user, last, request_id=submitted)
    events = second.events()
    come_back = next(events)
    assert (come_back.name, "partial" in come_back.body) == ("request", False)
    missed = next(events)
    assert (missed.name, missed.body["text"], missed.body["from"]) == ("chunk", "missed ", len(text))
    done = {**held(request), "status": "completed", "result": {"text_output": "whole"}}
    assert worker.call("inference_result", done) == {"ok": True}
    rest = list(events)
    assert [event.body["status"] for event in rest if event.name == "request"][-1] == "completed"
    assert rest[-1].body["result"] == {"text_output": "whole"}
    assert rest[-1].body["partial"] == "piece 1 piece 2 piece 3 missed "
    over = user.get(
        f"{site.host}/websockets/stream", params={"request_id": submitted}, headers={"Last-Event-ID": rest[-1].id}
    )
    assert over.status_code == 204, "a browser does not ask once more"


def test_what_was_acknowledged_outlives_a_killed_site(own_site: LiveSite) -> None:
    own_site.start()
    space_id = own_site.make_space("Killed")
    session = own_site.login()
    worker = Client(own_site)
    worker.register("Killed", **v2("w"))
    submitted = own_site.submit(session, space_id, prompt="x")["request_id"]
    request = worker.next()
    say(worker, request, 1, "kept ")
    stream = open_stream(own_site, session, request_id=submitted)
    event = next(stream.events())
    assert event.body["partial"] == "kept "
    say(worker, request, 2, "this too ")
    own_site.kill()
    own_site.start()
    back = Client(own_site)
    back.register("Killed", **v2("w", in_flight=[{**held(request), "started": True}]))
    again = open_stream(own_site, session, event.id, request_id=submitted).events()
    text = "kept "
    while text != "kept this too ":
        text = put(text, next(again))
    say(back, request, 3, "and more")
    while text != "kept this too and more":
        text = put(text, next(again))
    back.close()


def test_a_stream_ends_with_the_login(site: LiveSite, connect: Connect) -> None:
    session = site.login("testuser", "testpass123")
    space_id = site.make_space("Logged out")
    stream = open_stream(site, session, space_id=space_id)
    assert next(stream.events()).name == "space"
    requests.post(f"{site.host}/logout", cookies=session.cookies)
    assert list(stream.events()) == []


def test_a_space_goes_on_when_its_request_is_over(site: LiveSite, connect: Connect, user: requests.Session) -> None:
    space_id = site.make_space("Both")
    worker = connect()
    worker.register("Both", **v2("w"))
    submitted = site.submit(user, space_id, prompt="x")["request_id"]
    stream = open_stream(site, user, space_id=space_id, request_id=submitted)
    events = stream.events()
    done = {**held(worker.next()), "status": "completed", "result": {}}
    assert worker.call("inference_result", done) == {"ok": True}
    while next(events).body.get("status") != "completed":
        pass
    worker.close()
    while next(events).body.get("connected") is not False:
        pass
    stream.close()


def test_a_page_that_was_left_gives_its_place_back(site: LiveSite) -> None:
    session = site.login()
    space_id = site.make_space("Places")
    oldest = open_stream(site, session, space_id=space_id)
    events = oldest.events()
    assert next(events).name == "space"
    for _ in range(2):
        left = [open_stream(site, session, space_id=space_id) for _ in range(7)]
        for stream in left:
            next(stream.events())
            stream.close()
        # Sooner than the site would have found out by writing to them.
        eventually(lambda: half_closed(site) == 0, within_s=4, what="the site lets go of those that are gone")
    # The second round would have displaced the oldest, had the first one's places still been taken.
    connected = Client(site)
    connected.register("Places", **v2("w"))
    assert next(events).body["connected"] is True
    connected.close()
    oldest.close()


def half_closed(site: LiveSite) -> int:
    """How many connections the site holds that the other end has closed."""
    assert site.process
    found = psutil.Process(site.process.pid).net_connections(kind="tcp")
    return sum(connection.status == psutil.CONN_CLOSE_WAIT for connection in found)
