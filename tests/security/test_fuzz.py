"""Nonsense by the thousand at the worker protocol, the upload parser and the JSON routes: no 500, no growth.

A short run here, a long one by `make fuzz` (`SPACES_FUZZ_EXAMPLES`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import LiveSite
from tests.relay.socket_client import Client, held, v2
from tests.security.raw import MB, RawWebSocket, growth_of
from tests.security.test_row_09_scripts_of_others import PAYLOADS

EXAMPLES = int(os.environ.get("SPACES_FUZZ_EXAMPLES", "25"))
MOST_GROWTH = 60 * MB
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    database=None,
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 + EXAMPLES)]

EVENTS = ["register", "inference_result", "inference_progress", "inference_chunk", "heartbeat", "drain", "nonsense", ""]
TEXT = st.text(max_size=60) | st.sampled_from(PAYLOADS)
LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from([2**53, -(2**63), 1e308, "\x00", "\ud800", "0" * 32, "completed", "failed", ""])
)
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5), max_leaves=15
)
FIELDS = [
    "space_name",
    "token",
    "protocol",
    "worker_id",
    "boot_id",
    "capacity",
    "in_flight",
    "request_id",
    "lease_id",
    "status",
    "result",
    "seq",
    "percent",
    "message",
    "text",
    "run_s",
]
MESSAGE = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8) | JSON


@pytest.fixture(scope="module")
def space(site: LiveSite) -> str:
    return site.make_space("Fuzzed", **{f"ws_enable_{kind}": "on" for kind in ("audio", "video", "file_upload")})


@pytest.fixture(scope="module")
def session(site: LiveSite) -> requests.Session:
    return site.login("testuser", "testpass123")


@pytest.fixture(autouse=True)
def unharmed(site: LiveSite, space: str, session: requests.Session) -> Iterator[None]:
    """Whatever happened: the site answers, wrote down no failure of its own, and has not grown."""
    with growth_of(site, lasting=True) as gained:
        yield
    assert gained[0] < MOST_GROWTH
    assert requests.get(f"{site.host}/healthz", timeout=60).status_code == 200
    log = site.data_dir / "error.log"
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    assert "Traceback" not in text, text[-3000:]
    assert "failed" not in text, text[-3000:]
    assert site.process
    assert "Traceback" not in site.process.output, site.process.output[-3000:]


@fuzz
@given(messages=st.lists(st.tuples(st.sampled_from(EVENTS), MESSAGE), min_size=1, max_size=12))
def test_events(site: LiveSite, messages: list[tuple[str, Any]]) -> None:
    stranger = RawWebSocket(site)
    with suppress(ConnectionError):
        stranger.join()
        for number, (event, message) in enumerate(messages):
            packet = f"42{number}{json.dumps([event, message])}"
            stranger.frame(packet.encode("utf-8", "surrogatepass"))
    stranger.socket.close()


@fuzz
@given(
    frames=st.lists(
        st.tuples(
            st.binary(max_size=300) | TEXT.map(lambda t: t.encode("utf-8", "replace")),
            st.integers(0, 15),
            st.booleans(),
            st.sampled_from([0, 0, 0, 0x40, 0x20]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_frames(site: LiveSite, frames: list[tuple[bytes, int, bool, int]]) -> None:
    stranger = RawWebSocket(site)
    with suppress(ConnectionError):
        for data, opcode, fin, flags in frames:
            stranger.frame(data, opcode=opcode, fin=fin, flags=flags)
    stranger.socket.close()


PACKET = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["4", "40", "41", "42", "43", "44", "45", "46", "0", "1", "2", "3", "5", "6", "b"]),
    st.sampled_from(["", "1-", "9999999999-", "/admin,", "/,", "/a?b,"]),
    st.sampled_from(["", "1", "9" * 120]),
    JSON.map(json.dumps) | TEXT,
)


@fuzz
@given(packets=st.lists(PACKET, min_size=1, max_size=8), joins=st.booleans())
def test_packets(site: LiveSite, packets: list[str], joins: bool) -> None:
    stranger = RawWebSocket(site)
    with suppress(ConnectionError):
        if joins:
            stranger.join()
        for packet in packets:
            stranger.frame(packet.encode("utf-8", "surrogatepass"))
    stranger.socket.close()


def test_worker_that_is_registered(site: LiveSite, space: str, session: requests.Session) -> None:
    """The same from a worker with a lease in hand, whose own request is ended by it in the end."""
    worker = Client(site)
    assert worker.register("Fuzzed", **v2("fuzzed"))["success"]
    submitted = site.submit(session, space, prompt="x")
    lease = held(worker.next())

    @fuzz
    @given(event=st.sampled_from(EVENTS[1:6]), message=MESSAGE, keeps=st.booleans())
    def try_all(event: str, message: Any, keeps: bool) -> None:
        if event in ("inference_result", "drain") and keeps:
            return
        if isinstance(message, dict) and keeps:
            message = {**message, **lease}
        text = json.dumps(message).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        answer = worker.call(event, json.loads(text))
        assert isinstance(answer, dict)
        assert answer.get("code") != "internal_error", (event, message)

    try_all()
    again = Client(site)
    assert again.register("Fuzzed", **v2("fuzzed", in_flight=[lease]))["success"]
    assert again.call("inference_result", {**lease, "status": "completed", "result": {}})["ok"]
    assert site.status(session, submitted["request_id"], wait=5)["status"] == "completed"
    worker.close()
    again.close()


ADDRESSES = [
    ("POST", "/websockets/submit/{space}"),
    ("POST", "/websockets/submit/{text}"),
    ("GET", "/websockets/status?request_id={text}&wait={text}"),
    ("POST", "/websockets/cancel/{text}"),
    ("POST", "/websockets/delete/{text}"),
    ("GET", "/websockets/rendered/{text}"),
    ("GET", "/websockets/stream?space_id={text}"),
    ("GET", "/websockets/files/{text}"),
    ("GET", "/websockets/work/files/{text}"),
    ("POST", "/websockets/work/results/{text}"),
    ("GET", "/requests?before={text}"),
    ("GET", "/requests/{text}"),
    ("GET", "/ai_project/{text}"),
    ("GET", "/login?next={text}"),
    ("POST", "/login"),
    ("POST", "/language"),
]


@fuzz
@given(
    address=st.sampled_from(ADDRESSES),
    text=TEXT,
    body=JSON,
    kind=st.sampled_from(
        ["application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]
    ),
    headers=st.dictionaries(
        st.sampled_from(
            ["Idempotency-Key", "Range", "If-None-Match", "Accept", "Accept-Language", "Cookie", "Referer"]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip),
        max_size=3,
    ),
)
def test_routes(
    site: LiveSite,
    space: str,
    session: requests.Session,
    address: tuple[str, str],
    text: str,
    body: Any,
    kind: str,
    headers: dict[str, str],
) -> None:
    method, path = address
    quoted = requests.utils.quote(text.encode("utf-8", "surrogatepass"), safe="")
    url = site.host + path.format(space=space, text=quoted)
    data = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = session.request(
        method,
        url,
        data=data,
        headers={**headers, "Content-Type": kind},
        allow_redirects=False,
        stream=True,
        timeout=60,
    )
    with answer:
        assert answer.status_code not in (500, 501, 502), (method, url, body)


PIECES = st.sampled_from(
    [
        b"--b\r\n",
        b"--b--\r\n",
        b"--b--",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b'Content-Disposition: form-data; name="prompt"',
        b'Content-Disposition: form-data; name="other_file"; filename="f"',
        b'Content-Disposition: form-data; name="other_file"; filename="../../x\\"',
        b"Content-Disposition: form-data; name*=utf-8''%ff; filename*=x''%00",
        b"Content-Disposition: form-data",
        b"Content-Type: text/plain; charset=nonsense",
        b"Content-Type: multipart/mixed; boundary=c",
        b"Content-Transfer-Encoding: base64",
        b"x" * 70_000,
        b"\x00\xff",
    ]
) | st.binary(max_size=40)


@fuzz
@given(pieces=st.lists(PIECES, max_size=25), boundary=st.sampled_from(["b", "", '"', "x" * 200, "b; charset=utf-16"]))
def test_upload_parser(
    site: LiveSite, space: str, session: requests.Session, pieces: list[bytes], boundary: str
) -> None:
    before = _files(site)
    kind = f"multipart/form-data; boundary={boundary}"
    url = f"{site.host}/websockets/submit/{space}"
    # An Idempotency-Key has the body read whether or not a worker is there.
    key = {"Idempotency-Key": os.urandom(8).hex()}
    answer = session.post(url, data=b"".join(pieces), headers={"Content-Type": kind, **key}, timeout=60)
    assert answer.status_code in (200, 400, 413, 429, 503), answer.text
    assert re.match(r"application/json", answer.headers["Content-Type"])
    if answer.status_code != 200:
        assert _files(site) == before


def _files(site: LiveSite) -> set[str]:
    return {path.name for path in (site.data_dir / "files").rglob("*") if path.is_file()}
