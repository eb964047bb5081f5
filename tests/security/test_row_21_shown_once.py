"""Row 21: what is shown once (keys, tokens, passwords, recovery codes) is not shown again, however one comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as BrowserError

from tests.conftest import LiveSite, eventually
from tests.pages.conftest import log_in

SECRET = r"(wsk_[\w-]{20,}|wsp_[\w-]{20,}|[a-z2-9]{4}(?:-[a-z2-9]{4}){3})"
FORM = {"key_name": "a", "scope_read": "on"}


def shown(answer: requests.Response) -> str:
    found = re.search(SECRET, answer.text)
    assert found, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return found[1]


def test_secrets_are_in_one_answer_alone_and_no_cache(site: LiveSite) -> None:
    admin, space_id = site.login(), site.make_space("Once")
    added = admin.post(f"{site.host}/admin/users", data={"username": "once", "role": "user"})
    found = re.search(r"/admin/users/(?!\")\w+(?=\">once<)", added.text)
    assert found
    places = {
        "/admin/users": shown(added),
        found[0]: shown(admin.post(f"{site.host}{found[0]}/password")),
        f"/admin/space/edit/{space_id}": shown(
            admin.post(f"{site.host}/admin/space/{space_id}/tokens", data={"token_name": "a"})
        ),
        "/account/keys": shown(admin.post(f"{site.host}/account/keys", data=FORM)),
    }
    for path in (*places, "/account/", "/admin/", "/admin/audit"):
        text = admin.get(site.host + path).text
        assert not [secret for secret in places.values() if secret in text], path


@pytest.fixture
def page(browser: Browser, site: LiveSite) -> Iterator[Page]:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    log_in(page, site)
    yield page
    context.close()


def content_at_rest(page: Page) -> str:
    """What the page holds, once it has come to rest: an error page of the browser's own takes its time."""

    def content() -> str:
        with suppress(BrowserError):
            return page.content()
        return ""

    return str(eventually(content))


def test_the_way_back_shows_no_secret(site: LiveSite, page: Page) -> None:
    page.goto(f"{site.host}/account/keys")
    page.fill("[name=key_name]", "program")
    page.locator("form:has([name=key_name]) button").first.click()
    page.wait_for_selector("[data-once]")
    found = re.search(SECRET, page.content())
    assert found
    page.goto(f"{site.host}/requests")
    with suppress(BrowserError):  # a page that was an answer to a form is not shown again at all
        page.go_back()
    assert found[1] not in content_at_rest(page)
    page.goto(f"{site.host}/account/keys")
    assert found[1] not in page.content()


def test_page_that_is_kept_whole_has_lost_it(site: LiveSite, page: Page) -> None:
    page.goto(f"{site.host}/account/keys")
    page.fill("[name=key_name]", "kept")
    page.locator("form:has([name=key_name]) button").first.click()
    page.wait_for_selector("[data-once]")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    assert not re.search(SECRET, page.content())
