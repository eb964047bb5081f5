"""The list of spaces, the list of requests, the login pages, errors and languages."""

from __future__ import annotations

import signal

import pytest
import requests
from playwright.sync_api import expect

from tests.conftest import LiveSite, eventually
from tests.pages.conftest import OpenPage, StartWorker, log_in

pytestmark = pytest.mark.slow
ECHO = 'def handler(job): return {"text_output": job.prompt}'


def test_first_visit_says_what_to_do(own_site: LiveSite, open_page: OpenPage) -> None:
    own_site.start()
    page = open_page()
    page.goto(own_site.host)
    expect(page.locator(".empty")).to_contain_text("An administrator makes spaces")
    log_in(page, own_site, "admin", "admin123")
    page.get_by_role("link", name="Make a space").click()
    page.fill("#name", "First")
    page.click("main button")
    page.wait_for_url("**/admin/space/edit/*")
    expect(page.locator("#command")).to_have_text(
        f'python mock_app.py --host {own_site.host} --spaces "First" --verbose'
    )


def test_index_is_searched_and_stays_true(site: LiveSite, start_worker: StartWorker, open_page: OpenPage) -> None:
    for name in ("Apples", "Pears", "Plums"):
        site.make_space(name, description="fruit")
    space_id = site.make_space("Live one", description="not of that kind")
    page = open_page()
    page.goto(site.host)
    badge = page.locator(f"[data-space='{space_id}'] .badge-state")
    expect(badge).to_have_text("✗ Not connected")
    worker = start_worker(site, space_id, "Live one", ECHO)
    expect(badge).to_have_text("✓ Connected")
    worker.signal(signal.SIGKILL)
    expect(badge).to_have_text("✗ Not connected")
    page.fill("#search", "PEAR")
    expect(page.locator(".card-space:visible")).to_have_count(1)
    page.fill("#search", "fruit")
    expect(page.locator(".card-space:visible")).to_have_count(3)
    page.fill("#search", "nothing like it")
    expect(page.locator("#no-match")).to_be_visible()


def test_index_for_programs(site: LiveSite) -> None:
    space_id = site.make_space("Told")
    answer = requests.get(site.host, headers={"Accept": "application/json"})
    assert answer.headers["Cache-Control"] == "no-store"
    told = next(space for space in answer.json()["spaces"] if space["space_id"] == space_id)
    assert told["name"] == "Told"
    assert told["connected"] is False
    assert requests.get(site.host).text.startswith("<!doctype html>")


def test_requests_are_listed_page_by_page(site: LiveSite, start_worker: StartWorker, open_page: OpenPage) -> None:
    space_id = site.make_space("Listed")
    start_worker(site, space_id, "Listed", ECHO)
    eventually(lambda: site.connected(space_id))
    session = requests.Session()
    form = {"username": "reader", "password": "long enough words"}
    assert session.post(f"{site.host}/register", data=form).status_code == 200
    for number in range(23):
        site.submit(session, space_id, prompt=f"prompt {number}")
    page = open_page()
    log_in(page, site, "reader", "long enough words")
    page.goto(f"{site.host}/requests")
    expect(page.locator(".rows li")).to_have_count(20)
    expect(page.locator(".rows li").first).to_contain_text("prompt 22")
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".rows li")).to_have_count(3)
    expect(page.locator(".rows li").last).to_contain_text("prompt 0")
    page.get_by_role("link", name="Newest").click()
    expect(page.locator(".rows li")).to_have_count(20)


def test_nobody_sees_the_request_of_another(site: LiveSite, start_worker: StartWorker) -> None:
    space_id = site.make_space("Private")
    start_worker(site, space_id, "Private", ECHO)
    eventually(lambda: site.connected(space_id))
    request_id = site.submit(site.login(), space_id, prompt="mine alone")["request_id"]
    other = site.login("testuser", "testpass123").get(f"{site.host}/requests/{request_id}")
    assert other.status_code == 404
    assert "mine alone" not in other.text


@pytest.mark.parametrize(
    ("language", "wrong", "taken", "missing"),
    [
        ("en", "The user name or the password is wrong.", "That user name is taken.", "There is no such space."),
        ("zh-CN", "用户名或密码错误。", "这个用户名已被使用。", "没有这个空间。"),
        ("zh-TW,zh;q=0.9", "用户名或密码错误。", "这个用户名已被使用。", "没有这个空间。"),
        ("fr", "The user name or the password is wrong.", "That user name is taken.", "There is no such space."),
    ],
)
def test_errors_speak_the_readers_language(site: LiveSite, language: str, wrong: str, taken: str, missing: str) -> None:
    headers = {"Accept-Language": language}
    form = {"username": "testuser", "password": "not that one"}
    login = requests.post(f"{site.host}/login", data=form, headers=headers)
    assert (login.status_code, wrong in login.text) == (401, True)
    register = requests.post(f"{site.host}/register", data=form, headers=headers)
    assert (register.status_code, taken in register.text) == (409, True)
    session = site.login()
    space = session.get(f"{site.host}/ai_project/none", headers=headers)
    assert (space.status_code, missing in space.text) == (404, True)


def test_login_leads_back(site: LiveSite, open_page: OpenPage) -> None:
    space_id = site.make_space("Behind the login")
    page = open_page()
    page.goto(f"{site.host}/ai_project/{space_id}")
    page.fill("#username", "testuser")
    page.fill("#password", "testpass123")
    page.click("main button")
    page.wait_for_url(f"**/ai_project/{space_id}")


@pytest.mark.parametrize("language", ["fr", "", "en\r\nX: y"])
def test_unknown_language_is_refused(site: LiveSite, language: str) -> None:
    answer = requests.post(f"{site.host}/language", data={"language": language}, allow_redirects=False)
    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "referrer", ["https://elsewhere.example//evil.example/x", "http://x/\\evil.example", "//evil.example//"]
)
def test_language_never_leads_elsewhere(site: LiveSite, referrer: str) -> None:
    answer = requests.post(
        f"{site.host}/language", data={"language": "zh"}, headers={"Referer": referrer}, allow_redirects=False
    )
    assert answer.headers["Location"] == "/"
