"""Row 29: codes of an authenticator app. The vectors are those of RFC 4226 and RFC 6238, and an app's own reckoning."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time

import pytest
import requests

from project.accounts import passwords, totp
from project.accounts.audit import Origin
from project.errors import CodeRequired, Conflict, TooManyAttempts, WrongCode, WrongCredentials
from tests.conftest import LiveSite
from tests.security.conftest import PASSWORD, SITE_KEY, Bench

HOME = Origin("192.0.2.7")
RFC_SECRET = b"12345678901234567890"
JSON = {"Accept": "application/json"}


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "METHOD", "scrypt:1024:8:1")


def app_code(letters: str, now: float) -> str:
    """What an app shows: reckoned here from the standard, not by the code under test."""
    secret = base64.b32decode(letters + "=" * (-len(letters) % 8))
    digest = hmac.digest(secret, struct.pack(">Q", int(now) // 30), hashlib.sha1)
    number = struct.unpack(">I", digest[digest[19] & 15 :][:4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


@pytest.mark.parametrize(
    ("counter", "code"),
    list(
        enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"])
    ),
)
def test_vectors_of_rfc_4226(counter: int, code: str) -> None:
    assert totp.code_at(RFC_SECRET, counter) == code


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_vectors_of_rfc_6238(at: int, code: str) -> None:
    assert totp.code_at(RFC_SECRET, totp.step_at(at), digits=8) == code


def test_a_clock_may_be_off_by_one_step_and_no_more() -> None:
    now = 1_000_000_000.0
    steps = {
        off: totp.matching_step(RFC_SECRET, totp.code_at(RFC_SECRET, totp.step_at(now) + off), now)
        for off in range(-3, 4)
    }
    assert {off for off, step in steps.items() if step is not None} == {-1, 0, 1}
    assert totp.matching_step(RFC_SECRET, "", now) is totp.matching_step(RFC_SECRET, "١٢٣٤٥٦", now) is None


def test_address_for_the_picture() -> None:
    address = totp.address_of(RFC_SECRET, "ming@家", "WebSocket Spaces")
    assert address == (
        "otpauth://totp/WebSocket%20Spaces%3Aming%40%E5%AE%B6"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=WebSocket%20Spaces"
    )


@pytest.fixture
def enrolled(bench: Bench) -> tuple[Bench, str, tuple[str, ...]]:
    """Somebody with an app: the accounts, the secret as letters, the recovery codes."""
    user = bench.accounts.register("ming", PASSWORD)
    offer = bench.accounts.factors.offer(user)
    bench.accounts.login("ming", PASSWORD, HOME)  # an offer alone asks for nothing
    codes = bench.accounts.factors.confirm(user, app_code(offer.secret, bench.now), HOME)
    bench.now += 60.0
    return bench, offer.secret, codes


def test_the_password_alone_opens_nothing(enrolled: tuple[Bench, str, tuple[str, ...]]) -> None:
    bench, secret, _ = enrolled
    with pytest.raises(CodeRequired):
        bench.accounts.login("ming", PASSWORD, HOME)
    half, needs_code = bench.accounts.half_login("ming", PASSWORD, HOME)
    assert needs_code is True
    assert bench.accounts.user_of(half) is None
    assert bench.accounts.sessions.of_user(bench.accounts.people.all()[0].id)[0].half is False  # not listed
    whole = bench.accounts.finish_login(half, app_code(secret, bench.now), HOME)
    assert whole != half
    assert bench.accounts.user_of(whole) is not None
    with pytest.raises(WrongCredentials):
        bench.accounts.finish_login(half, app_code(secret, bench.now + 30), HOME)
    late, _ = bench.accounts.half_login("ming", PASSWORD, HOME)
    bench.now += 301.0
    with pytest.raises(WrongCredentials):
        bench.accounts.finish_login(late, app_code(secret, bench.now), HOME)


def test_a_code_works_once(enrolled: tuple[Bench, str, tuple[str, ...]]) -> None:
    bench, secret, _ = enrolled
    code = app_code(secret, bench.now)
    bench.accounts.login("ming", PASSWORD, HOME, f" {code[:3]} {code[3:]} ")
    for replayed in (code, app_code(secret, bench.now - 30)):
        with pytest.raises(WrongCode):
            bench.accounts.login("ming", PASSWORD, HOME, replayed)
    bench.restart()
    with pytest.raises(WrongCode):
        bench.accounts.login("ming", PASSWORD, HOME, code)
    bench.now += 30.0
    bench.accounts.login("ming", PASSWORD, HOME, app_code(secret, bench.now))


def test_recovery_codes_work_once_and_only_their_hashes_are_kept(enrolled: tuple[Bench, str, tuple[str, ...]]) -> None:
    bench, _, codes = enrolled
    user = bench.accounts.people.all()[0]
    assert len(codes) == len(set(codes)) == 10
    kept = str(bench.store.factors.get(user.id))
    assert not any(code in kept or code.replace("-", "") in kept for code in codes)
    bench.accounts.login("ming", PASSWORD, HOME, codes[0])
    bench.accounts.login("ming", PASSWORD, HOME, codes[1].upper().replace("-", " "))
    assert bench.accounts.factors.recovery_left(user) == 8
    with pytest.raises(WrongCode):
        bench.accounts.login("ming", PASSWORD, HOME, codes[0])


def test_the_database_alone_tells_nobody_a_code(enrolled: tuple[Bench, str, tuple[str, ...]]) -> None:
    bench, secret, codes = enrolled
    kept = str(bench.store.factors.get(bench.accounts.people.all()[0].id))
    assert secret not in kept
    bench.keys = ("another-Key_of-a-5tranger-0123456789",)
    bench.restart()
    for wrong in (app_code(secret, bench.now), codes[0]):
        with pytest.raises(WrongCode):
            bench.accounts.login("ming", PASSWORD, HOME, wrong)
    bench.keys = ("another-Key_of-a-5tranger-0123456789", SITE_KEY)  # the site's key was replaced, the old one kept
    bench.restart()
    bench.accounts.login("ming", PASSWORD, HOME, app_code(secret, bench.now))
    bench.accounts.login("ming", PASSWORD, HOME, codes[0])


def test_codes_are_not_to_be_guessed(enrolled: tuple[Bench, str, tuple[str, ...]]) -> None:
    bench, secret, _ = enrolled
    right = app_code(secret, bench.now)
    refused = []
    for number in range(20):
        try:
            bench.accounts.login("ming", PASSWORD, HOME, f"{(int(right) + number + 1) % 1_000_000:06d}")
        except (WrongCode, TooManyAttempts) as error:
            refused.append(error.code)
    assert refused.count("wrong_code") == 10
    with pytest.raises(TooManyAttempts):
        bench.accounts.login("ming", PASSWORD, HOME, right)
    assert len(bench.log("second_factor_refused")) == 10


def test_set_up_twice_and_turned_off(enrolled: tuple[Bench, str, tuple[str, ...]]) -> None:
    bench, _, _ = enrolled
    user = bench.accounts.people.all()[0]
    with pytest.raises(Conflict):
        bench.accounts.factors.offer(user)
    with pytest.raises(Conflict):
        bench.accounts.factors.confirm(user, "123456", HOME)
    bench.accounts.factors.remove(user, HOME)
    bench.accounts.login("ming", PASSWORD, HOME)
    assert [entry.kind for entry in bench.log() if "factor" in entry.kind] == ["second_factor_on", "second_factor_off"]


def test_over_http(site: LiveSite) -> None:
    session = requests.Session()
    login = {"username": "with_app", "password": PASSWORD}
    session.post(f"{site.host}/register", data=login)
    page_address = f"{site.host}/account/second-factor"
    page = session.post(page_address).text
    assert 'src="data:image/svg+xml' in page
    secret = re.search(r'id="secret">(\w+)<', page)
    assert secret
    assert session.post(f"{page_address}/confirm", data={"code": "nonsense"}).status_code == 401
    shown = session.post(f"{page_address}/confirm", data={"code": app_code(secret[1], time.time())})
    assert shown.headers["Cache-Control"] == "no-store"
    recovery = re.findall(r"<li><code>([\w-]+)</code>", shown.text)
    assert len(recovery) == 10
    assert recovery[0] not in session.get(page_address).text

    program = requests.post(f"{site.host}/login", data=login, headers=JSON)
    assert (program.status_code, program.json()["code"], program.json()["field"]) == (401, "code_required", "code")
    person = requests.Session()
    sent = person.post(f"{site.host}/login", data={**login, "next": "/requests"}, allow_redirects=False)
    assert sent.headers["Location"] == "/login/code?next=/requests"
    assert person.get(f"{site.host}/requests", headers=JSON).status_code == 401
    assert person.post(f"{site.host}/login/code", data={"code": "000000x"}).status_code == 401
    done = person.post(
        f"{site.host}/login/code", data={"code": recovery[0], "next": "/requests"}, allow_redirects=False
    )
    assert (done.status_code, done.headers["Location"]) == (302, "/requests")
    assert person.get(f"{site.host}/requests", headers=JSON).status_code == 200
    nobody = requests.post(f"{site.host}/login/code", data={"code": recovery[1]}, allow_redirects=False)
    assert nobody.headers["Location"] == "/login"

    assert session.post(f"{page_address}/remove", data={"code": ""}).status_code == 401
    people = site.login().get(f"{site.host}/admin/users").text
    address = re.search(r"(/admin/users/\w+)\">with_app<", people)
    assert address
    site.login().post(f"{site.host}{address[1]}/second-factor")
    assert session.get(f"{site.host}/requests", headers=JSON).status_code == 401
    assert requests.post(f"{site.host}/login", data=login, headers=JSON, allow_redirects=False).status_code == 302
