"""Every page on every kind of screen: it fits, it can be read, it can be used without a mouse or eyes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.conftest import ROOT, LiveSite, Process, eventually
from tests.pages.conftest import WORKER, OpenPage, log_in

pytestmark = pytest.mark.slow
CHECKS = (Path(__file__).parent / "look.js").read_text(encoding="utf-8")
KINDS = [
    ("phone", "light", "zh-CN"),
    ("phone", "dark", "en-US"),
    ("desktop", "dark", "zh-CN"),
    ("desktop", "light", "en-US"),
]


UNFOLD = """() => {
    for (const button of document.querySelectorAll("[data-part=fold]")) if (button.checkVisibility()) button.click();
    for (const details of document.querySelectorAll("details")) details.open = true;
}"""
BODY = """
import pathlib, tempfile
from project.worker.mock.media import draw, speak

def handler(job):
    folder = pathlib.Path(tempfile.mkdtemp())
    if job.prompt.startswith("fail"): raise ValueError("no such voice " * 20)
    if job.prompt == "hold":
        job.progress(0.4, "reading " * 30)
        while not job.cancelled: job.sleep(0.05)
    draw(folder / "rings.png", job.prompt)
    speak(folder / "tones.wav", job.prompt)
    (folder / ("long-name-" * 12 + ".csv")).write_text("a,b")
    values = {"text_output": "word " * 200, "confidence": 0.9, "unbroken": "x" * 200}
    return Result(values, sorted(folder.iterdir()))
"""


@pytest.fixture(scope="module")
def served(site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A space with requests of every state: the newest is queued behind a running one."""
    switches = {f"ws_enable_{kind}": "on" for kind in ("audio", "video", "file_upload")}
    name = "Donaudampfschifffahrtsgesellschaftskapitänskajütenschlüssel"
    space_id = site.make_space(name, description="What it does. " * 90, **switches)
    code = tmp_path_factory.mktemp("look") / "worker.py"
    code.write_text(WORKER.format(body=BODY), encoding="utf-8")
    worker = Process(str(code), site.host, name, environment={"PYTHONPATH": str(ROOT)})
    eventually(lambda: site.connected(space_id))
    session = site.login()
    for prompt in ("fail, please", "answer " * 60):
        site.status(session, site.submit(session, space_id, prompt=prompt)["request_id"], wait=20)
    for prompt in ("hold", "cancelled", "x" * 300):
        made = site.submit(session, space_id, prompt=prompt)
        if prompt == "cancelled":
            assert session.post(f"{site.host}/websockets/cancel/{made['request_id']}").ok
    yield space_id
    worker.end()


@pytest.fixture(scope="module")
def addresses(site: LiveSite, served: str) -> dict[str, str]:
    """Each page's address, with something on it to see."""
    requests = re.findall(r"/requests/\w{16,}", site.login().get(f"{site.host}/requests").text)
    switches = {f"ws_enable_{kind}": "on" for kind in ("audio", "video", "file_upload")}
    space_id = site.make_space("A space with a name of some length", description="What it does. " * 9, **switches)
    site.make_space("Twin", cover="😺", cover_type="emoji")
    twin = site.make_space("Twin")
    never = site.make_space("Never served", ws_queue_while_offline="on", ws_queue_timeout_seconds="1")
    session = site.login()
    site.status(session, site.submit(session, never, prompt="x")["request_id"], wait=20)
    return {
        "index": "/",
        "space": f"/ai_project/{space_id}",
        "served": f"/ai_project/{served}",
        **{f"request {number}": address for number, address in enumerate(requests)},
        "description": f"/ai_project/{site.make_space('Told', card_type='link')}",
        "requests": "/requests",
        "dashboard": "/admin/",
        "add": "/admin/space/add",
        "edit": f"/admin/space/edit/{twin}",
        "dead letters": "/admin/dead-letters",
        "users": "/admin/users",
        "error": "/ai_project/none",
        "login": "/login",
        "register": "/register",
        "logout": "/logout",
        "inbox": "/inbox",
        "failures": "/admin/dead-letters",
        "audit": "/admin/audit",
        **{f"account {room}": f"/account/{room}" for room in ("", "password", "second-factor", "keys")},
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
        if name == "served" or name.startswith("request "):
            page.locator(".request-time").first.wait_for()
        page.evaluate(UNFOLD)
        assert problems(page) == [], name


def test_theme_is_switched_and_kept(site: LiveSite, open_page: OpenPage) -> None:
    page = open_page(theme="light")
    page.goto(site.host)
    page.click("#theme-switch")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"


def test_dark_pages_are_printed_dark_on_white(site: LiveSite, open_page: OpenPage, addresses: dict[str, str]) -> None:
    page = open_page(theme="dark")
    log_in(page, site, "admin", "admin123")
    page.goto(site.host + addresses["request 0"])
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 36, 35)"
    assert page.locator(".bar").is_hidden()
    assert problems(page) == []


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
