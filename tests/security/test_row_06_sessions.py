"""Row 6: logins live on the server, under a new name each, and end at once wherever they are used."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie

import pytest
import requests

from project.accounts.audit import Origin
from project.accounts.sessions import hashed
from project.core.model import User
from project.errors import Missing, WrongCredentials
from project.web.devices import device_name
from tests.conftest import LiveSite, Process, eventually, one_of_trials
from tests.security.conftest import PASSWORD, Bench

HOME = Origin("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
SOON_S = 1.0
JSON = {"Accept": "application/json"}


def cookie_of(answer: requests.Response) -> tuple[str, str, dict[str, str]]:
    """Name, value and attributes of the cookie that an answer sets."""
    parsed = SimpleCookie(answer.headers["Set-Cookie"])
    name, morsel = next(iter(parsed.items()))
    return name, morsel.value, {key: str(value) for key, value in morsel.items() if value}


def test_cookie_on_http_and_on_https(own_site: LiveSite) -> None:
    form = {"username": "ming", "password": PASSWORD}
    own_site.start()
    plain = requests.post(f"{own_site.host}/register", data=form, allow_redirects=False)
    name, value, attributes = cookie_of(plain)
    assert name == "spaces_session"
    assert len(value) >= 43  # 256 bits
    assert attributes == {"httponly": "True", "samesite": "Lax", "path": "/", "max-age": "604800"} | {
        key: attributes[key] for key in attributes if key == "expires"
    }
    own_site.environment |= {"SPACES_PUBLIC_ORIGIN": "https://spaces.example", "SPACES_PROXY_HOPS": "1"}
    own_site.start()
    headers = {"Host": "spaces.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    secure = requests.post(f"{own_site.host}/login", data=form, headers=headers, allow_redirects=False)
    name, value, attributes = cookie_of(secure)
    assert name == "__Host-spaces_session"
    assert attributes["secure"] == "True"
    assert "domain" not in attributes
    # A login of the plain site is not taken for one of the secure one: a neighbour could have planted its cookie.
    planted = requests.get(
        f"{own_site.host}/requests",
        headers={**headers, "Cookie": f"spaces_session={value}"},
        allow_redirects=False,
    )
    assert planted.headers["Location"].startswith("/login")


def test_only_the_hash_is_kept_and_every_login_has_a_new_name(bench: Bench) -> None:
    user = bench.accounts.register("ming", PASSWORD)
    tokens = [bench.accounts.login("ming", PASSWORD, HOME)[0] for _ in range(2)]
    assert len(set(tokens)) == 2
    logins = bench.accounts.sessions.of_user(user.id)
    assert {login.token_hash for login in logins} == {hashed(token) for token in tokens}
    assert not any(token in str(logins) for token in tokens)
    assert {(login.address, login.device) for login in logins} == {(HOME.address, HOME.device)}


def test_a_planted_login_is_not_taken_over(site: LiveSite) -> None:
    """Fixation: whatever the browser came with, it leaves with something else, and the old one is void."""
    attacker = site.login("testuser", "testpass123")
    planted = attacker.cookies["spaces_session"]
    victim = requests.Session()
    answer = victim.post(
        f"{site.host}/login",
        data={"username": "admin", "password": "admin123"},
        headers={"Cookie": f"spaces_session={planted}"},
        allow_redirects=False,
    )
    assert cookie_of(answer)[1] != planted
    assert attacker.get(f"{site.host}/requests", headers=JSON).status_code == 401


def test_idle_and_absolute_ends(bench: Bench) -> None:
    bench.accounts.register("ming", PASSWORD)
    token, _ = bench.accounts.login("ming", PASSWORD, HOME)
    idle_s, max_s = bench.settings.session_idle_s, bench.settings.session_max_s
    assert (idle_s, max_s) == (8 * 3600.0, 7 * 86400.0)
    began = bench.now
    while bench.now + idle_s - 1 < began + max_s:
        bench.now += idle_s - 1
        assert bench.accounts.user_of(token) is not None  # being used keeps it, over restarts as well
        bench.restart()
    bench.now = began + max_s
    assert bench.accounts.user_of(token) is None
    other, _ = bench.accounts.login("ming", PASSWORD, HOME)
    bench.now += idle_s
    assert bench.accounts.user_of(other) is None
    bench.accounts.tidy()
    assert bench.store.accounts.session(hashed(other), now=bench.now) is None


def test_use_is_written_down_now_and_then_not_each_time(bench: Bench) -> None:
    user = bench.accounts.register("ming", PASSWORD)
    token, _ = bench.accounts.login("ming", PASSWORD, HOME)
    began = bench.now
    seen = []
    for _ in range(6):
        bench.now += 30.0
        bench.accounts.login_of(token, "192.0.2.9")
        seen.append(bench.accounts.sessions.of_user(user.id)[0].seen_at - began)
    assert seen == [0.0, 60.0, 60.0, 120.0, 120.0, 180.0]
    assert bench.accounts.sessions.of_user(user.id)[0].address == "192.0.2.9"


ENDINGS: dict[str, Callable[[Bench, User, User, str], object]] = {
    "logout": lambda bench, admin, user, token: bench.accounts.logout(token),
    "password": lambda bench, admin, user, token: bench.accounts.change_password(user, PASSWORD, "a new one, longer"),
    "reset": lambda bench, admin, user, token: bench.accounts.people.reset_password(admin, user.id, HOME),
    "disable": lambda bench, admin, user, token: bench.accounts.people.disable(admin, user.id, HOME),
    "role": lambda bench, admin, user, token: bench.accounts.people.set_role(admin, user.id, "admin", HOME),
    "revoked": lambda bench, admin, user, token: bench.accounts.sessions.end_one(
        user.id, bench.accounts.sessions.of_user(user.id)[0].id
    ),
    "all": lambda bench, admin, user, token: bench.accounts.people.end_logins(admin, user.id, HOME),
    "codes": lambda bench, admin, user, token: bench.accounts.people.remove_second_factor(admin, user.id, HOME),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_ends_ends_at_once_and_tells(bench: Bench, ending: str) -> None:
    bench.accounts.seed()
    admin = bench.accounts.login("admin", "quiet-lantern-42", HOME)[1]
    user = bench.accounts.register("ming", PASSWORD)
    token = bench.accounts.login("ming", PASSWORD, HOME)[0]
    told: list[str] = []
    bench.accounts.sessions.on_ended(told.append)
    assert bench.accounts.user_of(token) == user  # remembered from here on
    ENDINGS[ending](bench, admin, user, token)
    assert bench.accounts.user_of(token) is None
    assert user.id in told
    bench.restart()
    assert bench.accounts.user_of(token) is None


def test_ones_own_change_begins_a_new_login_and_needs_the_old_password(bench: Bench) -> None:
    user = bench.accounts.register("ming", PASSWORD)
    for _ in range(10):
        with pytest.raises(WrongCredentials):
            bench.accounts.change_password(user, "wrong", "a new one, longer", HOME)
    with pytest.raises(Exception, match="Too many failed attempts"):
        bench.accounts.change_password(user, PASSWORD, "a new one, longer", HOME)
    bench.now += 10.0
    token = bench.accounts.change_password(user, PASSWORD, "a new one, longer", HOME)
    assert bench.accounts.user_of(token) is not None
    with pytest.raises(WrongCredentials):
        bench.accounts.login("ming", PASSWORD, HOME)


def test_ones_own_logins_only(bench: Bench) -> None:
    ming, wei = bench.accounts.register("ming", PASSWORD), bench.accounts.register("wei", PASSWORD)
    token = bench.accounts.login("ming", PASSWORD, HOME)[0]
    login = bench.accounts.sessions.of_user(ming.id)[0]
    with pytest.raises(Missing):
        bench.accounts.sessions.end_one(wei.id, login.id)
    assert bench.accounts.sessions.end_all(wei.id) == 0
    assert bench.accounts.user_of(token) == ming


# -- on a real site --------------------------------------------------------------------------------------------------


@contextmanager
def open_stream(site: LiveSite, session: requests.Session, space: str) -> Iterator[threading.Event]:
    """A stream of live status, read by a thread; the event is set when the site has ended it."""
    answer = session.get(f"{site.host}/websockets/stream", params={"space_id": space}, stream=True, timeout=60)
    assert answer.status_code == 200
    begun, ended = threading.Event(), threading.Event()

    def read() -> None:
        try:
            for _ in answer.iter_lines():
                begun.set()
        except requests.RequestException:
            pass
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    assert begun.wait(60)
    yield ended
    answer.close()


@pytest.fixture(scope="module")
def space(site: LiveSite) -> str:
    return site.make_space("Watched")


def _new(site: LiveSite, name: str) -> tuple[requests.Session, str]:
    """A new user, and the address of their page for administrators."""
    session = requests.Session()
    session.post(f"{site.host}/register", data={"username": name, "password": PASSWORD})
    people = site.login().get(f"{site.host}/admin/users").text
    found = re.search(rf"(/admin/users/\w+)\">{name}<", people)
    assert found
    return session, site.host + found[1]


@pytest.mark.parametrize("ending", ["logout", "password", "disable", "reset", "revoke"])
def test_streams_end_with_the_login(site: LiveSite, space: str, ending: str) -> None:
    user, page = _new(site, f"streams_{ending}")
    with open_stream(site, user, space) as ended:
        assert not ended.is_set()
        if ending == "logout":
            copy = requests.Session()
            copy.cookies.update(user.cookies)
            copy.post(f"{site.host}/logout")
        elif ending == "password":
            form = {"current_password": PASSWORD, "new_password": "a new one, longer"}
            fresh = requests.Session()
            fresh.post(f"{site.host}/login", data={"username": f"streams_{ending}", "password": PASSWORD})
            assert fresh.post(f"{site.host}/account/password", data=form).status_code == 200
            assert fresh.get(f"{site.host}/requests", headers=JSON).status_code == 200
        elif ending == "revoke":
            listed = user.get(f"{site.host}/account/").text
            found = re.search(r"/account/logins/\w+/end", listed)
            assert found
            user.post(site.host + found[0])
        else:
            site.login().post(f"{page}/{'disable' if ending == 'disable' else 'password'}")
        assert ended.wait(30), "long before the login would end by itself"
    assert user.get(f"{site.host}/requests", headers=JSON).status_code == 401


def test_a_disabled_user_stays_out_until_enabled(site: LiveSite) -> None:
    user, page = _new(site, "comes_and_goes")
    form = {"username": "comes_and_goes", "password": PASSWORD}
    admin = site.login()
    admin.post(f"{page}/disable")
    assert user.get(f"{site.host}/requests", headers=JSON).status_code == 401
    assert requests.post(f"{site.host}/login", data=form, headers=JSON).status_code == 401
    admin.post(f"{page}/enable")
    assert requests.post(f"{site.host}/login", data=form, headers=JSON, allow_redirects=False).status_code == 302


def test_administrators_do_not_lock_themselves_out(site: LiveSite) -> None:
    admin = site.login()
    people = admin.get(f"{site.host}/admin/users").text
    found = re.search(r"(/admin/users/\w+)\">admin<", people)
    assert found
    for action in ("disable", "role", "password", "logins", "second-factor"):
        answer = admin.post(f"{site.host}{found[1]}/{action}", data={"role": "user"}, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert admin.get(f"{site.host}/admin/").status_code == 200


def test_a_reset_password_opens_only_the_page_to_change_it(site: LiveSite, space: str) -> None:
    _, page = _new(site, "forgetful")
    shown = site.login().post(f"{page}/password")
    assert shown.headers["Cache-Control"] == "no-store"
    given = re.search(r'id="given">([\w-]+)<', shown.text)
    assert given
    session = requests.Session()
    login = {"username": "forgetful", "password": given[1]}
    answer = session.post(f"{site.host}/login", data=login, allow_redirects=False)
    assert answer.status_code == 302
    for path in ("/", "/requests", f"/ai_project/{space}", "/account/keys"):
        sent = session.get(site.host + path, allow_redirects=False)
        assert (sent.status_code, sent.headers["Location"]) == (302, "/account/password")
    told = session.post(f"{site.host}/websockets/submit/{space}", data={"prompt": "x"}, headers=JSON)
    assert (told.status_code, told.json()["code"]) == (403, "password_change_required")
    assert "Choose your own before you go on" in session.get(f"{site.host}/account/password").text
    same = {"current_password": given[1], "new_password": given[1]}
    assert session.post(f"{site.host}/account/password", data=same).status_code == 400
    own = {"current_password": given[1], "new_password": "my own, and longer"}
    assert session.post(f"{site.host}/account/password", data=own).status_code == 200
    assert session.get(f"{site.host}/requests", allow_redirects=False).status_code == 200
    assert requests.post(f"{site.host}/login", data=login, headers=JSON).status_code == 401


def test_one_sees_and_ends_ones_own_logins(site: LiveSite) -> None:
    first, _ = _new(site, "two_places")
    second = requests.Session()
    second.headers["User-Agent"] = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1"
    second.post(f"{site.host}/login", data={"username": "two_places", "password": PASSWORD})
    page = first.get(f"{site.host}/account/").text
    assert "python-requests" in page
    assert "Safari · iPhone" in page
    assert "127.0.0.1" in page
    assert page.count("This one") == 1
    first.post(f"{site.host}/account/logins/end-others")
    assert second.get(f"{site.host}/requests", headers=JSON).status_code == 401
    assert first.get(f"{site.host}/requests", headers=JSON).status_code == 200


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge · Windows"),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/140.0 Mobile Safari/537.36", "Chrome · Android"),
        ("curl/8.5.0", "curl"),
        ("Something\nelse/1.0", "Somethingelse/1.0"),
        ("", ""),
    ],
)
def test_devices_have_names(said: str, name: str) -> None:
    assert device_name(said) == name


@one_of_trials
def test_a_revoked_worker_token_ends_the_workers_connection(site: LiveSite) -> None:
    """Sockets: who came by a token goes with it, within a second."""
    name = f"Revoked {secrets.token_hex(4)}"
    space = site.make_space(name)
    admin = site.login()
    page = admin.post(f"{site.host}/admin/space/{space}/tokens", data={"token_name": "t"}).text
    token = page[page.index("wsp_") :].split("<")[0]
    revoke = re.search(rf"/admin/space/{space}/tokens/\w+/revoke", page)
    assert revoke
    worker = Process("mock_app.py", "--host", site.host, "--spaces", name, "--token", token)
    try:
        worker.says("Request processor started")
        eventually(lambda: site.connected(space))
        admin.post(site.host + revoke[0])
        eventually(lambda: not site.connected(space), within_s=SOON_S)
    finally:
        worker.end()
