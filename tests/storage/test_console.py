"""The contracts of the log, the inbox and the load runs, for every store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from project.core.calls import Call, Minute, Outcome, Reason, Search, Statistics
from project.core.commands import Claim, Finish, Submit
from project.core.notices import EVERYBODY, Notice
from project.core.runs import LoadRun, LoadSchedule, LoadTarget, Step, Template
from project.core.states import Status
from project.errors import LoadRunning
from project.storage.port import Store

TARGET = LoadTarget("notification.send", {"user_id": "x"}, 100, 10)


def call(number: int, **changed: Any) -> Call:
    made = Call(
        id=f"c{number}",
        method="notification.send",
        params={"user_id": "Ünïcode", "n": number},
        caller_id="u",
        caller="admin",
        at=1000.0 + number,
        duration_ms=float(number),
        outcome=Outcome.SUCCESS,
        response={"sent": True},
    )
    return replace(made, **changed)


def notice(number: int, user_id: str = "u", **changed: Any) -> Notice:
    return replace(Notice(f"n{number}", user_id, "notification", "info", "Title", "Text", 100.0 + number), **changed)


def ids(found: Any) -> list[str]:
    return [one.id for one in found]


def test_calls_are_found(store: Store) -> None:
    for number in range(1, 5):
        store.calls.add(call(number))
    failed = call(5, outcome=Outcome.TIMEOUT, error="too 100% slow", code="rpc_timeout", method="m", test_id="t")
    store.calls.add(failed)
    assert store.calls.get("c5") == replace(failed, seq=5)
    assert store.calls.get("none") is None
    for search, expected in [
        (Search(), ["c5", "c4", "c3", "c2", "c1"]),
        (Search(limit=2), ["c5", "c4"]),
        (Search(before=3), ["c2", "c1"]),
        (Search(method="m"), ["c5"]),
        (Search(outcome="timeout"), ["c5"]),
        (Search(outcome="failure"), ["c5"]),
        (Search(outcome="success", limit=1), ["c4"]),
        (Search(since=1003.0, until=1005.0), ["c4", "c3"]),
        (Search(text="100% SLOW"), ["c5"]),
        (Search(text="ünÏCODE", limit=1), ["c5"]),
        (Search(text="rpc_timeout"), ["c5"]),
        (Search(text="100x"), []),
        (Search(test_id="t"), ["c5"]),
        (Search(tests=False, limit=1), ["c4"]),
    ]:
        assert ids(store.calls.find(search)) == expected, search


def test_statistics_are_nearest_ranks(store: Store) -> None:
    for number in range(1, 21):
        store.calls.add(call(number))
    store.calls.add(call(21, method="other", outcome=Outcome.REMOTE_ERROR))
    store.calls.add(call(22, test_id="t", duration_ms=9999.0))
    store.calls.add(call(23, method="nope", outcome=Outcome.UNKNOWN_METHOD, at=1022.0))
    found = store.calls.statistics(since=1000.0, until=2000.0, tests=False)
    assert found == (
        Statistics("notification.send", 20, 0, 10.0, 19.0, 1020.0),
        Statistics("other", 1, 1, 21.0, 21.0, 1021.0),
    )
    assert store.calls.statistics(since=1000.0, until=2000.0, tests=True)[0].count == 21
    assert store.calls.statistics(since=1021.0, until=1021.5, tests=False)[0].name == "other"
    assert store.calls.minutes(since=1000.0, until=1030.0) == {16: Minute(19, 0, 0), 17: Minute(3, 2, 1)}
    store.calls.add(call(24, outcome=Outcome.TIMEOUT, code="rpc_timeout", test_id="t"))
    store.calls.add(call(25, method="other", outcome=Outcome.REMOTE_ERROR))
    store.calls.add(call(26, method="other", outcome=Outcome.TIMEOUT, code="rpc_timeout"))
    assert store.calls.reasons(since=1000.0, until=2000.0) == (
        Reason("rpc", "other", "remote_error", 2, 1025.0),
        Reason("rpc", "nope", "unknown_method", 1, 1022.0),
        Reason("rpc", "other", "rpc_timeout", 1, 1026.0),
    )
    assert store.calls.reasons(since=1000.0, until=1021.5) == (Reason("rpc", "other", "remote_error", 1, 1021.0),)


def test_a_long_look_back_keeps_nobody_waiting(store: Store) -> None:
    reader = getattr(store.calls, "_reader", None)
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(reader.call, lambda _connection: over.wait(60)) if reader else None
        try:
            assert store.requests.get("nobody's") is None
            assert looking is None or not looking.done()
        finally:
            over.set()


def test_retention_takes_tests_first(store: Store) -> None:
    for number in range(1, 11):
        store.calls.add(call(number, test_id="t" if number > 5 else None))
    assert store.calls.prune(before=1002.0, most=100, most_tests=2) == 4
    assert ids(store.calls.find(Search())) == ["c10", "c9", "c5", "c4", "c3", "c2"]
    assert store.calls.prune(before=0.0, most=3, most_tests=2) == 3
    assert ids(store.calls.find(Search())) == ["c10", "c9", "c5"]
    assert store.calls.forget_tests("other") == 0
    assert store.calls.forget_tests() == 2
    assert ids(store.calls.find(Search())) == ["c5"]


def test_requests_of_the_relay_beside_them(store: Store) -> None:
    for number, (status, run_s) in enumerate([("completed", 1.0), ("failed", 3.0)]):
        request_id = f"r{number}"
        store.requests.submit(Submit(request_id, "s", "u", "ming", {"prompt": "x"}, 100.0, 60.0, 60.0))
        claim = Claim(f"k{number}", "s", "conn", f"worker{number}", 1, 101.0, 10.0)
        claimed = store.requests.claim(claim)[0]
        store.requests.finish(
            Finish(
                request_id,
                "s",
                "conn",
                claimed.lease_id or "",
                Status(status),
                {},
                105.0 + number,
                error="Out of Memory" if status == "failed" else None,
                code="worker_error" if status == "failed" else None,
                run_s=run_s,
            )
        )
    store.requests.submit(Submit("open", "s", "u", "ming", {"prompt": "x"}, 110.0, 60.0, 60.0, test_id="t2"))
    assert ids(store.calls.relayed(Search())) == ["open", "r1", "r0"]
    failed = store.calls.relayed(Search(outcome="failure"))[0]
    assert (failed.id, failed.worker_id, failed.code, failed.wait_ms, failed.run_ms) == (
        "r1",
        "worker1",
        "worker_error",
        pytest.approx(1000.0),
        pytest.approx(3000.0),
    )
    assert ids(store.calls.relayed(Search(text="OUT OF"))) == ["r1"]
    assert ids(store.calls.relayed(Search(method="s", since=105.0))) == ["open"]
    assert ids(store.calls.relayed(Search(test_id="t"))) == []
    assert [(one.id, one.test_id) for one in store.calls.relayed(Search(test_id="t2"))] == [("open", "t2")]
    assert ids(store.calls.relayed(Search(tests=False))) == ["r1", "r0"]
    assert ids(store.calls.relayed(Search(outcome="success"))) == ["r0"]
    workers = store.calls.worker_statistics(since=0.0, until=200.0)
    assert [(w.name, w.part, w.count, w.failures, w.p95_ms) for w in workers] == [
        ("s", "worker0", 1, 0, 1000.0),
        ("s", "worker1", 1, 1, 3000.0),
    ]
    assert store.calls.worker_statistics(since=106.0, until=200.0) == workers[1:]
    space = store.calls.space_statistics(since=0.0, until=200.0)[0]
    assert (space.name, space.count, space.failures, space.p50_ms, space.p95_ms) == ("s", 2, 1, 5000.0, 6000.0)
    assert store.calls.minutes(since=0.0, until=200.0) == {1: Minute(2, 1)}
    assert store.calls.reasons(since=0.0, until=200.0) == (Reason("relay", "s", "worker_error", 1, 106.0),)
    assert store.calls.reasons(since=0.0, until=106.0) == ()


def test_notices_are_read_by_each_for_himself(store: Store) -> None:
    inbox = store.inbox
    first = inbox.add(notice(1))
    assert (first.seq, inbox.add(notice(1, title="again"))) == (1, first)
    inbox.add(notice(2, EVERYBODY))
    inbox.add_later(notice(3, "other")).wait()
    inbox.add(notice(4, "?nobody"))
    assert ids(inbox.list("u", joined_at=0.0, limit=10)) == ["n2", "n1"]
    assert ids(inbox.list("u", joined_at=103.0, limit=10)) == ["n1"]
    assert ids(inbox.list("u", joined_at=0.0, limit=10, before=2)) == ["n1"]
    assert ids(inbox.newer("u", joined_at=0.0, after=0, limit=10)) == ["n1", "n2"]
    assert inbox.unread("u", joined_at=0.0) == (2, 2)
    assert inbox.unread("new", joined_at=500.0) == (0, 0)
    inbox.mark_read("u", joined_at=0.0, now=200.0, notice_id="n3")
    inbox.mark_read("u", joined_at=0.0, now=200.0, notice_id="n2")
    inbox.mark_read("u", joined_at=0.0, now=201.0, notice_id="n2")
    assert inbox.unread("u", joined_at=0.0) == (1, 2)
    assert inbox.unread("other", joined_at=0.0) == (2, 3)
    assert [one.read for one in inbox.list("u", joined_at=0.0, limit=10)] == [True, False]
    inbox.mark_read("u", joined_at=0.0, now=202.0)
    assert inbox.unread("u", joined_at=0.0) == (0, 2)
    assert [(one.id, one.read) for one in inbox.latest(limit=3)] == [("n4", False), ("n3", False), ("n2", True)]
    counted = inbox.counts(since=0.0)[0]
    assert (counted.sent, counted.to_everybody, counted.to_nobody, counted.read) == (4, 1, 1, 2)
    assert inbox.counts(since=500.0) == ()


def test_notices_are_forgotten(store: Store) -> None:
    for number in range(1, 8):
        store.inbox.add(notice(number))
    store.inbox.mark_read("u", joined_at=0.0, now=200.0)
    assert store.inbox.prune(before=102.5, most_per_user=3) == 4
    assert ids(store.inbox.list("u", joined_at=0.0, limit=10)) == ["n7", "n6", "n5"]
    assert store.inbox.prune(before=0.0, most_per_user=3) == 0


def test_revisions_of_a_space(store: Store) -> None:
    assert store.inbox.space_revision("s") == 0
    assert store.inbox.touch_space("s", now=1.0) == 1
    assert store.inbox.touch_space("s", now=2.0) == 2
    assert store.inbox.space_revision("s") == 2


def test_one_run_at_a_time(store: Store) -> None:
    run = LoadRun("a", TARGET, "running", "admin", 1.0)
    store.runs.begin(run)
    with pytest.raises(LoadRunning):
        store.runs.begin(LoadRun("b", TARGET, "running", "admin", 2.0))
    assert store.runs.running() == run
    assert store.runs.remove("a") is False
    over = replace(run, state="finished", finished_at=9.0, steps=(Step(10, 100, 100),), alerts=("p95",))
    store.runs.change(over)
    assert store.runs.get("a") == over
    assert store.runs.running() is None
    store.runs.begin(LoadRun("b", TARGET, "running", "admin", 2.0))
    assert ids(store.runs.list()) == ["b", "a"]
    assert store.runs.remove("a") is True
    assert store.runs.get("a") is None


def test_one_baseline_of_a_target(store: Store) -> None:
    other = replace(TARGET, method="session.message")
    for name, target in (("a", TARGET), ("b", TARGET), ("c", other)):
        store.runs.begin(LoadRun(name, target, "finished", "admin", 1.0))
    assert store.runs.set_baseline("a", True) is True
    assert store.runs.set_baseline("c", True) is True
    assert store.runs.set_baseline("b", True) is True
    assert store.runs.set_baseline("none", True) is False
    chosen = store.runs.baseline(TARGET.key)
    assert chosen is not None
    assert chosen.id == "b"
    store.runs.change(replace(chosen, state="stopped", baseline=False))
    kept = store.runs.baseline(TARGET.key)
    assert kept is not None
    assert kept.state == "stopped"
    store.runs.set_baseline("b", False)
    assert store.runs.baseline(TARGET.key) is None
    assert store.runs.baseline(other.key) is not None


def test_schedules_are_due_once(store: Store) -> None:
    store.runs.add_schedule(LoadSchedule("s1", "nightly", TARGET, 100.0, 1000.0, "admin"))
    store.runs.add_schedule(LoadSchedule("s2", "hourly", TARGET, 10.0, 999.0, "admin"))
    assert ids(store.runs.schedules()) == ["s2", "s1"]
    assert store.runs.claim_due(now=900.0) is None
    due = store.runs.claim_due(now=1000.0)
    assert due is not None
    assert (due.id, due.next_at) == ("s2", 1009.0)
    assert [store.runs.claim_due(now=1000.0), store.runs.claim_due(now=1000.0)][1] is None
    late = store.runs.claim_due(now=1555.0)
    assert late is not None
    assert late.next_at > 1555.0
    store.runs.note_schedule("s1", run_id="r", error=None)
    store.runs.note_schedule("s1", run_id=None, error="conflict")
    noted = next(schedule for schedule in store.runs.schedules() if schedule.id == "s1")
    assert (noted.last_run_id, noted.last_error) == ("r", "conflict")
    assert store.runs.remove_schedule("s1") is True
    assert store.runs.remove_schedule("s1") is False


def test_templates_are_replaced_by_name(store: Store) -> None:
    store.runs.add_template(Template("a", "hello", "m", {"x": 1}, "admin", 1.0))
    store.runs.add_template(Template("b", "hello", "m", {"x": 2}, "admin", 2.0))
    store.runs.add_template(Template("c", "again", "m", {}, "admin", 3.0))
    assert ids(store.runs.templates()) == ["c", "b"]
    assert store.runs.remove_template("b") is True
    assert store.runs.remove_template("b") is False
