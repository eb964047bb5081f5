"""The console's page in a real browser: what its document's usage sections say, step by step, and how it looks."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT, LiveSite, eventually
from tests.console.conftest import Api
from tests.pages.conftest import OpenPage, log_in

pytestmark = pytest.mark.slow
LOOK = (ROOT / "tests" / "pages" / "look.js").read_text(encoding="utf-8")
TABS = ("overview", "requests", "notifications", "methods", "testing")
BLUE, RED, GREEN, PURPLE = "rgb(37, 99, 168)", "rgb(178, 59, 59)", "rgb(11, 107, 58)", "rgb(124, 79, 196)"


@pytest.fixture
def console(open_page: OpenPage, site: LiveSite) -> Page:
    """The administrator's browser, at the console."""
    page = open_page()
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/cfg/ipc/")
    expect(page.locator("#live")).to_have_text("Live")
    return page


def tab(page: Page, name: str) -> None:
    page.click(f"#tab-{name}")
    expect(page.locator(f"#panel-{name}")).to_be_visible()


def fill_params(page: Page, params: Any) -> None:
    page.fill("#test-params", json.dumps(params))


def test_the_test_client_as_documented(console: Page, api: Api) -> None:
    tab(console, "testing")
    console.select_option("#test-method", "notification.send")
    expect(console.locator("#test-params")).to_have_value(
        json.dumps(
            {"user_id": "test-123", "type": "test", "title": "Test Notification", "message": "This is a test message"},
            indent=2,
        )
    )
    expect(console.locator("#test-timeout")).to_have_value("10")
    # What is written is coloured: a see-through field over a copy in colours.
    copy = console.locator("#test-form .json-copy")
    expect(copy.locator(".json-name")).to_have_text(['"user_id"', '"type"', '"title"', '"message"'])
    console.fill("#test-params", '{"user_id": "test-123", "n": -1.5e3, "deep": [true, "a \\"b"]}')
    expect(copy.locator(".json-text, .json-number, .json-word")).to_have_text(
        ['"test-123"', "-1.5e3", "true", '"a \\"b"']
    )
    console.click("#test-template")
    console.click("#send-test-rpc")
    badge = console.locator("#test-badge")
    expect(badge).to_have_text("Success")
    expect(badge.locator("use")).to_have_attribute("href", re.compile("icons.svg#check_circle$"))
    expect(badge).to_have_css("color", GREEN)
    expect(console.locator("#test-response")).to_contain_text('"sent": true')
    expect(console.locator("#test-duration")).to_contain_text("ms")
    correlation = console.locator("#test-correlation").inner_text()
    assert api.get(f"monitor/requests/{correlation}")["method"] == "notification.send"


def test_a_failed_call_says_what_is_wrong(console: Page) -> None:
    tab(console, "testing")
    fill_params(console, {"title": "nobody"})
    expect(console.locator("#test-problem")).to_have_text("user_id is missing")
    console.click("#send-test-rpc")
    expect(console.locator("#test-badge")).to_have_text("Failed")
    expect(console.locator("#test-error")).to_contain_text("Bad parameters · user_id")
    console.fill("#test-params", "{not json")
    expect(console.locator("#test-problem")).to_contain_text("This is not JSON")
    console.select_option("#test-method", "space.infer")
    fill_params(console, {"space_id": "none", "prompt": "x"})
    console.click("#send-test-rpc")
    expect(console.locator("#test-error")).to_contain_text("There is no such space.")
    console.locator("#test-trace summary").click()
    expect(console.locator("#test-trace pre")).to_contain_text("Traceback")


def test_templates_are_saved_and_used(console: Page) -> None:
    tab(console, "testing")
    fill_params(console, {"user_id": "kept"})
    console.locator("details:has(#templates) summary").click()
    console.fill("#template-name", "For testuser")
    console.click("#template-save")
    entry = console.locator("#templates li")
    expect(entry).to_contain_text("For testuser")
    console.click("#test-template")
    expect(console.locator("#test-params")).to_have_value(re.compile("test-123"))
    entry.get_by_role("button", name="Use").click()
    expect(console.locator("#test-params")).to_have_value('{\n  "user_id": "kept"\n}')
    entry.get_by_role("button", name="Delete").click()
    expect(entry).to_have_count(0)


def test_the_load_tester_as_documented(console: Page, api: Api) -> None:
    tab(console, "testing")
    console.fill("#load-total-requests", "100")
    console.fill("#load-concurrency", "10")
    console.select_option("#load-method", "notification.send")
    console.click("#start-load-test")
    expect(console.locator("#load-progress-text")).to_have_text("100/100")
    expect(console.locator("#load-success")).to_have_text("100")
    expect(console.locator("#load-failed")).to_have_text("0")
    for name, colour in (("success", BLUE), ("failed", RED), ("avg", GREEN), ("rps", PURPLE)):
        expect(console.locator(f"#load-{name}")).to_have_css("color", colour)
    names = console.locator(".metric dt").all_inner_texts()
    assert names == ["Success", "Failed", "Avg Time", "RPS"]
    expect(console.locator("#run-list tr").first).to_contain_text("Done")
    expect(console.locator("#load-more")).to_contain_text("p95")


def test_a_run_is_stopped_and_a_second_one_is_refused(console: Page, api: Api) -> None:
    tab(console, "testing")
    console.select_option("#load-method", "system.ping")
    console.fill("#load-total-requests", "10000")
    console.fill("#load-concurrency", "1")
    console.click("#start-load-test")
    expect(console.locator("#stop-load-test")).to_be_enabled()
    expect(console.locator("#start-load-test")).to_be_disabled()
    expect(console.locator("#tab-testing .count")).to_have_text("1")
    console.click("#stop-load-test")
    expect(console.locator("#load-note")).to_have_text("Stopped.")
    expect(console.locator("#run-list tr").first).to_contain_text("Stopped")
    expect(console.locator("#start-load-test")).to_be_enabled()


def test_a_run_goes_on_when_the_page_is_closed(console: Page, api: Api, open_page: OpenPage, site: LiveSite) -> None:
    tab(console, "testing")
    console.select_option("#load-method", "system.ping")
    console.fill("#load-total-requests", "10000")
    console.fill("#load-concurrency", "1")
    console.click("#start-load-test")
    expect(console.locator("#stop-load-test")).to_be_enabled()
    console.close()
    before = api.get("test/load/status")
    assert before["running"] is True
    eventually(lambda: api.get("test/load/status")["progress"] > before["progress"])
    page = open_page()
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/cfg/ipc/#testing")
    expect(page.locator("#stop-load-test")).to_be_enabled()
    expect(page.locator("#load-more")).to_contain_text(before["test_id"])


def test_two_runs_are_compared_and_the_calls_of_one_are_found(console: Page, api: Api) -> None:
    for _ in range(2):
        api.post("test/load/start", {"method": "system.ping", "total_requests": 20, "concurrency": 2})
        eventually(lambda: not api.get("test/load/status")["running"])
    ids = [one["test_id"] for one in api.get("test/load/runs")["runs"][:2]][::-1]
    tab(console, "testing")
    for test_id in ids:
        console.check(f"#run-list [value='{test_id}']")
    console.click("#compare")
    expect(console.locator("#comparison .compared h3").first).to_have_text(f"Earlier {ids[0]}")
    expect(console.locator("#comparison .compared h3").last).to_have_text(f"Later {ids[1]}")
    console.get_by_role("button", name=ids[1], exact=True).click()
    history = console.locator("#comparison [data-chart=history]")
    eventually(lambda: history.evaluate("(image) => image.complete && image.naturalWidth > 100"))
    console.get_by_role("button", name="Make it the baseline").click()
    expect(console.locator(f"[data-run='{ids[1]}']")).to_contain_text("Baseline")
    console.get_by_role("button", name="Its calls in the log").click()
    expect(console.locator("#tab-requests")).to_have_attribute("aria-selected", "true")
    expect(console.locator("#log tr")).to_have_count(20)


def test_failed_calls_are_found_opened_and_repeated(console: Page, api: Api) -> None:
    api.send("notification.send", {"user_id": "", "title": "Lost one"}, 400)
    tab(console, "requests")
    console.select_option("#filter-outcome", "failure")
    console.fill("#filter-text", "lost ONE")
    console.get_by_role("button", name="Search").click()
    row = console.locator("#log tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Bad parameters")
    expect(row).to_contain_text("user_id must not be empty")
    row.get_by_role("button").click()
    dialog = console.locator("#call")
    expect(dialog.locator("#call-params")).to_contain_text('"title": "Lost one"')
    dialog.get_by_role("button", name="Call again").click()
    expect(dialog.locator("#call-note")).to_have_text("Called again: Failed")
    expect(row).to_have_count(2)
    dialog.get_by_role("button", name="Close").press("Enter")
    # The rows behind it are new; who comes back is at the one that was opened.
    expect(row.last.get_by_role("button")).to_be_focused()
    api.send("notification.send", {"user_id": "", "title": "Lost one"}, 400)
    expect(row).to_have_count(3)
    expect(row.last.get_by_role("button")).to_be_focused()
    console.get_by_role("button", name="Clear").click()
    expect(console.locator("#filter-text")).to_have_value("")


def test_what_failed_leads_to_its_calls_and_nothing_is_compared_with_nothing(console: Page, api: Api) -> None:
    api.send("space.status", {"space_id": "gone"}, 400)
    reason = console.locator("#overview-reasons tr", has_text="space.status")
    expect(reason).to_contain_text("There is no such space. space_not_found")
    reason.get_by_role("button", name="Show them").click()
    expect(console.locator("#panel-requests")).to_be_visible()
    expect(console.locator("#filter-outcome")).to_have_value("failure")
    expect(console.locator("#log tr").first).to_contain_text("space.status")
    expect(console.locator("#log tr").first).to_contain_text("There is no such space.")
    tab(console, "methods")
    expect(console.locator("#worse")).to_contain_text("There was nothing in the week before")


def test_a_schedule_is_made_and_ended(console: Page) -> None:
    tab(console, "testing")
    console.fill("#schedule-name", "Every night")
    console.get_by_role("button", name="Schedule", exact=True).click()
    entry = console.locator("#schedule-list li")
    expect(entry).to_contain_text("Every night")
    entry.get_by_role("button", name="Delete").click()
    expect(entry).to_have_text("Nothing is scheduled.")


def test_tabs_by_keyboard_and_by_address(console: Page, site: LiveSite) -> None:
    console.focus("#tab-overview")
    console.keyboard.press("ArrowRight")
    expect(console.locator("#panel-requests")).to_be_visible()
    console.keyboard.press("End")
    expect(console.locator("#tab-testing")).to_be_focused()
    assert console.url.endswith("#testing")
    console.reload()
    expect(console.locator("#panel-testing")).to_be_visible()
    expect(console.locator("#tab-methods .count")).to_have_text("8")


def test_it_says_when_it_is_not_up_to_date(open_page: OpenPage, site: LiveSite) -> None:
    page = open_page()
    page.clock.install()
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/cfg/ipc/")
    expect(page.locator("#live")).to_have_text("Live")
    page.route("**/cfg/ipc/monitor/**", lambda route: route.abort())
    page.clock.fast_forward(9000)
    expect(page.locator("#live")).to_contain_text("Not up to date")
    page.unroute("**/cfg/ipc/monitor/**")
    page.clock.fast_forward(2500)
    expect(page.locator("#live")).to_have_text("Live")


def test_charts_are_drawn_and_follow_the_theme(console: Page) -> None:
    chart = console.locator("[data-chart=traffic]")
    eventually(lambda: chart.evaluate("(image) => image.complete && image.naturalWidth > 100"))
    assert "theme=light" in (chart.get_attribute("src") or "")
    console.click("#theme-switch")
    eventually(lambda: "theme=dark" in (chart.get_attribute("src") or ""))


def test_the_client_of_the_document(console: Page) -> None:
    said = console.evaluate(
        """async () => {
          const { api } = await import("/static/js/api/index.mjs");
          const method = "notification.send";
          const result = await api.ipcTestSendCreate({ method, params: { user_id: "123" }, timeout: 10 });
          const test = await api.ipcTestLoadStartCreate({ method, total_requests: 100, concurrency: 10, params: {} });
          const status = await api.ipcTestLoadStatusRetrieve();
          const stopped = await api.ipcTestLoadStopCreate();
          const refused = await api.ipcTestSendCreate({ method: "none" }).catch((e) => [e.status, e.body.code]);
          return { result, test, status, stopped, refused };
        }"""
    )
    assert said["result"]["response"]["sent"] is True
    assert said["test"]["started"] is True
    assert said["status"]["test_id"] == said["test"]["test_id"]
    assert said["stopped"]["total"] == 100
    assert said["refused"] == [400, "unknown_method"]


@pytest.mark.parametrize(
    ("size", "theme", "locale"),
    [
        ("phone", "light", "zh-CN"),
        ("phone", "dark", "en-US"),
        ("desktop", "dark", "zh-CN"),
        ("desktop", "light", "en-US"),
    ],
)
def test_every_tab_fits_and_can_be_read(
    site: LiveSite, open_page: OpenPage, api: Api, size: str, theme: str, locale: str
) -> None:
    api.send("notification.send", {"user_id": "testuser", "title": "Seen"})
    api.send("none.such", {}, 400)
    page = open_page(locale, theme, size)
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/cfg/ipc/")
    expect(page.locator(".live-live")).to_be_visible()
    for name in TABS:
        tab(page, name)
        expect(page.locator(f"#panel-{name} .nothing, #panel-{name} tbody tr").first).to_be_attached()
        page.evaluate("document.getElementById('toasts').replaceChildren()")
        problems: list[str] = page.evaluate(LOOK)
        assert problems == [], name
    page.goto(f"{site.host}/inbox")
    assert page.evaluate(LOOK) == []
