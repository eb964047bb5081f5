"""The report of a load run in a browser: on a phone, in the dark, by touch and by keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from project.load.output.report import report_html
from tests.load.test_report import judged
from tests.pages.conftest import OpenPage


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_all_of_it(open_page: OpenPage, tmp_path: Path, theme: str) -> None:
    file = tmp_path / "report.html"
    file.write_text(report_html(judged()), encoding="utf-8")
    page = open_page("en-US", theme, "phone")
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if theme == "light" else "rgb(18, 22, 28)")
    # Letters of the charts are as large on a phone as anywhere.
    assert page.locator(".plot .y").first.evaluate("each => getComputedStyle(each).fontSize") == "12px"
    moment = page.locator(".moment").first
    tip = moment.locator(".tip")
    expect(tip).to_be_hidden()
    moment.hover()
    expect(tip).to_contain_text("p95")
    table = page.locator("details table").first
    expect(table).to_be_hidden()
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(table).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Response time as a table"
    # On paper it is dark on white, whatever the screen was, and the lines' keys keep their colours.
    page.emulate_media(media="print")
    assert page.locator(".short").evaluate("each => getComputedStyle(each).color") == "rgb(27, 35, 48)"
    assert page.locator(".key").first.evaluate("each => getComputedStyle(each).printColorAdjust") == "exact"
