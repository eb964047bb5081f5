"""Rows 17 and 26: what one person may use of the site, and how long it keeps what they sent."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser

from project.accounts.throttle import FREE_ACCOUNTS
from project.clock import Clock
from project.config import USUAL_QUOTA, Settings
from project.core.model import Request, Space, SpaceSettings, StoredFile, User
from project.core.quotas import NONE, Quota
from project.errors import Conflict, TooSoon
from project.relay.publish import Publisher
from project.relay.retention import DAY_S, ORPHAN_DAYS, Retention, kept_until
from project.relay.signals import Signals
from project.runtime import make_runtime
from project.storage.memory import memory_store
from project.storage.port import Store, Submit
from project.storage.sql import open_store
from tests.conftest import LiveSite, eventually
from tests.relay.socket_client import Client, held, v2
from tests.security.raw import connect

NOW = 1_000_000.0
PERSON = User("u", "user", "", "user", 0.0)


def registered(site: LiveSite, name: str) -> requests.Session:
    session = requests.Session()
    answer = session.post(f"{site.host}/register", data={"username": name, "password": "quite long enough"})
    assert answer.status_code == 200, answer.text
    return session


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bound", "code"),
    [("SPACES_QUOTA_REQUESTS_PER_MINUTE", "too_many_requests"), ("SPACES_QUOTA_OPEN_REQUESTS", "too_many_open")],
)
def test_32_at_once_take_no_more_than_their_share(own_site: LiveSite, bound: str, code: str) -> None:
    own_site.environment[bound] = "5"
    own_site.start()
    spaces = [own_site.make_space(name) for name in ("One", "Two")]
    workers = [Client(own_site), Client(own_site)]
    for worker, name in zip(workers, ("One", "Two"), strict=True):
        assert worker.register(name, **v2(name))["success"]
    person, other = registered(own_site, "person"), registered(own_site, "other")

    def submit(number: int) -> requests.Response:
        url = f"{own_site.host}/websockets/submit/{spaces[number % 2]}"
        return requests.post(url, data={"prompt": "x"}, cookies=person.cookies.get_dict())

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(submit, range(32)))
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 27}
    for answer in answers:
        if answer.status_code == 429:
            assert answer.json()["code"] == code
            assert int(answer.headers["Retry-After"]) >= 1
    # Neither others nor administrators wait for it.
    assert other.post(f"{own_site.host}/websockets/submit/{spaces[0]}", data={"prompt": "x"}).status_code == 200
    admin = own_site.login()
    for _ in range(6):
        own_site.submit(admin, spaces[0], prompt="x")
    if code == "too_many_open":
        done = workers[0].next()
        assert workers[0].call("inference_result", {**held(done), "status": "completed", "result": {}})["ok"]
        eventually(lambda: submit(0).status_code == 200, what="a place is free again")
    for worker in workers:
        worker.close()


@pytest.mark.slow
def test_bytes_kept(own_site: LiveSite) -> None:
    own_site.environment["SPACES_QUOTA_KEPT_BYTES"] = "1000"
    own_site.start()
    space_id = own_site.make_space("Keeps", ws_enable_file_upload="on")
    worker = Client(own_site)
    assert worker.register("Keeps", **v2("keeps"))["success"]
    person = registered(own_site, "person")
    url = f"{own_site.host}/websockets/submit/{space_id}"
    first = person.post(url, files={"other_file": ("f", b"x" * 900)}).json()
    refused = person.post(url, files={"other_file": ("f", b"x" * 101)})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_much_kept")
    person.post(f"{own_site.host}/websockets/cancel/{first['request_id']}")
    assert person.post(f"{own_site.host}/websockets/delete/{first['request_id']}").json()["success"]
    kept = own_site.data_dir / "files"
    eventually(lambda: not [path for path in kept.iterdir() if path.is_file()])
    assert person.post(url, files={"other_file": ("f", b"x" * 1000)}).status_code == 200
    worker.close()


def test_quota_of_a_site_that_others_reach() -> None:
    assert Settings().quota == NONE
    assert Settings(quota_open_requests=7).quota == Quota(open=7)
    far = Settings(host="0.0.0.0", admin_password="of our own")
    assert far.quota == USUAL_QUOTA
    assert all((USUAL_QUOTA.per_minute, USUAL_QUOTA.open, USUAL_QUOTA.kept_bytes))


@pytest.mark.slow
def test_people_delete_their_own_and_nobody_elses(own_site: LiveSite, browser: Browser) -> None:
    own_site.start()
    space_id = own_site.make_space("Forgets", ws_enable_file_upload="on", ws_retention_days="7")
    worker = Client(own_site)
    assert worker.register("Forgets", **v2("forgets"))["success"]
    person, other = registered(own_site, "person"), registered(own_site, "other")
    url = f"{own_site.host}/websockets/submit/{space_id}"
    sent = person.post(url, data={"prompt": "canary"}, files={"other_file": ("f", b"x")}).json()
    request_id = sent["request_id"]
    delete = f"{own_site.host}/websockets/delete/{request_id}"
    assert person.post(delete).json()["code"] == "conflict"
    work = worker.next()
    assert worker.call("inference_result", {**held(work), "status": "completed", "result": {"text_output": "y"}})["ok"]
    assert own_site.status(person, request_id, wait=5)["status"] == "completed"
    assert other.post(delete).status_code == 404
    assert requests.post(delete).status_code == 401
    file_url = own_site.status(person, request_id)["files"][0]["url"]

    context = browser.new_context(locale="en")
    context.add_cookies([{"name": k, "value": v, "url": own_site.host} for k, v in person.cookies.items()])
    page = context.new_page()
    page.goto(f"{own_site.host}/ai_project/{space_id}")
    assert "7 days" in page.locator("#kept").inner_text()
    page.goto(f"{own_site.host}/requests/{request_id}")
    page.get_by_text("Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/requests")
    context.close()
    for address in (f"/requests/{request_id}", f"/websockets/status?request_id={request_id}", file_url):
        assert person.get(own_site.host + address).status_code == 404, address
    assert not [path for path in (own_site.data_dir / "files").iterdir() if path.is_file()]
    worker.close()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    sqlite = f"sqlite:///{tmp_path / 'store.db'}"
    made = memory_store() if request.param == "memory" else open_store(sqlite, make_runtime("threading"))
    yield made
    made.close()


class Kept:
    """A store with requests that are over, and the clock in hand."""

    def __init__(self, store: Store, quota: Quota = NONE):
        self.store, self.now = store, NOW
        self.removed: list[str] = []
        clock: Clock = lambda: self.now  # noqa: E731
        publisher = Publisher(store.requests, Signals(make_runtime("threading").event), clock)
        self.retention = Retention(store, publisher, self.removed.extend, clock, quota)

    def space(self, name: str, days: float) -> None:
        self.store.spaces.add(Space(name, SpaceSettings(name=name, retention_days=days), created_at=NOW))

    def over(self, request_id: str, space_id: str) -> Request:
        """A request with a file that ended now."""
        file = StoredFile(f"f-{request_id}", request_id, "other_file", "f", "text/plain", 1, "0" * 64, self.now)
        self.store.requests.submit(
            Submit(request_id, space_id, "u", "user", {"prompt": "x"}, self.now, 1e9, 1e9, files=(file,))
        )
        self.store.requests.cancel(request_id, now=self.now, code="cancelled_by_user")
        return self.get(request_id)

    def get(self, request_id: str) -> Request:
        found = self.store.requests.get(request_id)
        assert found
        return found

    def remaining(self) -> set[str]:
        return {request.id for request in self.store.requests.list(limit=1000).items}


def test_each_space_keeps_for_its_own_time(store: Store) -> None:
    kept = Kept(store)
    for name, days in (("week", 7.0), ("ever", 0.0), ("gone", 1.0)):
        kept.space(name, days)
        kept.over(f"old-{name}", name)
    store.spaces.remove("gone", now=NOW)
    kept.now += 7 * DAY_S - 1
    assert kept.retention.purge() == 0
    kept.over("new-week", "week")
    kept.now += 2
    assert kept.retention.purge() == 1
    assert kept.remaining() == {"new-week", "old-ever", "old-gone"}
    assert kept.removed == ["f-old-week"]
    kept.now = NOW + ORPHAN_DAYS * DAY_S + 1
    kept.retention.purge()
    assert kept.remaining() == {"old-ever"}


def test_purge_of_many_is_done_in_pieces(store: Store) -> None:
    kept = Kept(store)
    kept.space("s", 1.0)
    for number in range(250):
        kept.over(f"r{number}", "s")
    kept.now += DAY_S + 1
    assert kept.retention.purge() == 250
    assert len(kept.removed) == 250


def test_what_is_open_stays(store: Store) -> None:
    kept = Kept(store)
    kept.space("s", 1.0)
    store.requests.submit(Submit("open", "s", "u", "user", {}, NOW, 1e9, 1e9))
    kept.now += 100 * DAY_S
    assert kept.retention.purge() == 0
    with pytest.raises(Conflict):
        kept.retention.delete(kept.get("open"), PERSON)


def test_deleting_does_not_get_round_the_requests_a_minute(store: Store) -> None:
    kept = Kept(store, Quota(per_minute=1))
    kept.space("s", 1.0)
    over = kept.over("r", "s")
    with pytest.raises(TooSoon):
        kept.retention.delete(over, PERSON)
    kept.now += 61
    kept.retention.delete(over, PERSON)
    assert kept.remaining() == set()


def test_page_says_how_long(store: Store) -> None:
    kept = Kept(store)
    kept.space("s", 2.0)
    over = kept.over("r", "s")
    assert kept_until(over, SpaceSettings(name="s", retention_days=2.0)) == NOW + 2 * DAY_S
    assert kept_until(over, SpaceSettings(name="s", retention_days=0)) is None
    assert kept_until(over, None) == NOW + ORPHAN_DAYS * DAY_S


@pytest.mark.slow
def test_prompts_are_in_no_log(own_site: LiveSite) -> None:
    own_site.start()
    space_id = own_site.make_space("Quiet", ws_enable_file_upload="on")
    worker = Client(own_site)
    assert worker.register("Quiet", **v2("quiet"))["success"]
    session = own_site.login("testuser", "testpass123")
    canary = "canary-7f3a"
    files = {"other_file": (f"{canary}.txt", canary.encode())}
    sent = session.post(f"{own_site.host}/websockets/submit/{space_id}", data={"prompt": canary}, files=files).json()
    session.post(f"{own_site.host}/websockets/submit/{space_id}", data={"prompt": canary, "params": f"{{{canary}"})
    session.post(
        f"{own_site.host}/websockets/submit/{space_id}",
        data=f'{{"prompt": "{canary}',
        headers={"Content-Type": "application/json"},
    )
    session.get(f"{own_site.host}/websockets/status", params={"request_id": canary})
    work = worker.next()
    worker.call("inference_result", {**held(work), "status": "failed", "result": {"error": canary}})
    worker.socket.emit("inference_result", {"request_id": canary, "status": canary})
    worker.socket.emit(canary, {canary: canary})
    assert own_site.status(session, sent["request_id"], wait=5)["status"] == "failed"
    worker.close()
    own_site.stop()
    assert own_site.process
    log = own_site.data_dir / "error.log"
    said = own_site.process.output + (log.read_text() if log.exists() else "")
    assert not re.search(canary, said)


@pytest.mark.slow
def test_calls_under_way_count_before_they_are_read(own_site: LiveSite) -> None:
    """Bodies that are never finished hold memory without being a request yet."""
    own_site.environment["SPACES_QUOTA_OPEN_REQUESTS"] = "2"
    own_site.start()
    space_id = own_site.make_space("Crowded")
    worker = Client(own_site)
    assert worker.register("Crowded", **v2("crowded"))["success"]
    person, other = registered(own_site, "person"), registered(own_site, "other")
    cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
    held_up = []
    for _ in range(2):
        sock = connect(own_site)
        sock.sendall(
            f"POST /websockets/submit/{space_id} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{".encode()
        )
        held_up.append(sock)
    url = f"{own_site.host}/websockets/submit/{space_id}"

    def refused() -> bool:
        answer = person.post(url, data={"prompt": "x"})
        return answer.status_code == 429 and answer.json()["code"] == "too_many_open"

    eventually(refused)
    assert other.post(url, data={"prompt": "x"}).status_code == 200
    for sock in held_up:
        sock.close()
    worker.close()


@pytest.mark.slow
def test_strangers_cannot_make_accounts_without_end(own_site: LiveSite) -> None:
    own_site.environment |= {"SPACES_PROXY_HOPS": "1", "SPACES_ADMIN_PASSWORD": "a password of our own"}
    own_site.start()

    def register(number: int, address: str) -> int:
        form = {"username": f"person{number}", "password": "quite long enough"}
        headers = {"X-Forwarded-For": address}
        return requests.post(f"{own_site.host}/register", data=form, headers=headers, allow_redirects=False).status_code

    codes = [register(number, "192.0.2.1") for number in range(FREE_ACCOUNTS)]
    assert codes == [302] * FREE_ACCOUNTS
    # The first waits are short, and a busy machine may take as long to make an account.
    assert 429 in [register(FREE_ACCOUNTS + number, "192.0.2.1") for number in range(6)]
    assert register(99, "198.51.100.1") == 302


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
def test_strangers_bodies_are_small(site: LiveSite, chunked: bool) -> None:
    body = b"username=" + b"x" * 400_000
    data = iter([body]) if chunked else body
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(f"{site.host}/login", data=data, headers=headers)
    # Without a length no more is read than is taken, which is then no login.
    assert answer.status_code == (401 if chunked else 413)
