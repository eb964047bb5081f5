"""Row 27 and fault 23: whoever takes for ever is let go, and nobody else waits for them, in every async mode."""

from __future__ import annotations

import errno
import re
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from project.doors import (
    LEAST_BODY_BYTES_PER_S,
    MOST_HEAD_BYTES,
    SPARE_DESCRIPTORS,
    Doorman,
    DoorSettings,
    PatientListener,
    TimedReader,
    places,
)
from tests.conftest import LiveSite, Process, eventually, one_of_trials
from tests.relay.socket_client import Client, v2
from tests.security.raw import MB, closes, connect, growth_of, status

IDLE_S = 2
MANY = {"eventlet": 1500, "gevent": 200, "threading": 100}
HALF_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Never: "
HALF_BODY = (
    b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 1000\r\n\r\nusername="
)
HALF_CHUNK = b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module", params=sorted(MANY))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    environment = {"SPACES_ASYNC_MODE": request.param, "SPACES_REQUEST_IDLE_S": str(IDLE_S)}
    live = LiveSite(tmp_path_factory.mktemp("site"), environment)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    try:
        live.start()
        yield live
    finally:
        live.end()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@one_of_trials
def test_many_idle_connections_hold_nobody_up_and_are_closed(site: LiveSite) -> None:
    count = MANY[site.environment["SPACES_ASYNC_MODE"]]
    opened = []
    for number in range(count):
        sock = connect(site, timeout_s=30)
        with suppress(OSError):  # where the test is slow, the first ones may be closed already
            sock.sendall((HALF_HEAD, HALF_BODY)[number % 2])
        opened.append(sock)
    began = time.monotonic()
    assert requests.get(f"{site.host}/healthz", timeout=60).status_code == 200
    assert time.monotonic() - began < 5
    for sock in opened:
        assert closes(sock)
        sock.close()
    assert requests.get(f"{site.host}/healthz", timeout=60).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("start", [HALF_HEAD, HALF_BODY, HALF_CHUNK], ids=["head", "body", "chunks"])
def test_a_byte_now_and_then_does_not_keep_a_connection(site: LiveSite, start: bytes) -> None:
    sock = connect(site, timeout_s=30)
    sock.sendall(start)
    stopped = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            while not stopped.wait(0.2):
                sock.sendall(b"1")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert closes(sock), "before its timeout"
    finally:
        stopped.set()
        dripping.join()
        sock.close()


def files_of(site: LiveSite) -> list[Path]:
    return [path for path in (site.data_dir / "files").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_slow_upload_is_ended_and_leaves_no_file(site: LiveSite) -> None:
    space_id = site.make_space("Slow", ws_enable_file_upload="on")
    worker = Client(site)
    assert worker.register("Slow", **v2("w"))["success"]
    admin = site.login()
    cookie = "; ".join(f"{name}={value}" for name, value in admin.cookies.items())
    sock = connect(site, timeout_s=30)
    part = '--b\r\nContent-Disposition: form-data; name="other_file"; filename="f"\r\n\r\n'
    sock.sendall(
        (
            f"POST /websockets/submit/{space_id} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n{part}" + "x" * 200_000
        ).encode()
    )
    eventually(lambda: files_of(site), what="the upload has begun")
    assert closes(sock)
    sock.close()
    eventually(lambda: not files_of(site))
    worker.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (HALF_HEAD, b"x" * 65536),
        (b"GET /", b"x" * 65536),
        (HALF_CHUNK, b"1" * 65536),
        (HALF_CHUNK + b"0\r\n", b"x" * 65536),
    ],
    ids=["header", "address", "chunk size", "trailer"],
)
@one_of_trials
def test_line_without_an_end_does_not_fill_the_memory(site: LiveSite, start: bytes, endless: bytes) -> None:
    sock = connect(site, timeout_s=30)
    with growth_of(site) as gained:
        with suppress(OSError):
            sock.sendall(start)
            for _ in range(128 * 16):
                sock.sendall(endless)
        sock.close()
    # Of these a login's hash, made once the body is over, takes 32.
    assert gained[0] < 60 * MB
    assert requests.get(f"{site.host}/healthz", timeout=60).status_code == 200


@pytest.mark.slow
def test_no_more_connections_than_agreed(own_site: LiveSite) -> None:
    own_site.environment |= {"SPACES_MAX_CONNECTIONS_PER_ADDRESS": "5", "SPACES_REQUEST_IDLE_S": "60"}
    own_site.start()
    held = [connect(own_site) for _ in range(5)]
    for sock in held:
        sock.sendall(HALF_HEAD)
    refused = connect(own_site)
    assert closes(refused)
    held[0].close()

    def answers() -> bool:
        sock = connect(own_site)
        with suppress(OSError):
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return status(sock) == 200
        return False

    eventually(answers)


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
sys.argv = ["run.py", "--port", "0"]
runpy.run_path("run.py", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", sorted(MANY))
def test_site_outlives_more_connections_than_it_may_have(tmp_path: Path, mode: str) -> None:
    """Those beyond what the system allows are closed at once, and nothing the site needs for itself is used up."""
    environment = {"SPACES_DATA_DIR": str(tmp_path), "SPACES_ASYNC_MODE": mode, "SPACES_REQUEST_IDLE_S": "2"}
    process = Process("-c", LIMITED, environment={**environment, "SPACES_LOG_FILE": str(tmp_path / "log")})
    try:
        process.says("Running on http://")
        found = re.search(r"Running on http://\S+?:(\d+) ", process.output)
        assert found
        limited = LiveSite(tmp_path, port=int(found[1]))
        opened = [connect(limited) for _ in range(320)]
        for sock in opened:
            with suppress(OSError):
                sock.sendall(HALF_HEAD)
        for sock in opened:
            assert closes(sock)
            sock.close()

        def answers() -> bool:
            with suppress(requests.RequestException):
                return requests.get(f"{limited.host}/login", timeout=10).status_code == 200
            return False

        eventually(answers)
        assert "Too many open files" not in process.output
    finally:
        process.end()


class Failing:
    """A listener that has trouble before it has a connection."""

    def __init__(self, *troubles: int):
        self._troubles = list(troubles)

    def accept(self) -> str:
        if self._troubles:
            raise OSError(self._troubles.pop(0), "trouble")
        return "a connection"


def test_listener_is_patient_with_everything_but_its_end() -> None:
    pauses: list[float] = []
    patient = PatientListener(Failing(errno.EMFILE, errno.ECONNABORTED, errno.ENOMEM), pauses.append)  # type: ignore[arg-type]
    assert patient.accept() == "a connection"
    assert len(pauses) == 3
    with pytest.raises(OSError, match="trouble"):
        PatientListener(Failing(errno.EBADF), pauses.append).accept()  # type: ignore[arg-type]


def test_places_are_what_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert places(10) == 10
        if hard != resource.RLIM_INFINITY:
            assert places(hard * 2) == hard - SPARE_DESCRIPTORS
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_doorman_counts_by_address_and_in_all() -> None:
    doorman = Doorman(DoorSettings(most_connections=3, most_per_address=2))
    assert [doorman.enter(address) for address in ("a", "a", "a", "b", "c")] == [True, True, False, True, False]
    doorman.leave("a")
    assert doorman.enter("c")


class Dripping:
    """A socket that gives ``piece`` after ``wait_s`` of a clock that is turned by hand."""

    def __init__(self, piece: bytes, wait_s: float):
        self.now, self._piece, self._wait_s = 0.0, piece, wait_s
        self.timeout: float | None = None

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def recv_into(self, buffer: memoryview) -> int:
        assert self.timeout is not None
        if self._wait_s > self.timeout:
            raise socket.timeout("timed out")  # noqa: UP041  what sockets raise
        self.now += self._wait_s
        buffer[: len(self._piece)] = self._piece
        return len(self._piece)


def read_all(drip: Dripping, reader: TimedReader, most: int) -> int:
    count, buffer = 0, memoryview(bytearray(65536))
    while count < most:
        count += reader.readinto(buffer)
    return count


def test_head_has_a_deadline_as_a_whole() -> None:
    drip = Dripping(b"x", 1.0)
    reader = TimedReader(drip, 10.0, lambda: drip.now)
    with pytest.raises(TimeoutError):
        read_all(drip, reader, 1000)
    assert 9 <= drip.now <= 11


def test_head_has_an_end() -> None:
    drip = Dripping(b"x" * 65536, 0.0)
    with pytest.raises(TimeoutError):
        read_all(drip, TimedReader(drip, 10.0, lambda: drip.now), MOST_HEAD_BYTES * 2)


@pytest.mark.parametrize(("bytes_per_s", "passes"), [(LEAST_BODY_BYTES_PER_S * 2, True), (10, False)])
def test_body_keeps_a_pace(bytes_per_s: int, passes: bool) -> None:
    drip = Dripping(b"x" * bytes_per_s, 1.0)
    reader = TimedReader(drip, 10.0, lambda: drip.now)
    reader.begin_body()
    if passes:
        assert read_all(drip, reader, bytes_per_s * 1000) >= bytes_per_s * 1000
    else:
        with pytest.raises(TimeoutError):
            read_all(drip, reader, bytes_per_s * 1000)


def test_body_is_not_blamed_for_the_sites_own_time() -> None:
    drip = Dripping(b"x" * LEAST_BODY_BYTES_PER_S, 1.0)
    reader = TimedReader(drip, 10.0, lambda: drip.now)
    reader.begin_body()
    for _ in range(50):
        read_all(drip, reader, 1)
        drip.now += 100.0  # the disk is slow
