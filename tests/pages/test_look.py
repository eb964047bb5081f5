"""Every page on every kind of screen: it fits, it can be read, it can be used without a mouse or eyes."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.conftest import LiveSite
from tests.pages.conftest import OpenPage, log_in

pytestmark = pytest.mark.slow
CHECKS = (Path(__file__).parent / "look.js").read_text(encoding="utf-8")
KINDS = [
    ("phone", "light", "zh-CN"),
    ("phone", "dark", "en-US"),
    ("desktop", "dark", "zh-CN"),
    ("desktop", "light", "en-US"),
]


@pytest.fixture(scope="module")
def addresses(site: LiveSite) -> dict[str, str]:
    """Each page's address, with something on it to see."""
    switches = {f"ws_enable_{kind}": "on" for kind in ("audio", "video", "file_upload")}
    space_id = site.make_space("A space with a name of some length", description="What it does. " * 9, **switches)
    site.make_space("Twin", cover="😺", cover_type="emoji")
    twin = site.make_space("Twin")
    return {
        "index": "/",
        "space": f"/ai_project/{space_id}",
        "requests": "/requests",
        "dashboard": "/admin/",
        "add": "/admin/space/add",
        "edit": f"/admin/space/edit/{twin}",
        "users": "/admin/users",
        "error": "/ai_project/none",
        "login": "/login",
        "register": "/register",
        "logout": "/logout",
    }


def problems(page: Page) -> list[str]:
    found: list[str] = page.evaluate(CHECKS)
    return found


@pytest.mark.parametrize(("size", "theme", "locale"), KINDS)
def test_every_page(
    site: LiveSite, open_page: OpenPage, addresses: dict[str, str], size: str, theme: str, locale: str
) -> None:
    page = open_page(locale, theme, size)
    log_in(page, site, "admin", "admin123")
    for name, address in addresses.items():
        page.goto(site.host + address)
        assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        assert page.evaluate("document.documentElement.lang") == {"zh-CN": "zh-CN", "en-US": "en"}[locale]
        assert problems(page) == [], name


def test_theme_is_switched_and_kept(site: LiveSite, open_page: OpenPage) -> None:
    page = open_page(theme="light")
    page.goto(site.host)
    page.click("#theme-switch")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_language_is_switched_and_kept(site: LiveSite, open_page: OpenPage) -> None:
    page = open_page("en-US")
    page.goto(f"{site.host}/register?next=/requests")
    page.get_by_role("button", name="中文").click()
    page.wait_for_url("**/register?next=/requests")
    assert page.locator("h1").inner_text() == "注册"
    page.goto(site.host)
    assert page.evaluate("document.documentElement.lang") == "zh-CN"


def test_keyboard_comes_to_the_content_first(site: LiveSite, open_page: OpenPage) -> None:
    page = open_page()
    page.goto(site.host)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
