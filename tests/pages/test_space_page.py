"""The page of a space in a real browser: what becomes of a request is seen as it happens."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import LiveSite, eventually, one_of_trials
from tests.pages.conftest import OpenPage, StartWorker, log_in

pytestmark = pytest.mark.slow
ECHO = 'def handler(job): return {"text_output": job.prompt, "confidence": 0.5, "note": "seen"}'
HELD = "def handler(job):\n    job.progress(0.4, 'reading')\n    while not job.cancelled: job.sleep(0.05)\n"
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
GROWING = """
def handler(job):
    yield "Once upon "
    yield "a time"
    while not job.cancelled: job.sleep(0.05)
"""
RETURNS = """
import base64, pathlib, tempfile
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
def handler(job):
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "dot.png").write_bytes(base64.b64decode(DOT))
    (folder / "page.html").write_text("<script>alert(1)</script>")
    return Result({"text_output": "here"}, [folder / "dot.png", folder / "page.html"])
"""
LATE = """
def handler(job):
    while not pathlib.Path({go!r}).exists(): job.sleep(0.05)
    return {{"text_output": "late"}}
"""


def serve(site: LiveSite, start_worker: StartWorker, name: str, body: str = ECHO, **fields: str) -> str:
    space_id = site.make_space(name, **fields)
    start_worker(site, space_id, name, body)
    eventually(lambda: site.connected(space_id), what=f"{name} is connected")
    return space_id


def ask(page: Page, prompt: str) -> None:
    page.fill("#prompt", prompt)
    page.click("#send")


def test_result_is_shown_as_text_only(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Hostile")
    page.goto(f"{site.host}/ai_project/{space_id}")
    hostile = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    ask(page, hostile)
    expect(page.locator(".request .answer")).to_have_text(hostile)
    expect(page.locator(".request .state")).to_have_text("Done")
    expect(page.locator(".request img, .request script")).to_have_count(0)
    expect(page).to_have_title(re.compile("^Hostile"))
    facts = page.locator(".facts")
    expect(facts).to_contain_text("Confidence")
    expect(facts).to_contain_text("seen")
    expect(page.locator("#prompt")).to_have_value("")
    expect(page.locator("#announcer")).to_contain_text("Done")


def test_running_request_is_seen_and_cancelled(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Held", HELD)
    page.goto(f"{site.host}/ai_project/{space_id}")
    page.fill("#prompt", "hold on")
    page.press("#send", "Enter")
    card = page.locator(".request")
    expect(card.locator(".request-message")).to_have_text("reading")
    expect(page.locator("#send")).to_be_focused()
    expect(card.locator("progress")).to_have_attribute("value", "40")
    expect(card.locator(".state")).to_have_text("Running")
    card.get_by_role("button", name="Cancel").press("Enter")
    expect(card.locator(".state")).to_have_text("Cancelled")
    expect(card.get_by_role("button", name="Ask again")).to_be_focused()
    expect(card.locator(".request-error")).to_contain_text("You cancelled it. cancelled_by_user")
    card.get_by_role("button", name="Ask again").click()
    expect(page.locator("#prompt")).to_have_value("hold on")


def test_place_in_the_queue_moves_up(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Busy", HELD)
    page.goto(f"{site.host}/ai_project/{space_id}")
    cards = page.locator(".request")
    for prompt in ("first", "second", "third"):
        ask(page, prompt)
        expect(cards.filter(has_text=prompt)).to_have_count(1)
    expect(page.locator("#queue")).to_have_text("Queue size: 3")
    expect(cards.filter(has_text="third").locator(".request-note")).to_have_text("Place 2 in the queue")
    cards.filter(has_text="second").get_by_role("button", name="Cancel").click()
    expect(cards.filter(has_text="third").locator(".request-note")).to_have_text("Place 1 in the queue")
    cards.filter(has_text="first").get_by_role("button", name="Cancel").click()
    expect(cards.filter(has_text="third").locator(".state")).to_have_text("Running")


def test_text_is_seen_as_it_grows(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Growing", GROWING)
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "tell me")
    expect(page.locator(".request .answer")).to_have_text("Once upon a time")
    expect(page.locator(".request .state")).to_have_text("Running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".request .state")).to_have_text("Cancelled")
    expect(page.locator(".request .answer")).to_have_text("Once upon a time")


def test_second_attempt_is_told(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = site.make_space("Lost")
    first = start_worker(site, space_id, "Lost", HELD)
    eventually(lambda: site.connected(space_id))
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "try")
    expect(page.locator(".request-message")).to_have_text("reading")
    first.signal(signal.SIGKILL)
    note = page.locator(".request-note")
    expect(note).to_have_text(
        re.compile("^Back in the queue after attempt 1 of 3, because the connection to the worker broke · Place 1")
    )
    start_worker(site, space_id, "Lost", HELD)
    expect(note).to_have_text(re.compile("^Attempt 2 of 3, because the connection to the worker broke"))


def test_returned_files_are_shown(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Returns", RETURNS)
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "files please")
    image = page.locator(".files img")
    expect(image).to_have_attribute("alt", "dot.png")
    eventually(lambda: image.evaluate("image => image.naturalWidth") == 1, what="the picture is shown")
    links = page.locator(".files a")
    expect(links).to_have_count(2)
    with page.expect_download() as download:
        links.filter(has_text="page.html").click()
    assert download.value.suggested_filename == "page.html"


def test_failure_is_told_with_its_code(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Failing", "def handler(job): raise ValueError('no such voice')")
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "sing")
    error = page.locator(".request-error")
    expect(error).to_contain_text("The model reported an error.")
    expect(error).to_contain_text("no such voice")
    expect(error.locator("code")).to_have_text("worker_error")
    ask(page, "sing once more")
    expect(error).to_have_count(2)
    expect(page.locator(".request .state")).to_have_text(["Failed", "Failed"])
    page.reload()
    # Of requests before the newest the answer is folded away, but not why there is none.
    expect(page.locator(".request-error:visible")).to_have_count(2)
    expect(page.get_by_role("button", name="Show the answer")).to_have_count(0)


def test_lasting_page_and_list(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Lasting")
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "to be kept")
    expect(page.locator(".request .state")).to_have_text("Done")
    page.goto(f"{site.host}/requests")
    page.locator(".rows a", has_text="to be kept").click()
    expect(page.locator(".request .answer")).to_have_text("to be kept")
    page.get_by_role("button", name="Ask again").click()
    page.wait_for_url(f"**/ai_project/{space_id}")
    expect(page.locator("#prompt")).to_have_value("to be kept")


def test_older_answers_are_folded(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Folded")
    session = site.login("testuser", "testpass123")
    for prompt in ("first", "second"):
        site.status(session, site.submit(session, space_id, prompt=prompt)["request_id"], wait=10)
    page.goto(f"{site.host}/ai_project/{space_id}")
    answers = page.locator(".request .answer")
    expect(answers.nth(0)).to_have_text("second")
    expect(answers.nth(1)).to_be_hidden()
    page.get_by_role("button", name="Show the answer").click()
    expect(answers.nth(1)).to_have_text("first")


def test_too_soon_counts_down(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Slowly", ws_rate_limit_seconds="2")
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "one")
    expect(page.locator(".request")).to_have_count(1)

    @one_of_trials
    def too_soon() -> None:
        """After each that is taken, within two seconds."""
        before = page.locator(".request").count()
        ask(page, "two")
        expect(page.locator("#ask-note")).to_contain_text("Too soon: try again in", timeout=2000)
        expect(page.locator("#send")).to_be_disabled(timeout=2000)
        assert page.locator(".request").count() == before

    too_soon()
    expect(page.locator("#send")).to_be_enabled()
    before = page.locator(".request").count()
    expect(page.locator("#prompt")).to_have_value("two")
    page.click("#send")
    expect(page.locator(".request")).to_have_count(before + 1)


def test_empty_and_wrong_fields_are_marked(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Marked", ws_enable_audio="on")
    page.goto(f"{site.host}/ai_project/{space_id}")
    page.click("#send")
    expect(page.locator("#ask-note")).to_have_text("Write a prompt or choose a file first.")
    expect(page.locator("#prompt")).to_have_attribute("aria-invalid", "true")
    page.fill("#audio_url", "ftp://example.org/a.wav")
    page.click("#send")
    expect(page.locator("#ask-note")).to_have_text("The address of a sound begins with http:// or https://.")
    expect(page.locator("#audio_url")).to_have_attribute("aria-invalid", "true")


def test_fields_are_there_only_when_enabled(site: LiveSite, page: Page) -> None:
    bare = site.make_space("Bare")
    page.goto(f"{site.host}/ai_project/{bare}")
    expect(page.locator("#ask [name]")).to_have_count(1)
    expect(page.locator("#fields")).to_have_js_property("disabled", True)
    expect(page.locator("#offline")).to_contain_text("The remote app is not connected")
    full = site.make_space("Full", **{f"ws_enable_{kind}": "on" for kind in ("audio", "video", "file_upload")})
    page.goto(f"{site.host}/ai_project/{full}")
    names = page.locator("#ask [name]").evaluate_all("fields => fields.map(field => field.name)")
    assert names == ["prompt", "audio_file", "video_file", "other_file", "audio_url"]


def test_without_the_stream_the_page_asks(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Polled")
    page.route("**/websockets/stream*", lambda route: route.abort())
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "asked for")
    expect(page.locator(".request .answer")).to_have_text("asked for")


def test_hidden_page_is_silent_and_asks_when_back(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    name = "Hidden"
    space_id = site.make_space(name)
    worker = start_worker(site, space_id, name, ECHO)
    eventually(lambda: site.connected(space_id))
    page.goto(f"{site.host}/ai_project/{space_id}")
    badge = page.locator("#badge")
    expect(badge).to_have_text("✓ Connected")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(HIDE, True)
    worker.signal(signal.SIGKILL)
    eventually(lambda: not site.connected(space_id))
    expect(badge).to_have_text("✓ Connected")
    assert asked == []
    page.evaluate(HIDE, False)
    expect(badge).to_have_text("✗ Not connected")


def test_ended_login_is_told_with_a_way_back(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Ended")
    page.goto(f"{site.host}/ai_project/{space_id}")
    page.fill("#prompt", "kept")
    page.context.clear_cookies()
    page.click("#send")
    note = page.locator("#ask-note")
    expect(note).to_contain_text("Your login has ended.")
    expect(note.locator("a")).to_have_attribute("href", f"/login?next=%2Fai_project%2F{space_id}")
    expect(page.locator("#prompt")).to_have_value("kept")


def test_deleted_space_is_told(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Deleted")
    page.goto(f"{site.host}/ai_project/{space_id}")
    expect(page.locator("#badge")).to_have_text("✓ Connected")
    site.login().post(f"{site.host}/admin/space/delete/{space_id}")
    expect(page.locator("#offline")).to_have_text("This space is not there any more.")
    expect(page.locator("#badge")).to_have_text("✗ Not connected")


def test_who_was_writing_goes_on_when_the_worker_is_back(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = site.make_space("Writing")
    worker = start_worker(site, space_id, "Writing", ECHO)
    eventually(lambda: site.connected(space_id))
    page.goto(f"{site.host}/ai_project/{space_id}")
    page.locator("#prompt").press_sequentially("half a ")
    worker.signal(signal.SIGKILL)
    expect(page.locator("#fields")).to_have_js_property("disabled", True)
    start_worker(site, space_id, "Writing", ECHO)
    expect(page.locator("#fields")).to_have_js_property("disabled", False)
    page.keyboard.type("sentence")
    expect(page.locator("#prompt")).to_have_value("half a sentence")


def test_site_killed_and_back(
    own_site: LiveSite, start_worker: StartWorker, open_page: OpenPage, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    own_site.start()
    page = open_page()
    log_in(page, own_site)
    space_id = serve(own_site, start_worker, "Back", "import pathlib\n" + LATE.format(go=str(go)))
    page.goto(f"{own_site.host}/ai_project/{space_id}")
    ask(page, "wait for it")
    expect(page.locator(".request .state")).to_have_text("Running")
    own_site.kill()
    expect(page.locator("#offline")).to_contain_text("The site cannot be reached just now.")
    expect(page.locator("#badge")).to_have_text("✗ Not connected")
    page.fill("#prompt", "written meanwhile")
    go.touch()
    own_site.start()
    expect(page.locator(".request .answer")).to_have_text("late")
    expect(page.locator("#badge")).to_have_text("✓ Connected")
    expect(page.locator("#send")).to_be_enabled()
    expect(page.locator("#prompt")).to_have_value("written meanwhile")


def test_going_back_finds_what_was_asked_since_the_page_was_opened(
    site: LiveSite, start_worker: StartWorker, page: Page
) -> None:
    space_id = serve(site, start_worker, "Left and found")
    page.goto(f"{site.host}/ai_project/{space_id}")
    for prompt in ("first", "second"):
        ask(page, prompt)
        expect(page.locator(".request .answer").first).to_have_text(prompt)
    page.fill("#prompt", "a draft")
    page.goto(f"{site.host}/requests")
    page.go_back()
    expect(page.locator(".request .request-prompt")).to_have_text(["second", "first"])
    expect(page.locator("#none")).to_be_hidden()
    expect(page.locator("#prompt")).to_have_value("a draft")


def test_going_back_after_logging_out_shows_nothing_of_the_login(site: LiveSite, page: Page) -> None:
    page.goto(f"{site.host}/requests")
    page.locator("header").get_by_text("Log out").click()
    page.wait_for_url(f"{site.host}/")
    page.go_back()
    page.wait_for_url(re.compile("/login"))
