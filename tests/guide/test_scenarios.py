"""The testing guide's five scenarios, with the real site, the real mock worker and a real browser."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import signal
import struct
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.conftest import LiveSite, Process, eventually, one_of_trials

pytestmark = pytest.mark.slow
Start = Callable[..., Process]
QUICK = ("--min-seconds", "0.4", "--max-seconds", "0.6")


@pytest.fixture
def page(browser: Browser, site: LiveSite) -> Iterator[Page]:
    """A Chinese browser, logged in as the test user; any script error fails the test."""
    context = browser.new_context(locale="zh-CN")
    errors: list[str] = []
    made = context.new_page()
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.on("console", lambda line: errors.append(line.text) if "Content Security Policy" in line.text else None)
    made.goto(f"{site.host}/login")
    made.fill("#username", "testuser")
    made.fill("#password", "testpass123")
    made.click("main button")
    made.wait_for_url(f"{site.host}/")
    yield made
    context.close()
    assert errors == []


def test_single_request(site: LiveSite, start_mock: Start, page: Page) -> None:
    space_id = site.make_space("Scenario1")
    mock = start_mock(site.host, "Scenario1", "--verbose", *QUICK)
    page.goto(f"{site.host}/ai_project/{space_id}")
    expect(page.locator("#badge")).to_have_text("✓ 已连接")
    expect(page.locator("#queue")).to_have_text("队列大小: 0")
    page.fill("#prompt", "Generate a poem about cats")
    page.click("#send")
    answer = page.locator(".request .answer")
    expect(answer).to_contain_text("This is a mock answer to: Generate a poem about cats")
    expect(page.locator(".request .state")).to_have_text("已完成")
    mock.says("[REQUEST] New inference request received")
    for percent in (25, 50, 75, 100):
        mock.says(f"Progress: {percent}%")
    mock.says("[RESULT] Result sent")


def test_concurrent_requests(site: LiveSite, start_mock: Start) -> None:
    space_id = site.make_space("Scenario2")
    mock = start_mock(site.host, "Scenario2", "--verbose", *QUICK)
    sessions = [site.login("testuser", "testpass123") for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        submitted = list(pool.map(lambda session: site.submit(session, space_id, prompt="together"), sessions))
    ended = [site.status(s, r["request_id"], wait=20) for s, r in zip(sessions, submitted, strict=True)]
    assert [status["status"] for status in ended] == ["completed"] * 3
    runs = sorted((status["started_at"], status["finished_at"], status["queued_at"]) for status in ended)
    assert all(
        earlier[1] <= later[0] or earlier[1][:21] <= later[0][:21] for earlier, later in itertools.pairwise(runs)
    )
    assert [run[2] for run in runs] == sorted(run[2] for run in runs)
    begun = re.findall(r"Processing\.\.\.\n  Request ID: (\w+)", mock.output)
    received = re.findall(r"received\n  Request ID: (\w+)", mock.output)
    assert begun == received
    assert sorted(begun) == sorted(r["request_id"] for r in submitted)


def tone() -> bytes:
    """A second of sound."""
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"".join(struct.pack("<h", (i * 37) % 8000) for i in range(8000)))
    return target.getvalue()


def test_request_with_files(site: LiveSite, start_mock: Start, page: Page) -> None:
    space_id = site.make_space("Scenario3", ws_enable_audio="on", ws_enable_video="on", ws_enable_file_upload="on")
    mock = start_mock(site.host, "Scenario3", *QUICK)
    sound = tone()
    digest = hashlib.sha256(sound).hexdigest()
    page.goto(f"{site.host}/ai_project/{space_id}")
    page.fill("#prompt", "draw and sing")
    page.set_input_files("#audio_file", {"name": "声音 tone.wav", "mimeType": "audio/wav", "buffer": sound})
    page.set_input_files("#other_file", {"name": "note.txt", "mimeType": "text/plain", "buffer": b"hello"})
    page.click("#send")
    expect(page.locator(".request .state")).to_have_text("已完成")
    expect(page.locator(".request .answer")).to_contain_text("声音 tone.wav")
    expect(page.locator(".request [data-part=json]")).to_contain_text(digest)
    image = page.locator(".files img")
    expect(image).to_be_visible()
    eventually(lambda: image.evaluate("image => image.naturalWidth") == 256, what="the picture is shown")
    player = page.locator(".files audio")
    eventually(lambda: player.evaluate("audio => audio.duration") > 0.5, what="the sound can be played")
    mock.says("File: 声音 tone.wav (audio_file, audio/wav")
    mock.says(f"SHA-256: {digest}")
    mock.says("Verified: 声音 tone.wav (SHA-256 matches)")


def open_space(page: Page, site: LiveSite, space_id: str) -> None:
    """Open a space and wait for its stream: only with it does the page learn of a change at once."""
    with page.expect_response(lambda response: "/websockets/stream" in response.url):
        page.goto(f"{site.host}/ai_project/{space_id}")


def test_disconnection_and_recovery(site: LiveSite, start_mock: Start, page: Page) -> None:
    space_id = site.make_space("Scenario4")
    open_space(page, site, space_id)
    badge, form = page.locator("#badge"), page.locator("#send")
    mocks: list[Process] = []

    @one_of_trials
    def comes_and_goes() -> None:
        """Each time the page shows it within a second."""
        for mock in mocks:
            mock.signal(signal.SIGKILL)
        expect(badge).to_have_text("✗ 未连接")
        mocks[:] = [start_mock(site.host, "Scenario4", *QUICK)]
        expect(badge).to_have_text("✓ 已连接", timeout=1000)
        expect(form).to_be_enabled()
        mock = mocks.pop()
        mock.signal(signal.SIGINT)
        assert mock.wait() == 0
        expect(badge).to_have_text("✗ 未连接", timeout=1000)
        expect(form).to_be_disabled()
        assert "Statistics" in mock.output

    comes_and_goes()
    answer = site.login().post(f"{site.host}/websockets/submit/{space_id}", data={"prompt": "x"})
    assert answer.status_code == 503
    assert answer.json()["success"] is False
    assert "remote app not connected" in answer.json()["error"]
    start_mock(site.host, "Scenario4", *QUICK)
    expect(form).to_be_enabled()
    page.fill("#prompt", "again")
    page.click("#send")
    expect(page.locator(".request .state").first).to_have_text("已完成")


def test_killed_worker_turns_the_badge(site: LiveSite, start_mock: Start, page: Page) -> None:
    space_id = site.make_space("Scenario4b")
    open_space(page, site, space_id)

    @one_of_trials
    def turns() -> None:
        """Within a second."""
        mock = start_mock(site.host, "Scenario4b", *QUICK)
        expect(page.locator("#badge")).to_have_text("✓ 已连接")
        mock.signal(signal.SIGKILL)
        mock.wait()
        expect(page.locator("#badge")).to_have_text("✗ 未连接", timeout=1000)

    turns()


def test_duplicate_names(site: LiveSite, start_mock: Start) -> None:
    site.make_space("DuplicateName")
    other = site.make_space("DuplicateName")
    mock = start_mock(site.host, "DuplicateName", ready=False)
    assert mock.wait() == 1
    assert "Multiple spaces with name found" in mock.output
    assert not site.connected(other)


def test_second_worker_is_refused(site: LiveSite, start_mock: Start) -> None:
    space_id = site.make_space("OnlyOne")
    first = start_mock(site.host, "OnlyOne")
    second = start_mock(site.host, "OnlyOne", ready=False)
    assert second.wait() == 1
    assert "already has a connected worker" in second.output
    assert first.exit_code is None
    assert site.connected(space_id)


def test_guides_own_scripts(site: LiveSite, start_mock: Start) -> None:
    """The load snippet and the end of the end-to-end script, as printed in the guide."""
    space_id = site.make_space("Scripts")
    start_mock(site.host, "Scripts", "--min-seconds", "0", "--max-seconds", "0")
    host = site.host

    def send_request(i: int) -> dict[str, object]:
        with requests.Session() as s:
            s.post(f"{host}/login", data={"username": "testuser", "password": "testpass123"})
            r = s.post(f"{host}/websockets/submit/{space_id}", data={"prompt": f"Request {i}"})
            body: dict[str, object] = r.json()
            return body

    with ThreadPoolExecutor(max_workers=5) as executor:
        results = list(executor.map(send_request, range(10)))
    assert sum(1 for r in results if r.get("success")) == 10
    session = site.login("testuser", "testpass123")
    request_id = results[0]["request_id"]
    eventually(lambda: session.get(f"{host}/websockets/status?request_id={request_id}").json()["status"] == "completed")
