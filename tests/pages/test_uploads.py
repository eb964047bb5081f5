"""Choosing and sending files in the page of a space: names, sizes, how far, and out again."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import LiveSite, one_of_trials

pytestmark = pytest.mark.slow
SLOW_UPLOAD = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 400_000}
DROP = """files => {
    const dataTransfer = new DataTransfer();
    for (const [name, type] of files) dataTransfer.items.add(new File(["abc"], name, {type}));
    const form = document.getElementById("ask");
    const drag = kind => new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true});
    for (const kind of ["dragover", "drop"]) form.dispatchEvent(drag(kind));
}"""


def chosen(name: str, size: int) -> dict[str, object]:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": b"x" * size}


@pytest.fixture
def space_page(site: LiveSite, page: Page) -> Page:
    """The page of a space that takes files of every kind; no worker is needed to take them."""
    switches = {f"ws_enable_{kind}": "on" for kind in ("audio", "video", "file_upload")}
    space_id = site.make_space("Uploads", ws_queue_while_offline="on", **switches)
    page.goto(f"{site.host}/ai_project/{space_id}")
    return page


def slow_down(page: Page) -> None:
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW_UPLOAD)


def test_chosen_files_are_listed_and_taken_out_again(space_page: Page) -> None:
    page = space_page
    page.set_input_files("#other_file", [chosen("one.bin", 2048), chosen("two.bin", 100)])  # type: ignore[list-item]
    expect(page.locator("#other_file-chosen li span")).to_have_text(["one.bin (2.0 KB)", "two.bin (100 B)"])
    expect(page.locator("#chosen-total")).to_have_text("2.1 KB chosen.")
    page.get_by_role("button", name="Remove one.bin").click()
    expect(page.locator("#other_file-chosen li span")).to_have_text(["two.bin (100 B)"])
    page.click("#send")
    expect(page.locator(".request .attached")).to_have_text("two.bin (100 B)")
    expect(page.locator("#other_file-chosen")).to_be_hidden()
    expect(page.locator("#chosen-total")).to_have_text("")


def test_dropped_files_find_their_field(space_page: Page) -> None:
    page = space_page
    page.evaluate(DROP, [["a.wav", "audio/wav"], ["b.webm", "video/webm"], ["c.txt", "text/plain"], ["d.txt", ""]])
    expect(page.locator("#audio_file-chosen li")).to_have_count(1)
    expect(page.locator("#video_file-chosen li")).to_contain_text("b.webm")
    expect(page.locator("#other_file-chosen li")).to_have_count(2)


def test_too_much_is_told_before_it_is_sent(space_page: Page) -> None:
    page = space_page
    page.evaluate("document.getElementById('ask').dataset.most = '1000'")
    page.set_input_files("#other_file", chosen("big.bin", 2000))  # type: ignore[arg-type]
    expect(page.locator("#chosen-total")).to_have_class("ask-note is-bad")
    page.click("#send")
    expect(page.locator("#ask-note")).to_have_text("The files are too large.")
    expect(page.locator(".request")).to_have_count(0)


def test_upload_tells_how_far_it_is(space_page: Page) -> None:
    page = space_page
    slow_down(page)

    @one_of_trials
    def tells() -> None:
        """In the two seconds that it takes."""
        page.reload()
        page.set_input_files("#other_file", chosen("big.bin", 900_000))  # type: ignore[arg-type]
        page.click("#send")
        note = page.locator("#ask-note")
        expect(page.locator("#upload")).to_be_visible(timeout=2000)
        expect(note).to_contain_text("Uploading: ", timeout=2000)
        expect(note).to_contain_text("KB of 879", timeout=2000)
        expect(note).to_have_attribute("aria-live", "off", timeout=2000)  # not every step is read out

    tells()
    expect(page.locator(".attached").first).to_contain_text("big.bin")
    expect(page.locator("#upload")).to_be_hidden()
    expect(page.locator("#stop")).to_be_hidden()


def test_upload_is_stopped(space_page: Page, site: LiveSite) -> None:
    page = space_page
    page.set_input_files("#other_file", chosen("big.bin", 2_000_000))  # type: ignore[arg-type]
    page.fill("#prompt", "stays")
    slow_down(page)
    page.click("#send")
    page.get_by_role("button", name="Stop the upload").click()
    expect(page.locator("#ask-note")).to_have_text("Upload stopped. Nothing was sent.")
    expect(page.locator("#send")).to_be_enabled()
    expect(page.locator("#prompt")).to_have_value("stays")
    expect(page.locator("#other_file-chosen li")).to_have_count(1)
    page.reload()
    expect(page.locator("#none")).to_be_visible()


def test_file_is_chosen_by_keyboard(space_page: Page) -> None:
    page = space_page
    page.on("filechooser", lambda _: None)  # from here on the browser tells of it instead of opening a dialog
    page.focus("#prompt")
    page.keyboard.press("Tab")
    expect(page.locator("#audio_file")).to_be_focused()
    outline = page.locator("label[for=audio_file]").evaluate("label => getComputedStyle(label).outlineStyle")
    assert outline == "solid"
    with page.expect_file_chooser():
        page.keyboard.press("Enter")
