"""Row 16: a worker reaches its own space, its own leases and their files, for as long as they are its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from project.core.model import StoredFile
from project.errors import BadSignature
from project.relay.links import Links
from tests.conftest import LiveSite
from tests.relay.socket_client import Client, held, v2

FILE = StoredFile("f" * 32, "r" * 32, "other_file", "f", "text/plain", 1, "0" * 64, 0.0)


@pytest.fixture(scope="module")
def spaces(site: LiveSite) -> dict[str, str]:
    return {name: site.make_space(name, ws_enable_file_upload="on") for name in ("Mine", "Theirs")}


@pytest.fixture
def workers(site: LiveSite, spaces: dict[str, str]) -> Iterator[tuple[Client, Client]]:
    made = Client(site), Client(site)
    for worker, name in zip(made, spaces, strict=True):
        assert worker.register(name, **v2(name))["success"]
    yield made
    for worker in made:
        worker.close()


def submit(site: LiveSite, space_id: str) -> str:
    session = site.login()
    answer = session.post(f"{site.host}/websockets/submit/{space_id}", files={"other_file": ("f", b"secret")})
    return str(answer.json()["request_id"])


@pytest.mark.slow
def test_another_spaces_worker_cannot_touch_a_request(
    site: LiveSite, spaces: dict[str, str], workers: tuple[Client, Client]
) -> None:
    mine, theirs = workers
    request_id = submit(site, spaces["Mine"])
    work = mine.next()
    lease = held(work)
    for event, more in (
        ("inference_result", {"status": "completed", "result": {"text_output": "forged"}}),
        ("inference_progress", {"seq": 1, "percent": 99}),
        ("inference_chunk", {"seq": 1, "text": "forged"}),
    ):
        assert theirs.call(event, {**lease, **more})["ok"] is False, event
    kept = theirs.call("heartbeat", {"in_flight": [lease]})
    assert request_id not in str(kept.get("keep"))
    status = site.status(site.login(), request_id)
    assert (status["status"], status["result"], status["partial"]) == ("processing", None, "")
    assert mine.call("inference_result", {**lease, "status": "completed", "result": {"text_output": "own"}})["ok"]
    assert site.status(site.login(), request_id, wait=5)["result"] == {"text_output": "own"}


@pytest.mark.slow
def test_links_end_with_their_lease(site: LiveSite, spaces: dict[str, str], workers: tuple[Client, Client]) -> None:
    mine, _ = workers
    submit(site, spaces["Mine"])
    work = mine.next()
    download, upload = work["payload"]["files"][0]["url"], work["upload_url"]
    assert requests.get(download).content == b"secret"
    assert requests.post(upload, data=b"result").status_code == 200
    assert mine.call("inference_result", {**held(work), "status": "completed", "result": {}})["ok"]
    for answer in (requests.get(download), requests.post(upload, data=b"late")):
        assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")


@pytest.mark.slow
def test_links_of_a_cancelled_or_lost_attempt(
    site: LiveSite, spaces: dict[str, str], workers: tuple[Client, Client]
) -> None:
    mine, _ = workers
    request_id = submit(site, spaces["Mine"])
    work = mine.next()
    site.login().post(f"{site.host}/websockets/cancel/{request_id}")
    assert requests.get(work["payload"]["files"][0]["url"]).status_code == 409
    submit(site, spaces["Mine"])
    first = mine.next()
    mine.close()
    again = Client(site)
    assert again.register("Mine", **v2("another"))["success"]
    second = again.next()
    assert second["request_id"] == first["request_id"]
    assert requests.get(first["payload"]["files"][0]["url"]).status_code == 409
    assert requests.post(first["upload_url"], data=b"x").status_code == 409
    assert requests.get(second["payload"]["files"][0]["url"]).content == b"secret"
    again.close()


@pytest.mark.slow
def test_links_are_good_for_what_they_were_made_for(
    site: LiveSite, spaces: dict[str, str], workers: tuple[Client, Client]
) -> None:
    mine, theirs = workers
    submit(site, spaces["Mine"])
    submit(site, spaces["Theirs"])
    works = mine.next(), theirs.next()
    tokens = [work["payload"]["files"][0]["url"].rsplit("/", 1)[1] for work in works]
    uploads = [work["upload_url"].rsplit("/", 1)[1] for work in works]
    base = f"{site.host}/websockets/work"
    mixed = [tokens[0].rsplit(".", 1)[0] + "." + tokens[1].rsplit(".", 1)[1], tokens[0][:-1], tokens[0] + "x", "x.y.z"]
    for token in [*mixed, uploads[0]]:
        assert requests.get(f"{base}/files/{token}").status_code == 403, token
    for token in [*mixed, tokens[0]]:
        assert requests.post(f"{base}/results/{token}", data=b"x").status_code == 403, token
    # A link is no login: it opens nothing else.
    plain = f"{site.host}/websockets/files/{works[0]['payload']['files'][0]['url'].rsplit('/', 1)[1]}"
    assert requests.get(plain).status_code in (401, 404)


def test_links_expire() -> None:
    links = Links(("k" * 32,), lifetime_s=-1.0)
    with pytest.raises(BadSignature):
        links.read_download(links.download_path(FILE, "lease").rsplit("/", 1)[1])
    with pytest.raises(BadSignature):
        links.read_upload(links.upload_path("r", "lease").rsplit("/", 1)[1])


def test_links_of_another_key_are_no_links() -> None:
    own, other = Links(("k" * 32,), lifetime_s=60.0), Links(("o" * 32,), lifetime_s=60.0)
    token = other.upload_path("r", "lease").rsplit("/", 1)[1]
    with pytest.raises(BadSignature):
        own.read_upload(token)
