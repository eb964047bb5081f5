"""The contracts of accounts, logins, keys, second factors, throttles and the audit log, for every store."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from project.core.model import Session, User
from project.core.people import ApiKey, AuditEntry, AuditFilter, SecondFactor
from project.core.throttling import FORGET_S, Bucket
from project.errors import LastAdmin, UsernameTaken
from project.storage.port import Store

MING = User("u", "Ming", "hash", "admin", 1.0)


def test_users(store: Store) -> None:
    accounts = store.accounts
    accounts.add_user(MING)
    with pytest.raises(UsernameTaken):
        accounts.add_user(User("v", "MING", "hash", "user", 2.0))
    assert accounts.user_named("mInG") == accounts.user("u") == MING
    assert accounts.user_named("nobody") is accounts.user("nobody") is None
    other = User("w", "Wei", "hash", "user", 2.0, must_change=True)
    accounts.add_user(other)
    assert accounts.users() == (MING, other)
    assert accounts.users(limit=1) == accounts.users(containing="NG") == (MING,)
    assert accounts.users(offset=1, limit=5) == accounts.users(containing="wei") == (other,)
    assert accounts.users(containing="%") == accounts.users(containing="_") == ()
    accounts.set_password("w", "new", seeded_hash="seed")
    changed = accounts.user("w")
    assert changed == replace(other, password_hash="new", must_change=False, seeded_hash="seed")
    accounts.set_password("w", "newer", must_change=True)
    assert accounts.user("w") == replace(other, password_hash="newer", must_change=True, seeded_hash="seed")


def test_somebody_can_always_administer(store: Store) -> None:
    accounts = store.accounts
    accounts.add_user(MING)
    accounts.add_user(User("v", "Wei", "hash", "user", 2.0))
    with pytest.raises(LastAdmin):
        accounts.set_disabled("u", True)
    with pytest.raises(LastAdmin):
        accounts.set_role("u", "user")
    assert accounts.set_role("v", "admin") is True
    assert accounts.set_disabled("u", True) is True
    with pytest.raises(LastAdmin):
        accounts.set_role("v", "user")
    assert accounts.set_disabled("u", False) is True
    assert accounts.set_role("v", "user") is True
    assert accounts.set_disabled("nobody", True) is accounts.set_role("nobody", "admin") is False
    assert [(user.role, user.disabled) for user in accounts.users()] == [("admin", False), ("user", False)]


def test_sessions(store: Store) -> None:
    accounts = store.accounts
    accounts.add_user(MING)
    first = Session("t", "u", 1.0, 1.0, 10.0, id="one", address="192.0.2.1", device="Firefox")
    second = Session("s", "u", 2.0, 2.0, 20.0, id="two", half=True)
    accounts.add_session(first)
    accounts.add_session(second)
    assert accounts.session("t", now=9.0) == (first, MING)
    assert accounts.session("t", now=10.0) is accounts.session("x", now=1.0) is None
    assert accounts.session("t", now=5.0, seen_after=1.0) is None
    assert accounts.sessions("u", now=5.0) == (second, first)
    assert accounts.sessions("u", now=5.0, seen_after=1.0) == (second,)
    accounts.touch_session("t", now=4.0, address="192.0.2.2")
    touched = replace(first, seen_at=4.0, address="192.0.2.2")
    assert accounts.sessions("u", now=5.0) == (touched, second)
    assert accounts.end_session_of("somebody", "one") is accounts.end_session_of("u", "three") is False
    assert accounts.end_session_of("u", "one") is True
    accounts.add_session(first)
    assert accounts.end_sessions("u", but="two") == 1
    assert accounts.end_sessions("u") == 1
    accounts.add_session(first)
    accounts.end_session("t")
    assert accounts.session("t", now=2.0) is None


def test_sessions_end_with_what_they_rest_on(store: Store) -> None:
    accounts = store.accounts
    accounts.add_user(MING)
    accounts.add_user(User("v", "Wei", "hash", "admin", 2.0))
    for change in (
        lambda: accounts.set_password("u", "new"),
        lambda: accounts.set_role("u", "user"),
        lambda: accounts.set_disabled("u", True),
        lambda: accounts.set_disabled("u", False),
    ):
        accounts.add_session(Session("t", "u", 1.0, 1.0, 10.0))
        change()
        assert accounts.session("t", now=2.0) is None
        assert accounts.sessions("u", now=2.0) == ()
    accounts.add_session(Session("t", "u", 1.0, 1.0, 10.0))
    accounts.add_session(Session("s", "u", 1.0, 5.0, 20.0))
    assert accounts.purge_sessions(10.0) == 1
    assert accounts.purge_sessions(10.0, seen_after=5.0) == 1


def test_disabled_user_has_no_session_and_no_key(store: Store) -> None:
    store.accounts.add_user(User("d", "gone", "hash", "user", 3.0, disabled=True))
    store.accounts.add_session(Session("t", "d", 1.0, 1.0, 10.0))
    assert store.accounts.session("t", now=2.0) is None
    store.keys.add(ApiKey("k", "d", "program", "hash", ("read",), 1.0))
    assert store.keys.find("hash", now=2.0) is None


def test_keys(store: Store) -> None:
    store.accounts.add_user(MING)
    key = ApiKey("k", "u", "program", "hash", ("submit", "read"), 1.0, expires_at=10.0)
    lasting = ApiKey("l", "u", "lasting", "other", ("read",), 2.0)
    store.keys.add(key)
    store.keys.add(lasting)
    assert store.keys.of_user("u") == (lasting, key)
    assert store.keys.of_user("v") == ()
    assert store.keys.find("hash", now=9.0) == (key, MING)
    assert store.keys.find("hash", now=10.0) is store.keys.find("nothing", now=1.0) is None
    assert store.keys.find("other", now=1e9) == (lasting, MING)
    store.keys.touch("k", now=5.0)
    assert store.keys.of_user("u")[1].last_used_at == 5.0
    assert store.keys.revoke("v", "k", now=6.0) is False
    assert store.keys.revoke("u", "k", now=6.0) is True
    assert store.keys.revoke("u", "k", now=7.0) is False
    assert store.keys.find("hash", now=7.0) is None
    assert store.keys.of_user("u")[1].revoked_at == 6.0
    assert store.keys.revoke_all("u", now=8.0) == 1
    assert store.keys.find("other", now=9.0) is None


def test_second_factors(store: Store) -> None:
    factors = store.factors
    assert factors.get("u") is None
    factors.put(SecondFactor("u", "nonce", 1.0))
    factors.put(SecondFactor("u", "newer", 2.0, confirmed_at=3.0, recovery=("a", "b")))
    assert factors.get("u") == SecondFactor("u", "newer", 2.0, confirmed_at=3.0, recovery=("a", "b"))
    assert [factors.use_step("u", step) for step in (5, 5, 4, 6)] == [True, False, False, True]
    assert [factors.use_recovery("u", code) for code in ("a", "a", "c", "b")] == [True, False, False, True]
    assert factors.use_step("v", 1) is factors.use_recovery("v", "a") is False
    assert factors.remove("u") is True
    assert factors.remove("u") is False


def test_waits_grow_and_are_forgotten(store: Store) -> None:
    bucket = [Bucket("login:x", free=2, most_s=4.0)]
    attempt = store.throttles.attempt
    assert [attempt(bucket, now=100.0), attempt(bucket, now=100.0)] == [0.0, 0.0]
    assert attempt(bucket, now=100.0) == 1.0
    assert attempt(bucket, now=100.5) == 0.5  # refused attempts are not counted
    assert attempt(bucket, now=101.0) == 0.0
    assert attempt(bucket, now=101.0) == 2.0
    assert attempt(bucket, now=103.0) == 0.0
    assert attempt(bucket, now=103.0) == 4.0
    assert attempt(bucket, now=107.0) == 0.0
    assert attempt(bucket, now=107.0) == 4.0  # no more than most_s
    assert attempt(bucket, now=107.0 + FORGET_S) == 0.0
    assert attempt(bucket, now=107.0 + FORGET_S) == 0.0
    assert store.throttles.purge(107.0 + FORGET_S) == 0
    assert store.throttles.purge(108.0 + FORGET_S) == 1


def test_success_is_not_held_against_anybody(store: Store) -> None:
    pair, address = Bucket("pair", free=1), Bucket("address", free=2)
    for _ in range(5):
        assert store.throttles.attempt([pair, address], now=1.0) == 0.0
        store.throttles.settle(clear=["pair"], give_back=["address"])
    assert store.throttles.attempt([address], now=1.0) == 0.0
    assert store.throttles.attempt([address], now=1.0) == 0.0
    assert store.throttles.attempt([address], now=1.0) > 0.0


def test_bucket_that_only_stops_those_who_failed_before(store: Store) -> None:
    def buckets(address: str) -> list[Bucket]:
        return [Bucket(f"pair:{address}", free=100), Bucket("account", free=3, only_after=f"pair:{address}")]

    attempt = store.throttles.attempt
    assert [attempt(buckets("a"), now=1.0) for _ in range(3)] == [0.0] * 3
    assert attempt(buckets("a"), now=1.0) > 0.0
    assert attempt(buckets("b"), now=1.0) == 0.0
    assert attempt(buckets("b"), now=1.0) > 0.0


def test_attempts_of_the_same_moment_do_not_pass_together(store: Store) -> None:
    gate, waits = threading.Barrier(16), []

    def attempt() -> None:
        gate.wait()
        waits.append(store.throttles.attempt([Bucket("one", free=3)], now=1.0))

    threads = [threading.Thread(target=attempt) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits.count(0.0) == 3


def test_audit_log(store: Store) -> None:
    for at in range(1, 7):
        kind, actor = ("login", "Ming") if at % 2 else ("login_refused", "wei")
        store.audit.add(AuditEntry(float(at), kind, actor, subject="Ming", detail="d", address="::1"))
    everything = store.audit.page(AuditFilter(), limit=10)
    assert [entry.at for entry in everything] == [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    first = store.audit.page(AuditFilter(actor="MING"), limit=2)
    assert [entry.at for entry in first] == [5.0, 3.0]
    assert [e.at for e in store.audit.page(AuditFilter(actor="ming"), limit=2, before_id=first[-1].id)] == [1.0]
    assert {entry.kind for entry in store.audit.page(AuditFilter(kind="login_refused"), limit=9)} == {"login_refused"}
    assert len(store.audit.page(AuditFilter(subject="ming", since=2.0, until=4.0), limit=9)) == 2
    assert store.audit.page(AuditFilter(kind="nothing"), limit=9) == ()
    assert store.audit.purge(before=2.0, most=3) == 3
    assert [entry.at for entry in store.audit.page(AuditFilter(), limit=10)] == [6.0, 5.0, 4.0]
    assert store.audit.purge(before=6.0, most=100) == 2
    assert store.audit.purge(before=0.0, most=100) == 0
