"""Two nodes on one PostgreSQL act as one site: what is asked of one is done by the other's worker."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import socketio

from tests.conftest import LiveSite, Process, eventually
from tests.services import PASSWORD, Redis

pytestmark = pytest.mark.slow
Pair = tuple[LiveSite, LiveSite]
Start = Callable[..., Pair]
StartMock = Callable[..., Process]


@pytest.fixture(scope="module", params=["polling", "redis"])
def pair(request: pytest.FixtureRequest, start_nodes: Start) -> Pair:
    """Two nodes, with hints by Redis or without."""
    return start_nodes(
        **({"SPACES_REDIS_URL": request.getfixturevalue("redis").url} if request.param == "redis" else {})
    )


class Link:
    """A bare worker: what it was sent, and what it answers."""

    def __init__(self, site: LiveSite, space: str, worker_id: str = "w", token: str = ""):
        self.client = socketio.Client(reconnection=False)
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.gone = threading.Event()
        for event in ("register_response", "inference_request", "inference_cancel", "site_draining"):
            self.client.on(event, lambda body, event=event: self.got.append((event, body)))
        self.client.on("disconnect", lambda *_: self.gone.set())
        self.client.connect(site.host, transports=["websocket"])
        body = {"space_name": space, "worker_id": worker_id, "boot_id": "b", "protocol": 2, "capacity": 4}
        self.client.emit("register", {**body, **({"token": token} if token else {})})

    def wait(self, event: str, number: int = 0) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [body for name, body in self.got if name == event][number:]

        body: dict[str, Any] = eventually(found, within_s=20, what=f"{event} comes")[0]
        return body

    def call(self, event: str, body: dict[str, Any]) -> Any:
        return self.client.call(event, body, timeout=20)


@pytest.fixture
def link() -> Iterator[Callable[..., Link]]:
    made: list[Link] = []

    def connect(site: LiveSite, space: str, **more: str) -> Link:
        made.append(Link(site, space, **more))
        return made[-1]

    yield connect
    for each in made:
        each.client.disconnect()


def test_what_one_node_takes_the_worker_of_the_other_serves(pair: Pair, link: Callable[..., Link]) -> None:
    """Submit, files both ways, live text, progress, result, notice, cancel, second login: all over both nodes."""
    first, second = pair
    space_id = first.make_space("Serving", ws_enable_file_upload="on")
    worker = link(first, "Serving")
    assert worker.wait("register_response")["success"]
    eventually(lambda: second.connected(space_id), what="the other node sees the worker")
    user = second.login("testuser", "testpass123")

    address = f"{second.host}/websockets/submit/{space_id}"
    files = {"other_file": ("note.txt", b"to the other node", "text/plain")}
    sent = user.post(address, data={"prompt": "hello"}, files=files).json()
    work = worker.wait("inference_request")
    (file,) = work["payload"]["files"]
    assert file["url"].startswith(first.host)
    assert requests.get(file["url"]).content == b"to the other node"

    stream = Stream(second, user, space_id, sent["request_id"])
    lease = {"request_id": work["request_id"], "lease_id": work["lease_id"]}
    assert worker.call("inference_progress", {**lease, "seq": 1, "percent": 40, "message": "on it"})["ok"]
    stream.seen("request", lambda body: body["progress"] == 40)
    assert worker.call("inference_chunk", {**lease, "seq": 1, "text": "piece "})["ok"]
    stream.seen("chunk", lambda body: body["text"] == "piece ")
    answer = requests.post(work["upload_url"], data=b"from the worker", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 200, answer.text
    result = {"text_output": "done"}
    assert worker.call("inference_result", {**lease, "status": "completed", "result": result})["ok"]
    body = stream.seen("request", lambda body: body["status"] == "completed")
    stream.close()
    returned = next(each for each in body["files"] if each["field"] == "result")
    assert user.get(second.host + returned["url"]).content == b"from the worker"
    # A notice that the one node kept is shown by the other.
    eventually(lambda: sent["request_id"] in user.get(f"{second.host}/inbox").text, what="the notice is there")

    running = second.submit(user, space_id, prompt="cancel me")
    work = worker.wait("inference_request", 1)
    assert user.post(f"{second.host}/websockets/cancel/{running['request_id']}").json()["status"] == "cancelled"
    cancelled = worker.wait("inference_cancel")
    assert (cancelled["request_id"], cancelled["lease_id"]) == (running["request_id"], work["lease_id"])
    late = {"request_id": work["request_id"], "lease_id": work["lease_id"], "status": "completed", "result": {}}
    assert worker.call("inference_result", late)["code"] == "stale_lease"


class Stream:
    """A page's live stream."""

    def __init__(self, site: LiveSite, user: requests.Session, space_id: str, request_id: str):
        asked = {"space_id": space_id, "request_id": request_id}
        self._answer = user.get(f"{site.host}/websockets/stream", params=asked, stream=True, timeout=30)
        self._lines = self._answer.iter_lines(decode_unicode=True)

    def seen(self, wanted: str, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next event of that name that is so."""
        name = ""
        for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: ") and name == wanted:
                body: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if is_it(body):
                    return body
        pytest.fail(f"the stream ended before {wanted}")

    def close(self) -> None:
        self._answer.close()


def test_what_is_changed_at_one_node_holds_at_the_other(pair: Pair, link: Callable[..., Link]) -> None:
    """Places of a space, its settings and tokens, its end; logins and notices."""
    first, second = pair
    space_id = first.make_space("Changing")
    admin = first.login()
    holder = link(first, "Changing", worker_id="holder")
    assert holder.wait("register_response")["success"]
    refused = link(second, "Changing", worker_id="other")
    assert refused.wait("register_response")["code"] == "space_occupied"

    # The same worker takes its place over, wherever it comes; what it came from is let go.
    moved = link(second, "Changing", worker_id="holder")
    assert moved.wait("register_response")["success"]
    assert holder.gone.wait(20)
    user = first.login("testuser", "testpass123")
    first.submit(user, space_id, prompt="to the second node")
    lease = moved.wait("inference_request")
    done = {"request_id": lease["request_id"], "lease_id": lease["lease_id"], "status": "completed", "result": {}}
    assert moved.call("inference_result", done)["ok"]
    assert first.status(user, lease["request_id"], wait=20)["status"] == "completed"

    # A login that ends at one node ends at the other.
    elsewhere = requests.Session()
    elsewhere.cookies.update(user.cookies)
    assert elsewhere.get(f"{second.host}/inbox", allow_redirects=False).status_code == 200
    user.post(f"{first.host}/logout")
    eventually(lambda: elsewhere.get(f"{second.host}/inbox", allow_redirects=False).status_code != 200)

    # The space's end, and with it the worker's.
    assert admin.post(f"{first.host}/admin/space/delete/{space_id}").status_code == 200
    assert moved.gone.wait(20)


def test_a_revoked_token_ends_its_worker_on_the_other_node(pair: Pair, link: Callable[..., Link]) -> None:
    first, second = pair
    space_id = first.make_space("Token")
    admin = first.login()
    page = admin.post(f"{first.host}/admin/space/{space_id}/tokens", data={"token_name": "lab"}).text
    token = next(word for word in page.replace('"', " ").replace("<", " ").replace(">", " ").split() if "wsp_" in word)
    worker = link(second, "Token", token=token)
    assert worker.wait("register_response")["success"]
    listed = admin.get(f"{first.host}/admin/space/edit/{space_id}").text
    token_id = token.split("_")[1]
    assert token_id in listed
    admin.post(f"{first.host}/admin/space/{space_id}/tokens/{token_id}/revoke")
    assert worker.gone.wait(20)


@pytest.mark.parametrize("mode", ["gevent", "threading"])
def test_in_every_async_mode(start_nodes: Start, start_mock: StartMock, redis: Redis, mode: str) -> None:
    """eventlet, the default, is what the other tests run."""
    first, second = start_nodes(SPACES_ASYNC_MODE=mode, SPACES_REDIS_URL=redis.url)
    space_id = first.make_space("Mock")
    start_mock(first.host, "Mock")
    eventually(lambda: second.connected(space_id))
    user = second.login("testuser", "testpass123")
    sent = second.submit(user, space_id, prompt=f"in {mode}")
    assert second.status(user, sent["request_id"], wait=20)["status"] == "completed"


def test_redis_may_go_and_come(start_nodes: Start, start_mock: StartMock, redis: Redis) -> None:
    """Row 15. While Redis is down nodes look into the database; its password is in no log."""
    first, second = start_nodes(SPACES_REDIS_URL=redis.url)
    space_id = first.make_space("Mock")
    start_mock(first.host, "Mock")
    eventually(lambda: second.connected(space_id))
    user = second.login("testuser", "testpass123")

    def served() -> None:
        sent = second.submit(user, space_id, prompt="hello")
        assert second.status(user, sent["request_id"], wait=25)["status"] == "completed"

    served()
    redis.end()
    served()
    redis.start()
    eventually(lambda: bus(second), within_s=20, what="the node is back on Redis")
    served()
    said = (second.data_dir / "error.log").read_text()
    assert "Redis does not answer" in said
    for node in (first, second):
        assert node.process is not None
        assert PASSWORD not in node.process.output
    assert PASSWORD not in said


def bus(site: LiveSite) -> bool:
    """Whether the console says that the node hears hints."""
    found = site.logged_in().get(f"{site.host}/cfg/ipc/monitor/overview").json()
    return any(part["name"] == "bus" and part["ok"] for part in found["health"])
