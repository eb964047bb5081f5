"""The mock app as a process: the testing guide's lines, its results, Ctrl+C and refusals."""

from __future__ import annotations

import hashlib
import io
import re
import signal
import socket
import wave
import zlib
from collections.abc import Callable

import pytest

from tests.conftest import LiveSite, Process, eventually, one_of_trials
from tests.worker.site import FakeSite
from tests.worker.wrong_servers import Answering

pytestmark = pytest.mark.slow
Mock = Callable[..., Process]
STAMP = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]"
AT_ONCE = ("--min-seconds", "0", "--max-seconds", "0")
QUICK = ("--min-seconds", "0.2", "--max-seconds", "0.2")
FOREVER = ("--min-seconds", "60", "--max-seconds", "60")


def test_start_as_in_the_guide(fake: FakeSite, mock: Mock) -> None:
    fake.response |= {"connection_id": "abc123def456", "space_id": "xyz789"}
    process = mock("--verbose")
    rule = "=" * 70
    lines = process.output.splitlines()
    assert lines[:8] == [
        rule,
        "  Mock WebSocket Inference App",
        rule,
        f"  Host: {fake.host}",
        "  Space: TestSpace_1",
        "  Verbose: True",
        rule,
        "",
    ]
    expected = [
        f"[INFO] Initializing connection to {fake.host}",
        "[INFO] Space name: TestSpace_1",
        f"[INFO] Connecting to {fake.host}...",
        "[✓] Socket.IO connection established",
        "[INFO] Sent registration for space: TestSpace_1",
        "[✓] Registration successful!",
        "[INFO] Connection ID: abc123def456",
        "[INFO] Space ID: xyz789",
        '[INFO] Successfully connected to space "TestSpace_1"',
        "[INFO] Request processor started",
    ]
    assert [re.sub(rf"^{STAMP} ", "", line) for line in lines[8:]] == expected
    assert all(re.match(STAMP, line) for line in lines[8:])


def test_queue_as_in_the_guide(fake: FakeSite, mock: Mock) -> None:
    fake.at_once = [("inference_request", fake.request(f"r{n}", "hello")) for n in (1, 2, 3)]
    process = mock(*QUICK)
    process.says("Result sent...", times=3)
    said = re.sub(rf"{STAMP} ", "", process.output)
    sizes = re.findall(r"\[REQUEST\] New inference request received\n  Queue size: (\d)", said)
    assert sizes == ["1", "2", "3"]
    assert re.findall(r"\[RESULT\] Result sent\.\.\.\n  Queue size: (\d)", said) == ["2", "1", "0"]
    for percent in (25, 50, 75, 100):
        assert said.count(f"  Progress: {percent}%\n") == 3
    assert said.index("[REQUEST]") < said.index("[INFO] Processing...") < said.index("[RESULT]")


def test_every_request_is_received_before_it_is_started_and_sent_after(fake: FakeSite, mock: Mock) -> None:
    """They come in on one thread and run on another, at once: the log keeps the order all the same."""
    fake.at_once = [("inference_request", fake.request(f"r{n}")) for n in range(200)]
    process = mock("--verbose", "--capacity", "200", *AT_ONCE)
    process.says("Result sent...", times=200)
    said = re.sub(rf"{STAMP} ", "", process.output)
    places = {
        n: [
            said.index(f"[REQUEST] New inference request received\n  Request ID: r{n}\n"),
            said.index(f"[INFO] Processing...\n  Request ID: r{n}\n"),
            said.index(f"[RESULT] Result sent...\n  Request ID: r{n}\n"),
        ]
        for n in range(200)
    }
    assert [n for n, found in places.items() if found != sorted(found)] == []
    assert said.index("Registration successful!") < min(found[0] for found in places.values())


def test_what_waited_for_the_worker_comes_right_behind_its_registration(
    site: LiveSite, start_mock: Callable[..., Process]
) -> None:
    space_id = site.make_space("Behind", ws_queue_while_offline="on")
    session = site.login()
    ids = [site.submit(session, space_id, prompt=str(number))["request_id"] for number in range(8)]
    mock = start_mock(site.host, "Behind", "--verbose", *AT_ONCE)
    for request_id in ids:
        assert site.status(session, request_id, wait=20)["status"] == "completed"
    mock.says("Result sent...", times=8)
    said = mock.output
    assert said.index("Request processor started") < said.index("New inference request received")
    assert [said.index(f"Request ID: {request_id}") for request_id in ids] == sorted(
        said.index(f"Request ID: {request_id}") for request_id in ids
    )


def test_result_as_in_the_guide(fake: FakeSite, mock: Mock) -> None:
    mock(*QUICK)
    fake.give("r1", "Generate a poem about cats")
    eventually(lambda: "r1" in fake.results())
    result = fake.results()["r1"]["result"]
    assert set(result) == {
        "text_output",
        "confidence",
        "model_used",
        "processing_time_seconds",
        "tokens_used",
        "timestamp",
    }
    assert "mock" in result["text_output"]
    assert "Generate a poem about cats" in result["text_output"]
    assert 0 <= result["confidence"] <= 1
    assert result["processing_time_seconds"] >= 0.2
    assert result["tokens_used"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", result["timestamp"])


def tone() -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\x00\x01" * 4000)
    return target.getvalue()


def test_files_are_logged_checked_and_reported(fake: FakeSite, mock: Mock) -> None:
    process = mock(*AT_ONCE)
    sound = tone()
    offered = fake.offer("tone.wav", sound, field="audio_file", kind="audio/wav")
    fake.give("r1", "listen", files=[offered])
    eventually(lambda: "r1" in fake.results())
    digest = hashlib.sha256(sound).hexdigest()
    [told] = fake.results()["r1"]["result"]["files_processed"]
    assert told == {
        "field": "audio_file",
        "name": "tone.wav",
        "content_type": "audio/wav",
        "size": len(sound),
        "sha256": digest,
        "verified": True,
        "duration_seconds": 0.5,
    }
    process.says(f"  File: tone.wav (audio_file, audio/wav, {len(sound)} bytes)\n  SHA-256: {digest}")
    process.says("  Verified: tone.wav (SHA-256 matches)")


def test_a_spoilt_file_is_a_failure(fake: FakeSite, mock: Mock) -> None:
    process = mock("--verbose", *AT_ONCE)
    fake.give("r1", files=[{**fake.offer("note.txt", b"hello"), "sha256": "0" * 64}])
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["status"] == "failed"
    process.says("  Status: failed")


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("draw a cat", ["picture.png"]),
        ("画一只猫", ["picture.png"]),
        ("say hello", ["sound.wav"]),
        ("an image with sound", ["picture.png", "sound.wav"]),
        ("withdraw, using an imaginary essay", []),
    ],
)
def test_pictures_and_sounds_on_demand(fake: FakeSite, mock: Mock, prompt: str, names: list[str]) -> None:
    mock(*AT_ONCE)
    fake.give("r1", prompt)
    eventually(lambda: "r1" in fake.results())
    assert [upload.name for upload in fake.uploads] == names
    for upload in fake.uploads:
        if upload.name.endswith(".png"):
            assert upload.content_type == "image/png"
            start = upload.body.index(b"IDAT")
            size = int.from_bytes(upload.body[start - 4 : start], "big")
            assert len(zlib.decompress(upload.body[start + 4 : start + 4 + size])) == 256 * (1 + 256 * 3)
        else:
            with wave.open(io.BytesIO(upload.body)) as sound:
                assert sound.getnframes() / sound.getframerate() > 0.5


def test_interrupt_ends_at_once_with_statistics(fake: FakeSite, mock: Mock) -> None:
    process = mock("--seed", "1", *AT_ONCE)
    for n in range(3):
        fake.give(f"r{n}", "hello")
    eventually(lambda: len(fake.results()) == 3)
    process.says("Result sent...", times=3)
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    for line in ("Requests received: 3", "Completed: 3", "Failed: 0"):
        assert line in process.output
    assert re.search(r"Processing time: \d+\.\d\d s in all, \d+\.\d\d s on average", process.output)
    assert re.search(r"Uptime: \d+\.\d s", process.output)
    assert "Traceback" not in process.output


def test_interrupt_while_processing_leaves_the_request_to_the_site(fake: FakeSite, mock: Mock) -> None:
    process = mock(*FOREVER)
    fake.give("r1", "hello")
    process.says("[INFO] Processing...")
    process.signal(signal.SIGINT)
    assert process.wait(30) == 0, "sooner than the minute that the request takes"
    eventually(lambda: fake.disconnects == 1)
    assert fake.results() == {}
    assert "Requests received: 1\n  Completed: 0\n  Failed: 0" in process.output


@one_of_trials
def test_terminate_finishes_what_runs(fake: FakeSite, mock: Mock) -> None:
    fake.frames.clear()
    process = mock("--min-seconds", "0.6", "--max-seconds", "0.6")
    fake.give("r1", "hello")
    fake.give("r2", "hello")
    process.says("[INFO] Processing...")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert list(fake.results()) == ["r1"]
    assert len(fake.of("drain")) == 1


def test_a_result_without_a_line_is_kept_and_said_to_be(fake: FakeSite, mock: Mock) -> None:
    process = mock("--min-seconds", "1", "--max-seconds", "1")
    fake.give("r1", "hello")
    process.says("[INFO] Processing...")
    fake.stop()
    process.says("[RESULT] Result kept; it is sent when the site is back")
    assert "Result sent..." not in process.output
    fake.start()
    process.says("[✓] Result of r1, which was kept, is recorded", within_s=30)


def test_failures_on_demand(fake: FakeSite, mock: Mock) -> None:
    process = mock("--fail-rate", "1", *AT_ONCE)
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert fake.results()["r1"]["status"] == "failed"
    assert "asked to fail" in fake.results()["r1"]["result"]["error"]
    process.says("[RESULT] Result sent")
    process.signal(signal.SIGINT)
    assert process.wait() == 0
    assert "Failed: 1" in process.output


def test_refusal_is_said_and_ends_the_mock(fake: FakeSite, mock: Mock) -> None:
    text = 'Multiple spaces with name found: "DuplicateName"; rename one of them'
    fake.refusals = [{"code": "space_name_ambiguous", "message": text}]
    process = mock(ready=False, space="DuplicateName")
    assert process.wait() == 1
    assert re.search(rf"{STAMP} \[ERROR\] Registration failed: Multiple spaces with name found", process.output)
    eventually(lambda: fake.disconnects == 1, what="the connection is closed")
    assert "Traceback" not in process.output


def test_absent_site_as_in_the_guide() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        process = Process("mock_app.py", "--host", host, "--spaces", "Test")
        try:
            process.says("ERROR Connection failed: Connection refused", times=2)
            process.signal(signal.SIGINT)
            assert process.wait() == 0
        finally:
            process.end()


@pytest.mark.parametrize("host", ["nonsense", "localhost:5001", "ftp://localhost"])
def test_what_is_no_address_is_refused_at_once(host: str) -> None:
    process = Process("mock_app.py", "--host", host, "--spaces", "Test")
    try:
        assert process.wait(30) == 2
        assert f"--host: {host!r} is no address of a site; it looks like http://localhost:5001" in process.output
    finally:
        process.end()


def test_something_else_at_the_address_is_told_in_one_line() -> None:
    server = Answering(lambda _path: (404, {"Content-Type": "text/html"}, b"<html>\n<h1>not here</h1>\n</html>"))
    process = Process("mock_app.py", "--host", server.host, "--spaces", "Test")
    try:
        process.says(
            "ERROR Connection failed: HTTP 404 was answered instead of opening a WebSocket: is that the address"
        )
        assert "<h1>" not in process.output
    finally:
        process.end()
        server.close()


def test_site_that_comes_back(fake: FakeSite, mock: Mock) -> None:
    process = mock(*AT_ONCE)
    fake.stop()
    process.says("ERROR Connection failed: Connection refused")
    fake.start()
    process.says("[✓] Registration successful!", times=2)


def test_token_from_the_environment(fake: FakeSite) -> None:
    arguments = ("mock_app.py", "--host", fake.host, "--spaces", "Test")
    process = Process(*arguments, environment={"SPACES_WORKER_TOKEN": "wsp_1_x"})
    try:
        process.says("Request processor started")
        assert fake.of("register")[0]["token"] == "wsp_1_x"
        assert "wsp_1_x" not in process.output
    finally:
        process.end()


@pytest.mark.parametrize(
    "flags",
    [
        ("--min-seconds", "3", "--max-seconds", "2"),
        ("--min-seconds", "-1"),
        ("--capacity", "0"),
        ("--fail-rate", "1.5"),
    ],
)
def test_flags_that_make_no_sense(fake: FakeSite, mock: Mock, flags: tuple[str, ...]) -> None:
    process = mock(*flags, ready=False)
    assert process.wait() == 2
    assert f"error: {flags[0]}" in process.output or "error: --min-seconds" in process.output
    assert fake.connects == 0
