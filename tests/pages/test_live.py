"""What a page may not do: hold a stream it does not need, miss an end, or need what a browser refuses."""

from __future__ import annotations

import re
import signal

import pytest
import requests
from playwright.sync_api import Page, Request, Route, expect

from tests.conftest import LiveSite, eventually
from tests.pages.conftest import OpenPage, StartWorker, log_in

pytestmark = pytest.mark.slow
ECHO = 'def handler(job): return {"text_output": job.prompt}'
HELD = "def handler(job):\n    job.progress(0.4, 'reading')\n    while not job.cancelled: job.sleep(0.05)\n"
DEEP = f"CAPACITY = 3\n{HELD}"
MEASURED = """
def handler(job):
    while job.prompt == "hold" and not job.cancelled: job.sleep(0.05)
    job.sleep(0.2)
    return {}
"""
STEPS = """
def handler(job):
    for step in range(10):
        job.sleep(0.05)
        job.progress(step / 10, f"step {step}")
        yield f"word {step} "
"""
LISTEN = """() => {
    window.heard = [];
    const note = (records) => {
        for (const {target} of records) {
            const region = (target.nodeType === 1 ? target : target.parentElement)?.closest("[aria-live]");
            const text = region?.textContent.trim();
            if (text && region.getAttribute("aria-live") === "polite") heard.push(text);
        }
    };
    new MutationObserver(note).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
COUNT_STREAMS = """
window.streams = [];
const Real = window.EventSource;
window.EventSource = class extends Real { constructor(...rest) { super(...rest); window.streams.push(this); } };
"""
OPEN_STREAMS = "window.streams.filter(stream => stream.readyState !== EventSource.CLOSED).length"
NO_STORAGE = """
for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(window, name, {get() { throw new DOMException("denied", "SecurityError"); }});
}
"""


def serve(site: LiveSite, start_worker: StartWorker, name: str, body: str) -> str:
    space_id = site.make_space(name)
    start_worker(site, space_id, name, body)
    eventually(lambda: site.connected(space_id), what=f"{name} is connected")
    return space_id


def ask(page: Page, prompt: str) -> None:
    page.fill("#prompt", prompt)
    page.click("#send")


def test_one_stream_a_page_and_none_while_hidden(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    page.add_init_script(COUNT_STREAMS)
    space_id = serve(site, start_worker, "Streams", HELD)
    page.goto(f"{site.host}/ai_project/{space_id}")
    for prompt in ("first", "second", "third"):
        ask(page, prompt)
        expect(page.locator(".request", has_text=prompt)).to_have_count(1)
        eventually(lambda: page.evaluate(OPEN_STREAMS) == 1)
    expect(page.locator(".request", has_text="first").locator(".state")).to_have_text("Running")
    eventually(lambda: page.evaluate(OPEN_STREAMS) == 1)
    page.evaluate(HIDE, True)
    assert page.evaluate(OPEN_STREAMS) == 0
    page.evaluate(HIDE, False)
    assert page.evaluate(OPEN_STREAMS) == 1
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert page.evaluate(OPEN_STREAMS) == 0
    for card in page.locator(".request").all():
        card.get_by_role("button", name="Cancel").click()


def test_many_pages_left_one_after_another_keep_no_places(
    site: LiveSite, start_worker: StartWorker, page: Page
) -> None:
    space_id = serve(site, start_worker, "Left", ECHO)
    refused: list[int] = []
    page.on("response", lambda response: refused.append(response.status) if response.status == 429 else None)
    for _ in range(12):
        with page.expect_response("**/websockets/stream*"):
            page.goto(f"{site.host}/ai_project/{space_id}")
    assert refused == []


def test_end_that_came_while_away_is_seen_on_return(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Return", HELD)
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "leave it")
    expect(page.locator(".percent")).to_have_text("40%")
    request_id = page.locator(".request .link").get_attribute("href")
    assert request_id
    page.evaluate(HIDE, True)
    session = site.login("testuser", "testpass123")
    session.post(f"{site.host}/websockets/cancel/{request_id.rsplit('/', 1)[-1]}")
    expect(page.locator(".request .state")).to_have_text("Running")
    page.evaluate(HIDE, False)
    expect(page.locator(".request .state")).to_have_text("Cancelled")


def test_end_that_came_without_a_network_is_seen_with_it(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Cable", HELD)
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "pull it")
    expect(page.locator(".request .state")).to_have_text("Running")
    href = page.locator(".request .link").get_attribute("href")
    assert href
    page.context.set_offline(True)
    session = site.login("testuser", "testpass123")
    session.post(f"{site.host}/websockets/cancel/{href.rsplit('/', 1)[-1]}")
    expect(page.locator("#offline")).to_contain_text("The site cannot be reached just now.")
    page.context.set_offline(False)
    expect(page.locator(".request .state")).to_have_text("Cancelled")


def test_a_browser_whose_clock_is_wrong_counts_right(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Clocks", HELD)
    page.add_init_script("const right = Date.now; Date.now = () => right() + 3600_000;")
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "how long")
    expect(page.locator(".request .state")).to_have_text("Running")
    expect(page.locator(".request-time")).to_have_text(re.compile(r"^running \d+ s$"))
    page.locator(".request").get_by_role("button", name="Cancel").click()


def test_finished_request_is_asked_for_no_more(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Quiet", ECHO)
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "done soon")
    expect(page.locator(".request .state")).to_have_text("Done")
    href = page.locator(".request .link").get_attribute("href")
    asked: list[str] = []
    page.add_init_script(COUNT_STREAMS)

    def note(request: Request) -> None:
        if not request.url.endswith(("/websockets/stream", "/inbox", "/inbox/read")):  # the bell's own
            asked.append(request.url)

    page.goto(f"{site.host}{href}")
    expect(page.locator(".request .answer")).to_have_text("done soon")
    expect(page.locator("[data-part=finished_at]")).not_to_have_text("–")
    eventually(lambda: page.evaluate(OPEN_STREAMS) == 1, what="only the bell listens")
    expect(page.locator(".request .link")).to_be_hidden()
    page.on("request", note)
    page.wait_for_timeout(3200)  # two rounds of asking, were there any
    assert asked == []


def test_list_of_requests_stays_true(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Followed", HELD)
    session = site.login("testuser", "testpass123")
    ids = [site.submit(session, space_id, prompt=f"followed {n}")["request_id"] for n in range(2)]
    page.goto(f"{site.host}/requests")
    states = page.locator(".rows li", has_text="followed").locator(".state")
    expect(states).to_have_text(["Queued", "Running"])
    session.post(f"{site.host}/websockets/cancel/{ids[0]}")
    expect(states).to_have_text(["Running", "Cancelled"])
    session.post(f"{site.host}/websockets/cancel/{ids[1]}")
    expect(states).to_have_text(["Cancelled", "Cancelled"])


def test_pages_work_where_storage_is_refused(site: LiveSite, start_worker: StartWorker, open_page: OpenPage) -> None:
    space_id = serve(site, start_worker, "No storage", ECHO)
    page = open_page(theme="dark")
    page.add_init_script(NO_STORAGE)
    log_in(page, site)
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    page.click("#theme-switch")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "light"
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "no storage")
    expect(page.locator(".request .answer")).to_have_text("no storage")
    page.locator(".request .link").click()
    page.get_by_role("button", name="Ask again").click()
    page.wait_for_url("**/ai_project/*")
    expect(page.locator("#prompt")).to_be_visible()


def test_space_without_a_worker_has_no_badge(site: LiveSite, open_page: OpenPage) -> None:
    space_id = site.make_space("Only told of", card_type="link", description="Who we are.")
    page = open_page()
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/ai_project/{space_id}")
    expect(page.locator(".lead")).to_have_text("Who we are.")
    for address in (f"/ai_project/{space_id}", "/", "/admin/", f"/admin/space/edit/{space_id}"):
        page.goto(site.host + address)
        place = page.locator(f"[data-space='{space_id}']") if address in ("/", "/admin/") else page.locator("main")
        expect(place).to_contain_text("Description only")
        expect(place.locator(".badge-state")).to_have_count(0)


def test_cover_that_cannot_be_drawn_becomes_initials(site: LiveSite, page: Page) -> None:
    for name, cover in (("Drawn Well", "é"), ("Not Drawn", "\U000fa3b8"), ("没有字体", "\U000fa3b8")):
        site.make_space(name, cover=cover, cover_type="emoji")
    page.goto(site.host)
    card = page.locator(".card-space")
    expect(card.filter(has_text="Drawn Well").locator(".cover-emoji")).to_be_visible()
    expect(card.filter(has_text="Drawn Well").locator(".cover-initials")).to_be_hidden()
    expect(card.filter(has_text="Not Drawn").locator(".cover-initials")).to_have_text("ND")
    expect(card.filter(has_text="Not Drawn").locator(".cover-initials")).to_be_visible()
    expect(card.filter(has_text="没有字体").locator(".cover-initials")).to_have_text("没")


def test_space_that_queues_while_offline_says_so(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = site.make_space("Patient", ws_queue_while_offline="on")
    first = start_worker(site, space_id, "Patient", ECHO)
    eventually(lambda: site.connected(space_id))
    page.goto(f"{site.host}/ai_project/{space_id}")
    expect(page.locator("#badge")).to_have_text("✓ Connected")
    first.signal(signal.SIGKILL)
    offline = page.locator("#offline")
    expect(offline).to_contain_text("What you send waits, and runs when it is back. Away since ")
    ask(page, "patience")
    note = page.locator(".request-note")
    expect(note).to_contain_text("Place 1 in the queue · the worker has been away since ")
    page.reload()
    expect(offline).to_be_visible()
    expect(note).to_contain_text("away since")
    start_worker(site, space_id, "Patient", ECHO)
    expect(page.locator(".request .answer")).to_have_text("patience")
    expect(offline).to_be_hidden()


def test_waiting_is_estimated_from_earlier_runs(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Estimated", MEASURED)
    session = site.login("testuser", "testpass123")
    for number in range(5):
        site.status(session, site.submit(session, space_id, prompt=f"run {number}")["request_id"], wait=10)
    page.goto(f"{site.host}/ai_project/{space_id}")
    ask(page, "hold")
    ask(page, "behind it")
    note = page.locator(".request", has_text="behind it").locator(".request-note")
    expect(note).to_have_text(re.compile(r"^Place 1 in the queue · about (\d+ s|\d+ s to \d+ s) to go$"))
    page.locator(".request", has_text="hold").get_by_role("button", name="Cancel").click()


def test_what_waits_at_the_worker_does_not_look_as_if_it_ran(
    site: LiveSite, start_worker: StartWorker, page: Page
) -> None:
    space_id = site.make_space("Deep")
    prompts = ("first in depth", "second in depth", "third in depth")
    start_worker(site, space_id, "Deep", DEEP)
    eventually(lambda: site.connected(space_id))
    page.goto(f"{site.host}/ai_project/{space_id}")
    for prompt in prompts:
        ask(page, prompt)
    first, second, third = (page.locator(".request", has_text=prompt) for prompt in prompts)
    expect(first.locator(".state")).to_have_text("Running", timeout=10000)
    for waiting, note in ((second, "waiting there for 1 other"), (third, "waiting there for 2 others")):
        expect(waiting.locator(".state")).to_have_text("At the worker", timeout=10000)
        expect(waiting.locator(".request-note")).to_have_text(note)
        expect(waiting.locator(".request-time")).to_contain_text("waiting ")
        expect(waiting.locator(".request-progress")).to_be_hidden()
    page.goto(f"{site.host}/requests")
    expect(page.locator(".rows li", has_text=prompts[2]).locator(".state")).to_have_text("At the worker")
    page.goto(f"{site.host}/ai_project/{space_id}")
    first.get_by_role("button", name="Cancel").click()
    expect(second.locator(".state")).to_have_text("Running", timeout=10000)
    expect(third.locator(".request-note")).to_have_text("waiting there for 1 other", timeout=10000)


def test_request_is_taken_once_when_its_answer_was_lost(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Once", ECHO)
    page.goto(f"{site.host}/ai_project/{space_id}")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/websockets/submit/*", lose, times=1)
    ask(page, "once")
    expect(page.locator("#ask-note")).to_contain_text("No answer came. Send again")
    expect(page.locator("#prompt")).to_have_value("once")
    page.click("#send")
    expect(page.locator(".request .answer")).to_have_text("once")
    page.reload()
    expect(page.locator(".request")).to_have_count(1)


def test_reader_hears_of_changes_not_of_every_step(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Spoken", STEPS)
    page.goto(f"{site.host}/ai_project/{space_id}")
    expect(page.locator("#badge")).to_have_text("✓ Connected")
    page.evaluate(LISTEN)
    ask(page, "spoken")
    expect(page.locator(".request .state")).to_have_text("Done")
    heard = page.evaluate("window.heard")
    assert heard[:1] == ["Sending…"]
    assert heard[-1] == "Done: spoken"
    assert set(heard) <= {"Sending…", "Sent.", "Queued: spoken", "Running: spoken", "Done: spoken"}
    assert len(heard) == len(set(heard))


def test_form_is_filled_in_and_sent_by_keyboard(site: LiveSite, start_worker: StartWorker, page: Page) -> None:
    space_id = serve(site, start_worker, "Typed", ECHO)
    page.goto(f"{site.host}/ai_project/{space_id}")
    expect(page.locator("#prompt")).to_be_enabled()
    page.focus("#content")
    order = []
    for _ in range(2):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.id"))
    assert order == ["prompt", "send"]
    page.focus("#prompt")
    page.keyboard.type("typed")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".request .answer")).to_have_text("typed")


def test_end_seen_on_the_page_does_not_stay_in_the_inbox(
    site: LiveSite, start_worker: StartWorker, open_page: OpenPage
) -> None:
    space_id = serve(site, start_worker, "Read", ECHO)
    form = {"username": "sees.it", "password": "long enough words"}
    assert requests.post(f"{site.host}/register", data=form).status_code == 200
    page = open_page()
    log_in(page, site, form["username"], form["password"])
    page.goto(f"{site.host}/ai_project/{space_id}")
    with page.expect_response("**/inbox/read"):
        ask(page, "seen here")
    expect(page.locator(".request .answer")).to_have_text("seen here")
    expect(page.locator(".bell-count")).to_be_hidden()
    expect(page.locator("#toasts .toast-notice")).to_have_count(0)
