"""Files that a worker returns: taken once however often they are sent, and only those of the attempt that ended."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import LiveSite, Process, eventually
from tests.relay.socket_client import Connect, v2
from tests.tcp import Listener, pump

pytestmark = pytest.mark.slow


def send(request: dict[str, Any], body: bytes, *, key: str | None = None, name: str = "a.txt") -> requests.Response:
    headers = {"X-File-Name": name, "X-File-SHA256": hashlib.sha256(body).hexdigest()}
    return requests.post(request["upload_url"], body, headers=headers | ({"Idempotency-Key": key} if key else {}))


def names(status: dict[str, Any]) -> list[str]:
    return [file["name"] for file in status["files"] if file["field"] == "result"]


def test_a_file_sent_again_is_taken_once(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Once")
    worker = connect()
    worker.register("Once", **v2("w1"))
    session = site.login()
    submitted = site.submit(session, space_id, prompt="x")
    request = worker.next()
    first = send(request, b"precious", key="1")
    again = send(request, b"precious", key="1")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == {**first.json(), "duplicate": True}
    other = send(request, b"another", key="1")
    assert (other.status_code, other.json()["code"], other.json()["field"]) == (409, "conflict", "Idempotency-Key")
    assert send(request, b"precious", key="2").json()["file_id"] != first.json()["file_id"]
    assert send(request, b"precious").status_code == 200
    assert send(request, b"x", key="with space").json()["field"] == "Idempotency-Key"
    result = {"request_id": request["request_id"], "lease_id": request["lease_id"], "status": "completed"}
    assert worker.call("inference_result", {**result, "result": {}}) == {"ok": True}
    status = site.status(session, submitted["request_id"])
    assert names(status) == ["a.txt"] * 3
    assert session.get(site.host + status["files"][0]["url"]).content == b"precious"
    late = send(request, b"precious", key="1")
    assert (late.status_code, late.json()["code"]) == (409, "stale_lease")
    assert session.get(site.host + status["files"][0]["url"]).content == b"precious", "a late copy takes nothing away"


def test_a_next_attempt_begins_without_files(site: LiveSite, connect: Connect) -> None:
    space_id = site.make_space("Next")
    worker = connect()
    worker.register("Next", **v2("w1"))
    session = site.login()
    submitted = site.submit(session, space_id, prompt="x")
    assert send(worker.next(), b"half the work", key="1").status_code == 200
    worker.socket.disconnect()
    eventually(lambda: not site.connected(space_id))
    second = connect()
    second.register("Next", **v2("w2"))
    request = second.next()
    assert send(request, b"all the work", key="1", name="b.txt").status_code == 200
    second.call("inference_result", {**{k: request[k] for k in ("request_id", "lease_id")}, "result": {}})
    status = site.status(session, submitted["request_id"], wait=10)
    assert (status["attempt"], names(status)) == (2, ["b.txt"])


class Lossy(Listener):
    """A line to the site that forwards everything, but swallows the answer to the first file that is returned."""

    def __init__(self, port: int):
        self._port = port
        self.swallowed = 0
        super().__init__()

    def serve(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._port))
        first = near.recv(65536)
        far.sendall(first)
        lossy = first.startswith(b"POST /websockets/work/results/") and not self.swallowed
        threading.Thread(target=pump, args=(near, far), daemon=True).start()
        if lossy:
            self.swallowed += len(far.recv(65536))
            near.shutdown(socket.SHUT_RDWR)
        else:
            pump(far, near)


@pytest.fixture
def lossy(site: LiveSite) -> Iterator[Lossy]:
    line = Lossy(site.port)
    yield line
    line.close()


def test_a_lost_answer_does_not_double_a_file(site: LiveSite, lossy: Lossy, tmp_path: Path) -> None:
    """The SDK's worker, with a line that swallows the answer to its first upload."""
    space_id = site.make_space("Lossy")
    program = tmp_path / "worker.py"
    program.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from project.worker import Result, Worker\n"
        "out = Path(sys.argv[2]) / 'out.txt'\n"
        "out.write_text('precious')\n"
        "Worker(lambda r: Result({'text_output': 'x'}, files=[out]), host=sys.argv[1], space='Lossy').run()\n"
    )
    process = Process(str(program), lossy.address, str(tmp_path), environment={"PYTHONPATH": "."})
    try:
        process.until(lambda: site.connected(space_id), what="registered")
        session = site.login()
        submitted = site.submit(session, space_id, prompt="x")
        status = site.status(session, submitted["request_id"], wait=20)
        assert (status["status"], names(status)) == ("completed", ["out.txt"])
        assert lossy.swallowed > 0
    finally:
        process.end()
