"""The basic suite of the testing guide: accounts, spaces, status, refusals."""

from __future__ import annotations

import secrets
from typing import Final

import requests

from project.suites.bench import Bench
from project.suites.check import Check
from project.suites.client import Visitor
from project.suites.expect import Unmet, body_of, expect, expect_among, expect_refusal, expect_status, part_of
from project.suites.page import Page

BADGES: Final = {"zh": ("✓ 已连接", "✗ 未连接"), "en": ("✓ Connected", "✗ Not connected")}
"""What a space's page says with a worker, and without."""
FORM: Final = "fields"
"""Id of the form's fields on a space's page."""


def expect_badge(user: Visitor, space_id: str, *, connected: bool) -> list[str]:
    """Expect the right badge and form on the page of a space in both languages; the texts of the last page."""
    texts: list[str] = []
    for language, badges in BADGES.items():
        page = user.get(f"/ai_project/{space_id}", headers={"Accept-Language": language})
        expect_status(page, 200, f"the page of the space ({language})")
        read = Page.of(page.text)
        texts = read.texts
        shown = [badge for badge in badges if badge in texts]
        expect(shown, [badges[0 if connected else 1]], f"the badge of the space ({language})")
        expect(FORM in read.disabled, not connected, f"the form of the space is disabled ({language})")
    return texts


def _front_page(bench: Bench) -> None:
    _expect_html(bench, "/")


def _login_page(bench: Bench) -> None:
    _expect_html(bench, "/login")


def _wrong_password(bench: Bench) -> None:
    visitor, (name, _) = bench.visitor(), bench.stranger()
    _expect_refused(bench, visitor.login(name, secrets.token_hex(8)), "login with a wrong password")
    _expect_logged_out(visitor)


def _unknown_user(bench: Bench) -> None:
    visitor = bench.visitor()
    answer = visitor.login(f"nobody_{secrets.token_hex(4)}", secrets.token_hex(8))
    _expect_refused(bench, answer, "login of nobody")
    _expect_logged_out(visitor)


def _expect_refused(bench: Bench, answer: requests.Response, what: str) -> None:
    """A refused login; also one that has to wait, as a site that was guessed at for long may ask for."""
    if answer.status_code == 429 and answer.headers.get("Retry-After", "").isdigit():
        bench.notes.append(f"the site slows down guesses: try again in {answer.headers['Retry-After']} s")
        return
    expect_status(answer, 401, what)


def _registration(bench: Bench) -> None:
    name, password = bench.stranger()
    visitor = bench.visitor()
    expect_status(visitor.login(name, password), 302, "login of the new user")
    _expect_logged_in(visitor)
    expect_status(bench.visitor().register(name, password), 409, "registering the same name again")
    expect_status(visitor.post("/logout"), 302, "logout")
    _expect_logged_out(visitor)


def _logout_on_the_server(bench: Bench) -> None:
    visitor = bench.new_user()
    copy = bench.visitor()
    copy.session.cookies.update(visitor.session.cookies)
    _expect_logged_in(copy)
    expect_status(visitor.post("/logout"), 302, "logout")
    _expect_logged_out(copy)


def _test_user(bench: Bench) -> None:
    _expect_logged_in(bench.new_user())


def _administrator(bench: Bench) -> None:
    expect_status(bench.admin().get("/admin/"), 200, "the administrator at /admin/")


def _admin_only(bench: Bench) -> None:
    user = bench.user()
    name = bench.name("Forbidden")
    expect_status(user.get("/admin/space/add"), 403, "a user at /admin/space/add")
    answer, space_id = user.make_space(name)
    if space_id:
        bench.made.append(space_id)
    expect_status(answer, 403, "a user making a space")
    expect(name in Page.of(bench.visitor().get("/").text).texts, False, "the refused space is on the front page")
    expect_status(bench.visitor().get("/admin/space/add"), 302, "nobody at /admin/space/add, sent to the login")


def _space_is_made(bench: Bench) -> None:
    name = bench.name("TestSpace")
    space_id = bench.make_space(name)
    links = Page.of(bench.visitor().get("/").text).links
    expect_among(links.get(f"/ai_project/{space_id}", []), name, "the link to the new space on the front page")


def _space_is_shown(bench: Bench) -> None:
    name = bench.name("TestSpace")
    texts = expect_badge(bench.user(), bench.make_space(name), connected=False)
    expect_among(texts, name, "the name on the page of the space")


def _status_of_space(bench: Bench) -> None:
    space_id = _space(bench)
    body = body_of(bench.user().space_status(space_id), 200, "status of the space")
    expect(part_of(body, "space_id"), space_id, "space_id")
    expect(part_of(body, "connected"), False, "connected, without a worker")
    expect(part_of(body, "queue_size"), 0, "queue_size of a new space")


def _submit_without_login(bench: Bench) -> None:
    answer = bench.visitor().submit(_space(bench), data={"prompt": "x"})
    expect_refusal(answer, 401, "login_required", "submit without login")


def _submit_while_disconnected(bench: Bench) -> None:
    answer = bench.user().submit(_space(bench), data={"prompt": "x"})
    body = expect_refusal(answer, 503, "worker_offline", "submit without a worker")
    expect_among([part_of(body, "error")], "remote app not connected", "the error")


def _unknown_request(bench: Bench) -> None:
    expect_refusal(bench.user().status(secrets.token_hex(16)), 404, "request_not_found", "an unknown request")


def _unknown_space(bench: Bench) -> None:
    user, unknown = bench.user(), secrets.token_hex(8)
    expect_refusal(user.submit(unknown, data={"prompt": "x"}), 404, "space_not_found", "submit to an unknown space")
    expect_refusal(user.space_status(unknown), 404, "space_not_found", "status of an unknown space")
    expect_status(user.get(f"/ai_project/{unknown}"), 404, "the page of an unknown space")


def _bad_wait(bench: Bench) -> None:
    answer = bench.user().get("/websockets/status", params={"request_id": "x", "wait": "abc"})
    body = expect_refusal(answer, 400, "invalid_field", "wait=abc")
    expect(part_of(body, "field"), "wait", "the field that is named")


def _nameless_space(bench: Bench) -> None:
    answer, space_id = bench.admin().make_space("")
    if space_id:
        bench.made.append(space_id)
    expect_status(answer, 400, "a space without a name")


def _space_is_deleted(bench: Bench) -> None:
    space_id = bench.make_space(bench.name("TestSpace"))
    bench.delete_space(space_id)
    expect(f"/ai_project/{space_id}" in Page.of(bench.visitor().get("/").text).links, False, "it is still listed")
    expect_refusal(bench.user().space_status(space_id), 404, "space_not_found", "status of the deleted space")


def _expect_html(bench: Bench, path: str) -> None:
    answer = bench.visitor().get(path)
    expect_status(answer, 200, f"GET {path}")
    expect(answer.headers.get("Content-Type", "").split(";")[0], "text/html", f"type of GET {path}")
    expect(bool(Page.of(answer.text).texts), True, f"GET {path} shows something")


def _expect_logged_in(visitor: Visitor) -> None:
    answer = visitor.status("no-such-request")
    if answer.status_code == 401:
        raise Unmet("a page of one's own: expected to be logged in, got 401")


def _expect_logged_out(visitor: Visitor) -> None:
    expect_refusal(visitor.status("no-such-request"), 401, "login_required", "a call after that")


def _space(bench: Bench) -> str:
    """A space of this run that nobody serves."""
    return bench.made[0] if bench.made else bench.make_space(bench.name("TestSpace"))


CHECKS: Final = (
    Check("the front page answers HTML", _front_page),
    Check("the login page answers HTML", _login_page),
    Check("a wrong password is refused", _wrong_password),
    Check("an unknown user is refused", _unknown_user),
    Check("a new user registers, logs in and out", _registration),
    Check("logout ends the session on the server", _logout_on_the_server),
    Check("the test user logs in", _test_user),
    Check("the administrator logs in", _administrator),
    Check("only an administrator makes spaces", _admin_only),
    Check("a new space is on the front page", _space_is_made),
    Check("a new space opens and says it is not connected", _space_is_shown),
    Check("the status of a new space", _status_of_space),
    Check("submitting needs a login", _submit_without_login),
    Check("submitting needs a worker", _submit_while_disconnected),
    Check("an unknown request is not found", _unknown_request),
    Check("an unknown space is not found", _unknown_space),
    Check("a bad wait is refused by name", _bad_wait),
    Check("a space needs a name", _nameless_space),
    Check("a deleted space is gone", _space_is_deleted),
)
