"""Account and people pages in a real browser: by keyboard, on a phone, in the dark, in both languages."""

from __future__ import annotations

import re
import time

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.conftest import LiveSite, eventually, one_of_trials
from tests.pages.conftest import OpenPage, log_in
from tests.security.test_row_29_second_factor import app_code

pytestmark = pytest.mark.slow
PASSWORD = "mellow-otter-9"
USER_PAGES = ("/account/", "/account/password", "/account/second-factor", "/account/keys")
ADMIN_PAGES = ("/admin/users", "/admin/audit")


def new_user(site: LiveSite, name: str) -> str:
    requests.post(f"{site.host}/register", data={"username": name, "password": PASSWORD}).raise_for_status()
    return name


def check_page(page: Page, language: str) -> None:
    """What must hold of every page: it fits, it says its language, every field has a name, every id is one."""
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0, f"{page.url} is {width} pixels too wide"
    assert page.locator("html").get_attribute("lang") == language
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('input:not([type=hidden]):not([hidden]), select, button, a')]
        .filter(e => !e.labels?.length && !e.textContent.trim() && !e.getAttribute('aria-label'))
        .map(e => e.outerHTML)"""
    )
    assert nameless == []
    twice = page.evaluate(
        "() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
        " return ids.filter((id, at) => ids.indexOf(id) !== at) }"
    )
    assert twice == []


@pytest.mark.parametrize(
    ("locale", "language", "theme", "size"), [("zh-CN", "zh-CN", "dark", "phone"), ("en-US", "en", "light", "desktop")]
)
def test_pages_fit_and_can_be_read(
    site: LiveSite, open_page: OpenPage, locale: str, language: str, theme: str, size: str
) -> None:
    page = open_page(locale=locale, theme=theme, size=size)
    log_in(page, site, "admin", "admin123")
    for path in (*USER_PAGES, *ADMIN_PAGES):
        page.goto(site.host + path)
        check_page(page, language)
        expect(page.locator(".tabs-row [aria-current=page]")).to_have_count(1)
    page.goto(f"{site.host}/admin/users")
    page.get_by_role("link", name="testuser").click()
    page.wait_for_url("**/admin/users/*")
    check_page(page, language)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) is (theme == "dark")


def test_a_key_is_made_copied_and_revoked_by_keyboard(site: LiveSite, open_page: OpenPage) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    log_in(page, site, new_user(site, "keys_by_keyboard"), PASSWORD)
    page.goto(f"{site.host}/account/keys")
    page.focus("#key_name")
    page.keyboard.type("nightly")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # submit, off
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("30")
    page.keyboard.press("Enter")
    shown = page.locator("#key")
    expect(shown).to_be_visible()
    text = shown.inner_text()

    @one_of_trials
    def is_copied() -> None:
        """Which is said for a moment."""
        page.focus("[data-copy=key]")
        page.keyboard.press("Enter")
        expect(page.locator("[data-copy=key]")).to_have_text("Copied", timeout=1500)

    is_copied()
    assert page.evaluate("navigator.clipboard.readText()") == text
    expect(page.locator(".plain code")).to_have_text("read")
    bearer = {"Authorization": f"Bearer {text}"}
    assert requests.get(f"{site.host}/requests", headers=bearer).status_code == 200
    page.goto(f"{site.host}/account/keys")
    expect(shown).to_have_count(0)
    page.get_by_role("button", name="Revoke: nightly").press("Enter")
    expect(page.get_by_text("Revoked")).to_be_visible()
    assert requests.get(f"{site.host}/requests", headers=bearer).status_code == 401


def test_codes_from_setting_up_to_the_next_login(site: LiveSite, open_page: OpenPage) -> None:
    page = open_page(locale="zh-CN", size="phone", theme="dark")
    name = new_user(site, "codes_in_browser")
    log_in(page, site, name, PASSWORD)
    page.goto(f"{site.host}/account/second-factor")
    page.click("main .btn-primary")
    picture = page.locator("img.qr")
    expect(picture).to_be_visible()
    # The policy lets it be drawn.
    eventually(lambda: page.evaluate("document.querySelector('img.qr').naturalWidth") > 100)
    secret = page.locator("#secret").inner_text()
    page.fill("#code", "123")
    page.keyboard.press("Enter")
    expect(page.locator("#problem")).to_have_text("验证码不正确、已被使用或已过期。")
    page.fill("#code", app_code(secret, time.time()))
    page.keyboard.press("Enter")
    expect(page.locator("#recovery li")).to_have_count(10)
    check_page(page, "zh-CN")
    recovery = page.locator("#recovery li").first.inner_text()
    page.context.clear_cookies()
    page.goto(f"{site.host}/login?next=/account/")
    page.fill("#username", name)
    page.fill("#password", PASSWORD)
    page.click("main button")
    page.wait_for_url(re.compile(r"/login/code\?next="))
    check_page(page, "zh-CN")
    expect(page.locator("#code")).to_be_focused()
    page.keyboard.type(recovery)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.host}/account/")


def test_a_wrong_password_is_told_at_its_field_and_a_right_one_changes_it(site: LiveSite, open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, site, new_user(site, "changes_word"), PASSWORD)
    page.goto(f"{site.host}/account/password")
    for old, new, again, field, told in (
        ("wrong one", "a lantern, lit", "a lantern, lit", "current_password", "The current password is wrong."),
        (PASSWORD, "password123", "password123", "new_password", "too easy to guess"),
        (PASSWORD, "a lantern, lit", "a lantern", "confirm_password", "not the same"),
    ):
        page.fill("#current_password", old)
        page.fill("#new_password", new)
        page.fill("#confirm_password", again)
        page.keyboard.press("Enter")
        expect(page.locator(f"#{field}-error")).to_contain_text(told)
        expect(page.locator(f"#{field}")).to_have_attribute("aria-invalid", "true")
    page.fill("#current_password", PASSWORD)
    page.fill("#new_password", "a lantern, lit")
    page.fill("#confirm_password", "a lantern, lit")
    page.keyboard.press("Enter")
    expect(page.locator(".notice-good")).to_contain_text("your other logins have ended")


def test_an_administrator_adds_somebody_who_chooses_a_password(site: LiveSite, open_page: OpenPage) -> None:
    admin = open_page()
    log_in(admin, site, "admin", "admin123")
    admin.goto(f"{site.host}/admin/users")
    admin.fill("#username", "new.colleague")
    admin.get_by_role("button", name="Add a person").click()
    given = admin.locator("#given").inner_text()
    expect(admin.locator("tr", has_text="new.colleague")).to_contain_text("Must change the password")
    person = open_page(size="phone")
    person.goto(f"{site.host}/login")
    person.fill("#username", "new.colleague")
    person.fill("#password", given)
    person.click("main button")
    person.wait_for_url("**/account/password")
    expect(person.locator(".notice-warn")).to_contain_text("Choose your own")
    person.goto(f"{site.host}/requests")
    person.wait_for_url("**/account/password")
    person.fill("#current_password", given)
    person.fill("#new_password", "a lantern, lit")
    person.fill("#confirm_password", "a lantern, lit")
    person.keyboard.press("Enter")
    person.wait_for_url("**/account/password?changed=1")
    person.goto(f"{site.host}/requests")
    assert person.url == f"{site.host}/requests"


def test_a_disabled_user_is_out_wherever_a_page_is_open(site: LiveSite, open_page: OpenPage) -> None:
    space = site.make_space("Left open")
    page = open_page()
    log_in(page, site, new_user(site, "left_open"), PASSWORD)
    page.goto(f"{site.host}/ai_project/{space}")
    admin = open_page()
    log_in(admin, site, "admin", "admin123")
    admin.goto(f"{site.host}/admin/users")
    admin.get_by_role("link", name="left_open").click()
    admin.get_by_role("button", name="Disable").click()
    expect(admin.get_by_role("button", name="Enable")).to_be_visible()
    expect(admin.get_by_text("Not logged in.")).to_be_visible()
    page.get_by_role("link", name="My requests").click()
    page.wait_for_url(re.compile(r"/login\?next=/requests"))


def test_the_audit_log_is_filtered_and_downloaded(site: LiveSite, open_page: OpenPage) -> None:
    page = open_page()
    log_in(page, site, "admin", "admin123")
    requests.post(f"{site.host}/login", data={"username": "<b id=forged>x</b>", "password": "x"})
    page.goto(f"{site.host}/admin/audit")
    page.select_option("#kind", "login_refused")
    page.get_by_role("button", name="Show").press("Enter")
    page.wait_for_url("**/admin/audit?kind=login_refused*")
    for cell in page.locator("tbody td:nth-child(2)").all():
        expect(cell).to_have_text("Login refused")
    expect(page.locator("#forged")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0] == "id,time,kind,actor,subject,detail,address"
    assert all(",login_refused," in line for line in lines[1:])


def test_one_of_many_people_is_found(site: LiveSite, open_page: OpenPage) -> None:
    new_user(site, "needle.in.hay")
    page = open_page(size="phone")
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/admin/users")
    page.fill("#name", "NEEDLE")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/users?name=NEEDLE")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody th")).to_have_text("needle.in.hay")
    page.goto(f"{site.host}/admin/users?from=1")
    expect(page.locator("tbody th").filter(has_text=re.compile("^admin$"))).to_have_count(0)
    page.get_by_role("link", name="Earlier").click()
    expect(page.locator("tbody th").filter(has_text=re.compile("^admin$"))).to_have_count(1)
