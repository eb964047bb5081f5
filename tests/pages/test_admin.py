"""The administrators' pages: the guide's form and its answers, tokens, deletion, and who may not."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.conftest import LiveSite, one_of_trials
from tests.pages.conftest import OpenPage, log_in

pytestmark = pytest.mark.slow
GUIDE = {
    "name": "From the guide",
    "description": "E2E Test",
    "card_type": "websockets",
    "cover": "default.png",
    "ws_enable_prompt": "on",
}
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def admin(site: LiveSite) -> requests.Session:
    return site.login()


def test_form_of_the_guide_makes_a_space(site: LiveSite, admin: requests.Session) -> None:
    answer = admin.post(f"{site.host}/admin/space/add", data=GUIDE, allow_redirects=False)
    assert answer.status_code == 302
    assert re.fullmatch(r"/admin/space/edit/\w+", answer.headers["Location"])
    page = admin.get(site.host + answer.headers["Location"]).text
    assert 'value="From the guide"' in page
    assert f"python mock_app.py --host {site.host} --spaces &#34;From the guide&#34;" in page or (
        f'python mock_app.py --host {site.host} --spaces "From the guide"' in page
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("cover", "../secret"),
        ("cover", "nowhere.png"),
        ("ws_enable_prompt", ""),
        ("ws_rate_limit_seconds", "often"),
        ("ws_max_queue", "0"),
        ("ws_max_workers", "65"),
        ("ws_run_timeout_seconds", "nan"),
        ("ws_queue_timeout_seconds", "-1"),
    ],
)
def test_wrong_field_is_marked_and_the_form_kept(
    site: LiveSite, admin: requests.Session, field: str, value: str
) -> None:
    form = GUIDE | {"description": "typed with care", field: value}
    address = f"{site.host}/admin/space/add"
    answer = admin.post(address, data=form)
    assert answer.status_code == 400
    assert "typed with care" in answer.text
    assert f'id="{field}-error"' in answer.text
    told = admin.post(address, data=form, headers=JSON)
    assert told.status_code == 400
    assert told.json()["field"] == field
    assert told.json()["success"] is False


def test_space_is_changed_and_deleted(site: LiveSite, admin: requests.Session) -> None:
    space_id = site.make_space("Before")
    address = f"{site.host}/admin/space/edit/{space_id}"
    assert admin.post(address, data=GUIDE | {"name": 'After "$x"'}).status_code == 200
    page = admin.get(address).text
    assert "After" in page
    assert r"After \&#34;\$x\&#34;" in page
    wrong = admin.post(address, data=GUIDE | {"name": ""})
    assert wrong.status_code == 400
    assert 'id="name-error"' in wrong.text
    answer = admin.post(f"{site.host}/admin/space/delete/{space_id}", allow_redirects=False)
    assert answer.headers["Location"] == "/admin/"
    assert admin.get(address).status_code == 404
    assert admin.post(address, data=GUIDE).status_code == 404
    assert admin.post(f"{site.host}/admin/space/delete/{space_id}").status_code == 404


def test_twins_are_warned_of(site: LiveSite, admin: requests.Session) -> None:
    first, second = site.make_space("Namesake"), site.make_space("Namesake")
    for space_id in (first, second):
        assert "Another space has the same name" in admin.get(f"{site.host}/admin/space/edit/{space_id}").text
    assert (
        "Another space has the same name"
        not in admin.get(f"{site.host}/admin/space/edit/{site.make_space('Only')}").text
    )


def test_token_is_shown_once_and_revoked(site: LiveSite, admin: requests.Session) -> None:
    space_id = site.make_space("Tokens")
    edit, tokens = f"{site.host}/admin/space/edit/{space_id}", f"{site.host}/admin/space/{space_id}/tokens"
    made = admin.post(tokens, data={"token_name": "laboratory"})
    assert made.status_code == 200
    assert made.headers["Cache-Control"] == "no-store"
    text = re.search(r"wsp_[\w-]+", made.text)
    assert text
    page = admin.get(edit).text
    assert "laboratory" in page
    assert text[0] not in page
    assert admin.post(tokens, data={"token_name": ""}).status_code == 400
    assert admin.post(tokens, data={"token_name": "second"}).status_code == 200
    assert admin.post(tokens, data={"token_name": "third"}).status_code == 409
    revoke = re.search(rf"/admin/space/{space_id}/tokens/\w+/revoke", page)
    assert revoke
    assert "Revoked" in admin.post(site.host + revoke[0]).text
    assert admin.post(tokens, data={"token_name": "third"}).status_code == 200


def test_dashboard_and_people(site: LiveSite, admin: requests.Session) -> None:
    site.make_space("On the dashboard")
    page = admin.get(f"{site.host}/admin/").text
    assert "On the dashboard" in page
    people = admin.get(f"{site.host}/admin/users").text
    assert "testuser" in people
    assert "scrypt" not in people


@pytest.mark.parametrize("path", ["/admin/", "/admin/users", "/admin/space/add"])
def test_only_administrators_come_in(site: LiveSite, path: str) -> None:
    assert site.login("testuser", "testpass123").get(site.host + path).status_code == 403
    answer = requests.get(site.host + path, allow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login?next=/admin")


def test_names_with_markup_stay_text(site: LiveSite, open_page: OpenPage) -> None:
    name = "<b id=bold>bold</b>"
    space_id = site.make_space(name, description="<script>document.title='taken'</script>")
    page = open_page()
    log_in(page, site, "admin", "admin123")
    for path in ("/", "/admin/", f"/admin/space/edit/{space_id}", f"/ai_project/{space_id}"):
        page.goto(site.host + path)
        expect(page.get_by_text(name).first).to_be_visible()
        expect(page.locator("#bold")).to_have_count(0)


def test_command_is_copied_also_without_a_clipboard(site: LiveSite, open_page: OpenPage) -> None:
    space_id = site.make_space("Copied")
    page = open_page(permissions=["clipboard-read"])
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/admin/space/edit/{space_id}")
    page.evaluate("Object.defineProperty(navigator.clipboard, 'writeText', {value: () => Promise.reject(new Error())})")

    @one_of_trials
    def is_copied() -> None:
        """Which is said for a moment."""
        page.click("[data-copy=command]")
        expect(page.locator("[data-copy=command]")).to_have_text("Copied", timeout=1500)

    is_copied()
    assert page.evaluate("navigator.clipboard.readText()").startswith("python mock_app.py --host ")


def test_deletion_asks_first(site: LiveSite, open_page: OpenPage) -> None:
    space_id = site.make_space("Doomed")
    page = open_page()
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/admin/space/edit/{space_id}")
    button = page.get_by_role("button", name="Delete for good")
    expect(button).to_be_hidden()
    page.locator(".danger summary").click()
    button.click()
    page.wait_for_url("**/admin/")
    expect(page.get_by_text("Doomed")).to_have_count(0)


def test_a_failed_request_is_tried_again(site: LiveSite, open_page: OpenPage) -> None:
    space_id = site.make_space("Fails late", ws_queue_while_offline="on", ws_queue_timeout_seconds="1")
    user = site.login("testuser", "testpass123")
    dead = site.submit(user, space_id, prompt="too late")["request_id"]
    site.status(user, dead, wait=20)
    page = open_page()
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/admin/")
    page.get_by_role("link", name="Failures").click()
    row = page.locator(f"[data-letter='{dead}']")
    assert "No worker took the request in time." in row.inner_text()
    row.get_by_role("button", name="Try again").click()
    page.get_by_text("It is being tried again.").wait_for()
    assert page.locator(f"[data-letter='{dead}']").get_by_role("link", name="Tried again").is_visible()
    page.get_by_role("link", name="The new request").click()
    page.wait_for_url("**/requests/*")
    again = page.url.rsplit("/", 1)[1]
    assert again != dead
    assert site.status(user, again)["space_id"] == space_id


def test_the_order_and_what_happens_offline_are_chosen(site: LiveSite, open_page: OpenPage) -> None:
    space_id = site.make_space("Options")
    page = open_page()
    log_in(page, site, "admin", "admin123")
    page.goto(f"{site.host}/admin/space/edit/{space_id}")
    page.select_option("#ws_order", "fair")
    page.check("#ws_queue_while_offline")
    page.get_by_text("Limits", exact=True).click()
    page.fill("#ws_capacity", "3")
    page.fill("#ws_max_queue_per_user", "5")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.").wait_for()
    assert page.input_value("#ws_order") == "fair"
    assert page.is_checked("#ws_queue_while_offline")
    assert (page.input_value("#ws_capacity"), page.input_value("#ws_max_queue_per_user")) == ("3", "5")
