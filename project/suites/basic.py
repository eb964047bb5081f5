"""The basic suite of the testing guide: accounts, spaces, status, refusals."""

from __future__ import annotations

import secrets
from typing import Final

from project.suites.check import Bench, Check, expect, expect_that


def _reachable(bench: Bench) -> None:
    answer = bench.visitor().get("/")
    expect(answer.status_code, 200, "GET /")
    expect_that("text/html" in answer.headers.get("Content-Type", ""), "GET / answers HTML")
    expect(bench.visitor().get("/login").status_code, 200, "GET /login")


def _wrong_login(bench: Bench) -> None:
    visitor = bench.visitor()
    expect(visitor.login(bench.username, secrets.token_hex(8)).status_code, 401, "login with a wrong password")
    expect(visitor.login(secrets.token_hex(8), "whatever1").status_code, 401, "login of an unknown user")


def _registration(bench: Bench) -> None:
    name, password = f"tester_{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    visitor = bench.visitor()
    answer = visitor.post("/register", data={"username": name, "password": password})
    expect(answer.status_code, 302, "registration")
    expect(bench.visitor().login(name, password).status_code, 302, "login of the new user")
    again = bench.visitor().post("/register", data={"username": name, "password": password})
    expect(again.status_code, 409, "registering the same name again")
    expect(visitor.post("/logout").status_code, 302, "logout")
    expect(visitor.get("/requests", allow_redirects=False).status_code, 302, "a page of one's own after logout")


def _logins(bench: Bench) -> None:
    bench.user()
    bench.admin()


def _admin_only(bench: Bench) -> None:
    answer = bench.user().get("/admin/space/add")
    expect(answer.status_code, 403, "a user at /admin/space/add")
    expect(bench.visitor().get("/admin/", allow_redirects=False).status_code, 302, "nobody at /admin/")


def _space_is_found(bench: Bench) -> None:
    name = f"TestSpace_{bench.stamp}_{secrets.token_hex(3)}"
    space_id = bench.make_space(name)
    expect_that(f"/ai_project/{space_id}" in bench.visitor().get("/").text, "the new space is on the front page")
    user = bench.user()
    for language, badge in (("zh", "✗ 未连接"), ("en", "✗ Not connected")):
        page = user.get(f"/ai_project/{space_id}", headers={"Accept-Language": language})
        expect(page.status_code, 200, "the page of the space")
        expect_that(name in page.text, "the page of the space shows its name")
        expect_that(badge in page.text, f"the page of the space shows {badge}")


def _status_of_space(bench: Bench) -> None:
    body = bench.user().get(f"/websockets/space/{_space(bench)}/status").json()
    expect(body["connected"], False, "connected, without a worker")
    expect(body["queue_size"], 0, "queue_size of a new space")


def _refused_without_login(bench: Bench) -> None:
    answer = bench.visitor().submit(_space(bench), data={"prompt": "x"})
    expect(answer.status_code, 401, "submit without login")
    expect(answer.json()["success"], False, "success of a refused submit")


def _refused_while_disconnected(bench: Bench) -> None:
    answer = bench.user().submit(_space(bench), data={"prompt": "x"})
    expect(answer.status_code, 503, "submit without a worker")
    expect(answer.json()["success"], False, "success of a refused submit")
    expect_that("remote app not connected" in answer.json()["error"], "the error says remote app not connected")


def _unknown(bench: Bench) -> None:
    user = bench.user()
    for answer, what in ((user.status("no-such-request"), "request"), (user.submit("no-such-space"), "space")):
        expect(answer.status_code, 404, f"an unknown {what}")
        expect(answer.json()["success"], False, f"success for an unknown {what}")
        expect(answer.json()["code"], f"{what}_not_found", f"code for an unknown {what}")


def _bad_field(bench: Bench) -> None:
    answer = bench.user().get("/websockets/status", params={"request_id": "x", "wait": "soon"})
    expect(answer.status_code, 400, "wait=soon")
    expect(answer.json()["field"], "wait", "the field that is named")
    nameless, _ = bench.admin().make_space("")
    expect(nameless.status_code, 400, "a space without a name")


def _space(bench: Bench) -> str:
    """A space of this run that nobody serves."""
    return bench.made[0] if bench.made else bench.make_space(f"TestSpace_{bench.stamp}_{secrets.token_hex(3)}")


CHECKS: Final = (
    Check("the site answers", _reachable),
    Check("a wrong login is refused", _wrong_login),
    Check("registration, login, logout", _registration),
    Check("the test user and the administrator can log in", _logins),
    Check("administration is for administrators", _admin_only),
    Check("a new space is found and says it is not connected", _space_is_found),
    Check("the status of a space", _status_of_space),
    Check("submitting needs a login", _refused_without_login),
    Check("submitting needs a worker", _refused_while_disconnected),
    Check("unknown requests and spaces", _unknown),
    Check("bad fields are named", _bad_field),
)
