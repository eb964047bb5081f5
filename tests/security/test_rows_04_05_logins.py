"""Rows 4 and 5: who guesses is slowed down, who knows is not; and nobody learns which names there are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from project.accounts import passwords
from project.accounts.audit import Origin
from project.accounts.hashing import Hasher
from project.core.throttling import network
from project.errors import BadApiKey, TooManyAttempts, TryLater, WrongCredentials
from tests.conftest import LiveSite, eventually, one_of_trials
from tests.relay.socket_client import Client
from tests.security.conftest import PASSWORD, Bench

HOME, CAFE, ATTACKER = Origin("192.0.2.7"), Origin("198.51.100.9"), Origin("203.0.113.66")


def guess(bench: Bench, times: int, origin: Origin = ATTACKER, name: str = "ming") -> list[str]:
    """The outcome of each wrong guess."""
    found = []
    for number in range(times):
        try:
            bench.accounts.login(name, f"wrong {number}", origin)
        except (WrongCredentials, TooManyAttempts) as error:
            found.append(error.code)
    return found


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest scrypt there is: these tests count hashes and do not time them."""
    monkeypatch.setattr(passwords, "METHOD", "scrypt:1024:8:1")
    passwords.nobodys_hash.cache_clear()


def test_fifty_wrong_guesses_are_not_fifty_chances(bench: Bench) -> None:
    bench.accounts.register("ming", PASSWORD)
    found = guess(bench, 50)
    assert found[:10] == ["wrong_credentials"] * 10
    assert set(found[10:]) == {"too_many_attempts"}


def test_the_right_password_works_from_elsewhere_during_the_attack(bench: Bench) -> None:
    bench.accounts.register("ming", PASSWORD)
    guess(bench, 50)
    with pytest.raises(TooManyAttempts):
        bench.accounts.login("ming", PASSWORD, ATTACKER)
    bench.accounts.login("ming", PASSWORD, HOME)


def test_an_attack_from_everywhere_does_not_keep_the_owner_out(bench: Bench) -> None:
    """Not even from an address the site has never seen, at the first try."""
    bench.accounts.register("ming", PASSWORD)
    for host in range(1, 101):
        guess(bench, 1, Origin(f"203.0.113.{host}"))
    # An attacker with many addresses is held by the account's own count from the second guess of each on.
    assert guess(bench, 1, Origin("203.0.113.1")) == ["too_many_attempts"]
    bench.accounts.login("ming", PASSWORD, CAFE)


def test_who_is_logged_in_from_an_address_is_not_hit_by_what_others_do_there(bench: Bench) -> None:
    """An office behind one address: a colleague's script guesses at everybody."""
    bench.accounts.register("ming", PASSWORD)
    bench.accounts.login("ming", PASSWORD, HOME)
    outcomes = [outcome for number in range(70) for outcome in guess(bench, 1, HOME, name=f"somebody{number}")]
    assert outcomes.count("wrong_credentials") == 50
    assert outcomes[-1] == "too_many_attempts"
    bench.accounts.login("ming", PASSWORD, HOME)


def test_success_is_never_throttled(bench: Bench) -> None:
    bench.accounts.register("ming", PASSWORD)
    for _ in range(60):
        bench.accounts.login("ming", PASSWORD, HOME)
        bench.now += 0.01


def test_waits_grow_are_told_and_are_not_for_ever(bench: Bench) -> None:
    bench.accounts.register("ming", PASSWORD)
    guess(bench, 10)
    waits = []
    for _ in range(12):
        with pytest.raises(TooManyAttempts) as told:
            bench.accounts.login("ming", "wrong", ATTACKER)
        waits.append(told.value.retry_after_s)
        bench.now += told.value.retry_after_s or 0.0
        assert guess(bench, 1) == ["wrong_credentials"]
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0, 300.0]
    bench.now += 300.0
    bench.accounts.login("ming", PASSWORD, ATTACKER)
    assert guess(bench, 10) == ["wrong_credentials"] * 10


def test_counts_survive_a_restart_and_are_shared_by_nodes(bench: Bench) -> None:
    bench.accounts.register("ming", PASSWORD)
    guess(bench, 5)
    bench.restart()
    assert guess(bench, 6)[-2:] == ["wrong_credentials", "too_many_attempts"]


def test_guesses_at_the_same_moment_count_each(bench: Bench) -> None:
    bench.accounts.register("ming", PASSWORD)
    gate, found = threading.Barrier(24), []

    def attempt() -> None:
        gate.wait()
        found.extend(guess(bench, 1))

    threads = [threading.Thread(target=attempt) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count("wrong_credentials") == 10


def test_a_trouble_of_the_site_is_not_held_against_anybody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.accounts.register("ming", PASSWORD)

    def busy(*_: object) -> bool:
        raise TryLater(retry_after_s=1.0)

    with monkeypatch.context() as patch:
        patch.setattr(Hasher, "matches", busy)
        for _ in range(30):
            with pytest.raises(TryLater):
                bench.accounts.login("ming", PASSWORD, HOME)
    assert guess(bench, 10, HOME) == ["wrong_credentials"] * 10


def test_addresses_that_one_person_can_change_at_will_count_as_one(bench: Bench) -> None:
    assert network("2001:db8:1:2:3:4:5:6") == network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:192.0.2.7") == network("192.0.2.7") != network("192.0.2.8")
    assert network("fe80::1%eth0") == network("fe80::2")
    assert network("") == network("no address") == "unknown"


# -- row 5 -----------------------------------------------------------------------------------------------------------


def test_unknown_and_disabled_names_cost_the_same_work_and_say_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time is work, and all the work there is is one hash of the same cost: it is counted, not timed."""
    user = bench.accounts.register("ming", PASSWORD)
    gone = bench.accounts.register("gone", PASSWORD)
    bench.store.accounts.set_role(user.id, "admin")
    bench.store.accounts.set_disabled(gone.id, True)
    checked: list[str] = []
    plain = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda stored, typed: checked.append(stored) or plain(stored, typed))
    told = []
    for name, password in (("ming", "wrong"), ("nobody", "wrong"), ("gone", PASSWORD), ("", ""), ("\ud800", "x")):
        with pytest.raises(WrongCredentials) as error:
            bench.accounts.login(name, password, HOME)
        told.append(error.value.as_dict())
    assert len({str(body) for body in told}) == 1
    assert len(checked) == len(told)
    assert len({stored.split("$")[0] for stored in checked}) == 1
    assert user.password_hash in checked


def test_answers_over_http_are_the_same(site: LiveSite) -> None:
    def answer(name: str) -> tuple[Any, ...]:
        form = {"username": name, "password": "not this one"}
        got = requests.post(f"{site.host}/login", data=form, headers={"Accept": "application/json"})
        return got.status_code, got.json(), {**got.headers, "Date": ""}

    assert answer("admin") == answer("nobody-has-this-name") == answer("testuser")


def test_few_hash_at_once_and_turns_are_fair() -> None:
    """One address that asks for everything there is does not keep another waiting for more than its turn."""
    running, most, lock, go_on = [0], [0], threading.Lock(), threading.Semaphore(0)
    done: list[str] = []

    def run_blocking(work: Callable[..., Any], password: str) -> str:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        go_on.acquire()
        with lock:
            running[0] -= 1
            done.append(password)
        return "hash"

    hasher = Hasher(run_blocking, most_at_once=1)
    refused: list[TryLater] = []

    def ask(who: str, address: str) -> None:
        try:
            hasher.hashed(who, address)
        except TryLater as error:
            refused.append(error)

    flood = [threading.Thread(target=ask, args=("flood", "203.0.113.66")) for _ in range(230)]
    for thread in flood:
        thread.start()
    eventually(lambda: len(refused) == 29, what="one runs, two hundred wait, the rest is asked to come back")
    person = threading.Thread(target=ask, args=("person", "192.0.2.7"))
    person.start()
    eventually(lambda: len(hasher._rotation._waiting) == 2)
    for _ in range(201 + 1):
        go_on.release()
    for thread in (*flood, person):
        thread.join()
    assert done.index("person") <= 2
    assert len(done) == 202
    assert most[0] == 1
    assert refused[0].retry_after_s


# -- on a real site --------------------------------------------------------------------------------------------------


@one_of_trials
def test_the_documented_logins_keep_working_while_somebody_guesses(own_site: LiveSite) -> None:
    """On loopback every test and every demo comes from one address, and these passwords are no secret."""
    own_site.start_afresh()
    form = {"username": "testuser", "password": "wrong"}
    answers = [requests.post(f"{own_site.host}/login", data=form, allow_redirects=False) for _ in range(50)]
    codes = [answer.status_code for answer in answers]
    assert codes[:10] == [401] * 10
    assert 429 in codes[10:]
    # One more guess is let in after one second, the next two seconds later.
    assert codes.count(401) < 15
    assert int(answers[10].headers["Retry-After"]) >= 1
    assert "Too many failed attempts" in answers[10].text
    own_site.login("testuser", "testpass123")
    own_site.login("admin", "admin123")
    own_site.kill()
    own_site.start()
    assert requests.post(f"{own_site.host}/login", data=form, allow_redirects=False).status_code in (401, 429)
    own_site.login("testuser", "testpass123")


@one_of_trials
def test_wrong_worker_tokens_and_api_keys_are_throttled_alike_and_right_ones_never(own_site: LiveSite) -> None:
    own_site.start_afresh()
    space = own_site.make_space("Guessed")
    admin = own_site.login()
    page = admin.post(f"{own_site.host}/admin/space/{space}/tokens", data={"token_name": "t"}).text
    token = page[page.index("wsp_") :].split("<")[0]
    codes = []
    for number in range(22):
        client = Client(own_site)
        codes.append(client.register("Guessed", token=f"wsp_abc_{number}")["code"])
        client.close()
    assert codes == ["bad_token"] * 20 + ["too_many_attempts"] * 2
    client = Client(own_site)
    assert client.register("Guessed", token=token)["success"] is True
    client.close()

    key_page = admin.post(f"{own_site.host}/account/keys", data={"key_name": "k", "scope_read": "on"}).text
    key = key_page[key_page.index("wsk_") :].split("<")[0]

    def ask(text: str) -> int:
        return requests.get(f"{own_site.host}/requests", headers={"Authorization": f"Bearer {text}"}).status_code

    assert [ask(f"wsk_abc_{number}") for number in range(22)] == [401] * 20 + [429] * 2
    assert ask(key) == 200


def test_wrong_keys_count_by_address(bench: Bench) -> None:
    for _ in range(20):
        with pytest.raises(BadApiKey):
            bench.accounts.keys.find("wsk_wrong_one", ATTACKER)
    with pytest.raises(TooManyAttempts):
        bench.accounts.keys.find("wsk_wrong_one", ATTACKER)
    with pytest.raises(BadApiKey):
        bench.accounts.keys.find("wsk_wrong_one", HOME)
