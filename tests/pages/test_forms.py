"""Forms of a browser without a script lead to a page; programs and scripts get JSON, as the guide says."""

from __future__ import annotations

import pytest
import requests
from playwright.sync_api import expect

from tests.conftest import LiveSite, eventually
from tests.pages.conftest import OpenPage, StartWorker, log_in

pytestmark = pytest.mark.slow
ECHO = """
def handler(job):
    if "slow" in job.prompt:
        while not job.cancelled: job.sleep(0.05)
    return {"text_output": "<b>" + job.prompt, "zeichen": "雨"}
"""
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
KINDS_OF_PROGRAMS = [
    {},
    {"Accept": "*/*"},
    {"Accept": "application/json"},
    {"Accept": "application/json, text/plain, */*", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"},
    BROWSER | {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"},
]


@pytest.fixture(scope="module")
def person(site: LiveSite) -> requests.Session:
    return site.login("testuser", "testpass123")


def test_browser_without_a_script_goes_all_the_way(
    site: LiveSite, start_worker: StartWorker, open_page: OpenPage
) -> None:
    space_id = site.make_space("Plain", ws_enable_file_upload="on")
    start_worker(site, space_id, "Plain", ECHO)
    eventually(lambda: site.connected(space_id))
    page = open_page(java_script_enabled=False)
    log_in(page, site)
    page.goto(f"{site.host}/ai_project/{space_id}")
    page.click("#send")
    page.wait_for_url(f"**/websockets/submit/{space_id}")
    expect(page.locator(".notice-bad")).to_have_text("Write a prompt or choose a file first.")
    page.fill("#prompt", "slow and plain")
    page.set_input_files("#other_file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"abc"})  # type: ignore[arg-type]
    page.click("#send")
    page.wait_for_url("**/requests/*")
    expect(page.locator(".request-prompt")).to_have_text("slow and plain")
    expect(page.locator(".attached")).to_contain_text("a.txt")
    expect(page.locator(".state")).to_have_text("Running")  # the page looks again by itself
    address = page.url
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url(address)
    expect(page.locator(".state")).to_have_text("Cancelled")
    expect(page.locator(".request-error")).to_contain_text("You cancelled it.")
    page.goto(f"{site.host}/ai_project/{space_id}")
    page.fill("#prompt", "quick")
    page.click("#send")
    page.wait_for_url("**/requests/*")
    answered = site.status(site.logged_in("testuser", "testpass123"), page.url.rpartition("/")[2], wait=20)
    assert answered["status"] == "completed"
    page.reload()
    expect(page.locator(".answer")).to_have_text("<b>quick")
    expect(page.locator(".raw pre")).to_contain_text("雨", use_inner_text=False)


def test_form_again_keeps_the_prompt_and_tells_the_error(site: LiveSite, person: requests.Session) -> None:
    space_id = site.make_space("Away")
    answer = person.post(f"{site.host}/websockets/submit/{space_id}", data={"prompt": "kept <b>"}, headers=BROWSER)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "kept &lt;b&gt;</textarea>" in answer.text
    assert "The remote app is not connected." in answer.text
    missing = person.post(f"{site.host}/websockets/submit/none", data={"prompt": "x"}, headers=BROWSER)
    assert (missing.status_code, "There is no such space." in missing.text) == (404, True)
    cancelled = person.post(f"{site.host}/websockets/cancel/none", data={"x": ""}, headers=BROWSER)
    assert (cancelled.status_code, "There is no such request." in cancelled.text) == (404, True)
    nobody = requests.post(f"{site.host}/websockets/submit/{space_id}", data={"prompt": "x"}, headers=BROWSER)
    assert (nobody.status_code, "Please log in first." in nobody.text) == (401, True)


@pytest.mark.parametrize("headers", KINDS_OF_PROGRAMS)
def test_programs_and_scripts_get_json(site: LiveSite, person: requests.Session, headers: dict[str, str]) -> None:
    space_id = site.make_space("For programs")
    answer = person.post(f"{site.host}/websockets/submit/{space_id}", data={"prompt": "x"}, headers=headers)
    assert answer.status_code == 503
    assert answer.json()["code"] == "worker_offline"
    nobody = requests.post(f"{site.host}/websockets/submit/{space_id}", data={"prompt": "x"}, headers=headers)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "login_required")


@pytest.mark.parametrize("headers", [BROWSER, {}])
def test_json_is_answered_with_json(site: LiveSite, person: requests.Session, headers: dict[str, str]) -> None:
    answer = person.post(f"{site.host}/websockets/submit/none", json={"prompt": "x"}, headers=headers)
    assert answer.json()["code"] == "space_not_found"
    status = person.get(f"{site.host}/websockets/status?request_id=none", headers=headers)
    assert status.json()["code"] == "request_not_found"


def test_too_large_form_is_refused_with_a_page(site: LiveSite, person: requests.Session) -> None:
    address = f"{site.host}/websockets/submit/none"
    too_much = {"Content-Length": str(300 * 1024 * 1024), "Content-Type": "multipart/form-data; boundary=x"}
    for headers, kind in ((BROWSER, "text/html"), ({}, "application/json")):
        request = requests.Request("POST", address, headers=headers | too_much, cookies=person.cookies)
        answer = person.send(person.prepare_request(request))
        assert answer.status_code == 413
        assert answer.headers["Content-Type"].startswith(kind)
        assert "too_large" in answer.text
