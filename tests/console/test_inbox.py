"""What people are told: at once on their open pages, and in their inbox otherwise. Two people's browsers."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.conftest import LiveSite, Process, eventually
from tests.console.conftest import Api
from tests.pages.conftest import OpenPage, log_in

pytestmark = pytest.mark.slow


@pytest.fixture
def user_page(open_page: OpenPage, site: LiveSite) -> Page:
    """The test user's browser, on the list of spaces, with its stream open."""
    page = open_page()
    with page.expect_response(lambda answer: "/websockets/stream" in answer.url):
        log_in(page, site)
    page.request.post(f"{site.host}/inbox/read")
    return page


def inbox(session: requests.Session, site: LiveSite) -> dict[str, Any]:
    body: dict[str, Any] = session.get(f"{site.host}/inbox", headers={"Accept": "application/json"}).json()
    return body


def test_a_notification_reaches_an_open_page_at_once_and_only_its_own(
    api: Api, site: LiveSite, open_page: OpenPage, user_page: Page
) -> None:
    admin_page = open_page()
    with admin_page.expect_response(lambda answer: "/websockets/stream" in answer.url):
        log_in(admin_page, site, "admin", "admin123")
    expect(user_page.locator(".bell-count")).to_be_hidden()
    api.send(
        "notification.send", {"user_id": "testuser", "type": "info", "title": "<b>Tonight</b>", "message": "At ten"}
    )
    toast = user_page.locator(".toast-notice")
    expect(toast).to_contain_text("<b>Tonight</b>")
    expect(toast).to_contain_text("At ten")
    expect(user_page.locator(".bell-count")).to_have_text("1")
    expect(admin_page.locator(".toast-notice")).to_have_count(0)
    user_page.click("#bell")
    expect(user_page.locator(".letter.is-new")).to_contain_text("<b>Tonight</b>")
    user_page.locator(".letter.is-new").get_by_role("button", name="Read").click()
    expect(user_page.locator(".letter.is-new")).to_have_count(0)
    expect(user_page.locator(".bell-count")).to_be_hidden()


def test_a_broadcast_reaches_everybody_and_each_reads_it_for_himself(
    api: Api, site: LiveSite, open_page: OpenPage, user_page: Page
) -> None:
    admin_page = open_page()
    with admin_page.expect_response(lambda answer: "/websockets/stream" in answer.url):
        log_in(admin_page, site, "admin", "admin123")
    api.send("notification.broadcast", {"title": "To all of you", "message": "Hello"})
    for page in (user_page, admin_page):
        expect(page.locator(".toast-notice")).to_contain_text("To all of you")
    user_page.locator(".toast-notice").get_by_role("button").click()
    expect(user_page.locator(".bell-count")).to_be_hidden()
    admin_page.goto(f"{site.host}/inbox")
    expect(admin_page.locator(".letter.is-new").first).to_contain_text("To all of you")


def test_a_session_message_appears_to_its_recipient_and_stays(api: Api, user_page: Page) -> None:
    api.send("session.message", {"user_id": "testuser", "message": "Can you look at this?"})
    toast = user_page.locator(".toast-notice.letter-message")
    expect(toast).to_contain_text("Message from admin")
    expect(toast).to_contain_text("Can you look at this?")


def test_what_came_meanwhile_waits_in_the_inbox(api: Api, site: LiveSite, open_page: OpenPage) -> None:
    api.send("notification.send", {"user_id": "testuser", "title": "While you were away"})
    page = open_page("zh-CN")
    log_in(page, site)
    expect(page.locator(".bell-count")).to_be_visible()
    page.goto(f"{site.host}/inbox")
    expect(page.locator("h1")).to_have_text("收件箱")
    expect(page.locator(".letter.is-new").first).to_contain_text("While you were away")
    page.get_by_role("button", name="全部标为已读").click()
    expect(page.locator(".letter.is-new")).to_have_count(0)


def test_what_is_sent_to_nobody_is_kept_for_nobody(api: Api, site: LiveSite) -> None:
    api.send("notification.send", {"user_id": "late_comer", "title": "Not for you"})
    latest = api.get("monitor/notifications")["latest"][0]
    assert (latest["to"], latest["to_nobody"]) == ("late_comer", True)
    session = requests.Session()
    session.post(f"{site.host}/register", data={"username": "late_comer", "password": "quite long enough 1"})
    assert inbox(session, site)["notices"] == []


def test_a_finished_request_is_told_where_it_is_not_shown(site: LiveSite, user_page: Page) -> None:
    space_id = site.make_space("Telling")
    quick = ("--min-seconds", "0", "--max-seconds", "0")
    mock = Process("mock_app.py", "--host", site.host, "--spaces", "Telling", *quick)
    try:
        mock.says("Request processor started")
        session = site.login("testuser", "testpass123")
        done = site.submit(session, space_id, prompt="tell me later")
        toast = user_page.locator(".toast-notice.letter-request")
        expect(toast).to_contain_text("Your request is done")
        expect(toast.get_by_role("link")).to_have_attribute("href", f"/requests/{done['request_id']}")
        user_page.request.post(f"{site.host}/inbox/read")
        user_page.goto(f"{site.host}/ai_project/{space_id}")
        user_page.fill("#prompt", "shown here")
        user_page.click("#send")
        expect(user_page.locator(".request .answer").first).to_contain_text("shown here")
        # The page that shows it counts it as read, and says nothing more.
        eventually(lambda: inbox(session, site)["unread"] == 0)
        expect(user_page.locator(".toast-notice")).to_have_count(0)
        waited = session.post(f"{site.host}/websockets/submit/{space_id}", data={"prompt": "waiting", "wait": "30"})
        assert waited.json()["status"] == "completed"
        told = {notice["data"].get("request_id"): notice for notice in inbox(session, site)["notices"]}
        assert waited.json()["request_id"] not in told
        # A notice outlives its request, so it holds nothing of it.
        assert "tell me later" not in str(told[done["request_id"]])
    finally:
        mock.end()


def test_changed_files_load_the_space_anew_but_not_under_ones_hands(site: LiveSite, api: Api, user_page: Page) -> None:
    space_id = site.make_space("Changing")
    mock = Process("mock_app.py", "--host", site.host, "--spaces", "Changing")
    try:
        mock.says("Request processor started")
        user_page.goto(f"{site.host}/ai_project/{space_id}")
        expect(user_page.locator("#prompt")).to_be_enabled()
        with user_page.expect_event("load"):
            api.send("workspace.file_changed", {"space_id": space_id, "path": "a"})
        user_page.fill("#prompt", "a long thought")
        api.send("workspace.file_changed", {"space_id": space_id, "path": "a"})
        expect(user_page.locator("#space-changed")).to_be_visible()
        expect(user_page.locator("#prompt")).to_have_value("a long thought")
    finally:
        mock.end()


def test_one_stream_a_page(site: LiveSite, open_page: OpenPage) -> None:
    space_id = site.make_space("Single")
    page = open_page()
    page.add_init_script(
        "window.streams = []; const Real = EventSource;"
        "window.EventSource = class extends Real { constructor(...a) { super(...a); streams.push(this); } };"
    )
    page.clock.install()
    log_in(page, site)
    for path in ("/requests", f"/ai_project/{space_id}"):
        page.goto(site.host + path)
        page.clock.fast_forward(1000)
        eventually(lambda: page.evaluate("streams.some((one) => one.readyState === 1)"))
        page.clock.fast_forward(10_000)  # by then the bell would have opened a second one
        assert page.evaluate("streams.filter((one) => one.readyState !== 2).length") == 1
