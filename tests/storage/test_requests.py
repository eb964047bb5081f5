"""The contract of ``RequestStore``, for every store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from project.core.commands import Claim, Finish, Renew, Report, Resume, Submit
from project.core.leases import Verdict
from project.core.model import Request, Space, SpaceSettings, StoredFile
from project.core.moves import CUT, GAP, MOST_PARTIAL_CHARS
from project.core.states import Status
from project.errors import QueueFull, RateLimited, SpaceNotFound
from project.storage.port import Store

NOW = 1000.0


def submit(store: Store, request_id: str, *, now: float = NOW, space_id: str = "s", **more: Any) -> Request:
    fields: dict[str, Any] = {"queue_timeout_s": 100.0, "run_timeout_s": 50.0, "payload": {"prompt": "p"}, **more}
    return store.requests.submit(
        Submit(id=request_id, space_id=space_id, user_id="u", username="user", now=now, **fields)
    ).request


def claim(
    store: Store, limit: int = 10, *, now: float = NOW, connection: str = "c", worker: str = "w", alone: bool = True
) -> list[Request]:
    command = Claim(
        claim_id=f"claim{now}{connection}",
        space_id="s",
        connection_id=connection,
        worker_id=worker,
        limit=limit,
        now=now,
        lease_s=15.0,
        alone=alone,
    )
    return list(store.requests.claim(command))


def finish(store: Store, request: Request, *, now: float = NOW, **more: Any) -> Verdict:
    fields: dict[str, Any] = {
        "space_id": "s",
        "connection_id": request.connection_id,
        "lease_id": request.lease_id,
        "status": Status.COMPLETED,
        "result": {"text_output": "done"},
        **more,
    }
    return store.requests.finish(Finish(request_id=request.id, now=now, **fields)).verdict


def moves(store: Store, request_id: str) -> list[str]:
    return [str(move.after) for move in store.requests.history(request_id)]


def get(store: Store, request_id: str) -> Request:
    found = store.requests.get(request_id)
    assert found is not None
    return found


def test_submitted_is_kept_in_order(store: Store) -> None:
    assert [store.requests.submit(_command(f"r{n}")).position for n in range(3)] == [1, 2, 3]
    kept = [get(store, f"r{n}") for n in range(3)]
    assert [request.seq for request in kept] == sorted(request.seq for request in kept)
    assert {request.status for request in kept} == {Status.QUEUED}
    assert kept[0].payload == {"prompt": "p"}
    assert store.requests.positions(["r2", "r0", "none"]) == {"r0": 1, "r2": 3}
    assert store.requests.queue_size("s") == 3
    assert store.requests.waiting_spaces() == {"s"}


def _command(request_id: str, **more: Any) -> Submit:
    fields: dict[str, Any] = {"now": NOW, "queue_timeout_s": 100.0, "run_timeout_s": 50.0, **more}
    return Submit(id=request_id, space_id="s", user_id="u", username="user", payload={"prompt": "p"}, **fields)


def test_submission_is_refused_without_a_trace(store: Store) -> None:
    with pytest.raises(SpaceNotFound):
        submit(store, "a", space_id="none")
    submit(store, "b", max_queue=1)
    with pytest.raises(QueueFull):
        submit(store, "c", max_queue=1)
    with pytest.raises(RateLimited) as refusal:
        submit(store, "d", now=NOW + 4, rate_limit_s=10.0)
    assert refusal.value.retry_after_s == pytest.approx(6)
    assert [store.requests.get(key) for key in "acd"] == [None, None, None]
    submit(store, "e", now=NOW + 10, rate_limit_s=10.0)


def test_claim_takes_the_oldest_and_leases_them(store: Store) -> None:
    for number in range(3):
        submit(store, f"r{number}")
    taken = claim(store, 2)
    assert [request.id for request in taken] == ["r0", "r1"]
    assert {request.attempt for request in taken} == {1}
    assert taken[0].lease_id == f"claim{NOW}c.{taken[0].seq}"
    assert taken[0].lease_until == NOW + 15
    assert taken[0].started_at is None
    assert [request.id for request in claim(store, 2, connection="d")] == ["r2"]
    assert claim(store) == []
    assert store.requests.positions(["r0", "r2"]) == {}


def test_result_is_recorded_once(store: Store) -> None:
    submit(store, "r")
    (request,) = claim(store)
    assert finish(store, request, now=NOW + 3, run_s=2.0) is Verdict.RECORDED
    assert finish(store, request, result={"text_output": "other"}) is Verdict.DUPLICATE
    ended = get(store, "r")
    assert (ended.status, ended.result, ended.finished_at) == (Status.COMPLETED, {"text_output": "done"}, NOW + 3)
    assert ended.started_at == NOW + 1
    assert moves(store, "r") == ["queued", "processing", "completed"]
    assert store.requests.queue_size("s") == 0


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"lease_id": "forged"}, Verdict.STALE),
        ({"lease_id": "", "connection_id": "other"}, Verdict.STALE),
        ({"space_id": "other"}, Verdict.UNKNOWN),
        ({"lease_id": "", "connection_id": "c"}, Verdict.RECORDED),
    ],
)
def test_only_the_lease_may_finish(store: Store, changed: dict[str, Any], verdict: Verdict) -> None:
    submit(store, "r")
    (request,) = claim(store)
    assert finish(store, request, **changed) is verdict
    assert (get(store, "r").status is Status.PROCESSING) is (verdict is not Verdict.RECORDED)


def test_failure_is_an_answer(store: Store) -> None:
    submit(store, "r")
    (request,) = claim(store)
    failed = {"status": Status.FAILED, "error": "boom", "code": "worker_error", "result": {"error": "boom"}}
    assert finish(store, request, **failed) is Verdict.RECORDED
    ended = get(store, "r")
    assert (ended.status, ended.error, ended.code, ended.attempt) == (Status.FAILED, "boom", "worker_error", 1)


def test_released_goes_back_to_its_place(store: Store) -> None:
    submit(store, "first")
    (request,) = claim(store)
    submit(store, "second")
    (moved,) = store.requests.release("c", keep_lease=True, now=NOW + 1)
    assert moved.status is Status.QUEUED
    assert store.requests.positions(["first", "second"]) == {"first": 1, "second": 2}
    (again, _) = claim(store, now=NOW + 2, connection="d")
    assert (again.id, again.attempt) == ("first", 2)
    assert finish(store, request) is Verdict.STALE
    assert finish(store, again) is Verdict.RECORDED


def test_result_of_a_parked_lease_still_counts(store: Store) -> None:
    submit(store, "r")
    (request,) = claim(store)
    store.requests.release("c", keep_lease=True, now=NOW + 1)
    assert finish(store, request, now=NOW + 2) is Verdict.RECORDED
    assert moves(store, "r") == ["queued", "processing", "queued", "processing", "completed"]


def test_without_a_kept_lease_a_late_result_is_stale(store: Store) -> None:
    submit(store, "r")
    (request,) = claim(store, worker="")
    store.requests.release("c", keep_lease=False, now=NOW + 1)
    assert finish(store, request, lease_id="", now=NOW + 2) is Verdict.STALE


def test_attempts_are_capped(store: Store) -> None:
    submit(store, "r")
    for attempt in (1, 2, 3):
        assert [request.attempt for request in claim(store, now=NOW + attempt)] == [attempt]
        store.requests.release("c", keep_lease=True, now=NOW + attempt)
    ended = get(store, "r")
    assert (ended.status, ended.code, ended.attempt) == (Status.FAILED, "worker_lost", 3)
    assert claim(store) == []


def test_resume_keeps_what_is_listed_and_requeues_the_rest(store: Store) -> None:
    for number in range(3):
        submit(store, f"r{number}")
    kept, dropped, foreign = claim(store)
    store.requests.release("c", keep_lease=True, now=NOW)
    claim(store, 1, connection="d", worker="other", now=NOW + 1)  # takes r0 over
    resumed = store.requests.resume(
        Resume(
            space_id="s",
            connection_id="e",
            worker_id="w",
            leases={kept.id: kept.lease_id or "", dropped.id: dropped.lease_id or "", foreign.id: "forged"},
            now=NOW + 2,
            lease_s=15.0,
            started=frozenset({dropped.id}),
        )
    )
    assert resumed.keep == (dropped.id,)
    now = get(store, dropped.id)
    assert (now.status, now.connection_id, now.attempt, now.started_at) == (Status.PROCESSING, "e", 1, NOW + 2)
    assert get(store, foreign.id).status is Status.QUEUED
    nothing = store.requests.resume(Resume("s", "f", "w", {}, NOW + 3, 15.0))
    assert [request.id for request in nothing.changed] == [dropped.id]


def test_reports_renew_and_are_fenced(store: Store) -> None:
    submit(store, "r")
    (request,) = claim(store)

    def report(seq: int, **more: Any) -> Request | None:
        lease = more.pop("lease_id", request.lease_id)
        return store.requests.report(Report("r", "s", lease, seq, NOW + 5, 15.0, **more))

    assert report(1, percent=10.0, message="a")
    assert report(0, pieces=((1, "one "),))
    assert report(0, pieces=((1, "one "),))
    assert report(0, pieces=((1, "one "), (2, "two"), (2, "two")))
    assert report(1, percent=99.0)
    assert report(9, percent=50.0, lease_id="forged") is None
    now = get(store, "r")
    assert (now.progress, now.progress_message, now.partial) == (10.0, "a", "one two")
    assert report(0, pieces=((3, "!"), (7, " after a loss")))
    assert get(store, "r").partial == f"one two!{GAP} after a loss"
    assert report(0, pieces=((8, "x" * MOST_PARTIAL_CHARS),))
    assert report(0, pieces=((9, "more"),))
    cut = get(store, "r")
    assert (len(cut.partial), cut.partial[-len(CUT) :], cut.chunk_seq) == (MOST_PARTIAL_CHARS, CUT, 9)
    assert (now.started_at, now.lease_until) == (NOW + 5, NOW + 20)


def test_renewed_leases_last(store: Store) -> None:
    submit(store, "r")
    (request,) = claim(store)
    leases = {"r": request.lease_id or "", "none": "x"}
    assert store.requests.renew(Renew("s", "c", leases, NOW + 10, 15.0)) == {"r"}
    assert store.requests.expire(NOW + 20) == ()
    assert [moved.status for moved in store.requests.expire(NOW + 25)] == [Status.QUEUED]
    assert store.requests.renew(Renew("s", "c", leases, NOW + 26, 15.0)) == frozenset()


def test_deadlines(store: Store) -> None:
    submit(store, "waits")
    submit(store, "runs", queue_timeout_s=1000.0)
    taken = {request.id: request for request in claim(store)}
    store.requests.release("c", keep_lease=False, now=NOW)
    claim(store, 1, connection="d")
    lease = get(store, "waits").lease_id or ""
    store.requests.report(Report("waits", "s", lease, 1, NOW + 1, 1000.0, percent=1.0))
    assert [(r.id, r.code) for r in store.requests.expire(NOW + 51)] == [("waits", "run_timeout")]
    assert [(r.id, r.code) for r in store.requests.expire(NOW + 1000)] == [("runs", "queue_timeout")]
    assert {get(store, key).status for key in taken} == {Status.FAILED}


def test_leases_are_extended_at_start(store: Store) -> None:
    submit(store, "r")
    claim(store)
    assert store.requests.extend_leases(NOW + 100) == 1
    assert store.requests.expire(NOW + 99) == ()


def test_a_clock_that_was_set_back_makes_nobody_wait_for_the_lost(store: Store) -> None:
    """A site starts an hour earlier than it stopped; the worker does not come back."""
    submit(store, "r")
    claim(store)
    earlier = NOW - 3600
    assert store.requests.extend_leases(earlier + 15) == 1
    assert store.requests.expire(earlier + 14) == ()
    assert [request.status for request in store.requests.expire(earlier + 15)] == [Status.QUEUED]
    assert [request.attempt for request in claim(store, now=earlier + 16)] == [2]


def test_cancel(store: Store) -> None:
    submit(store, "queued")
    (request,) = claim(store)
    before = store.requests.cancel("queued", now=NOW + 1, code="cancelled_by_user")
    assert before is not None
    assert before.connection_id == "c"
    assert store.requests.cancel("queued", now=NOW + 2, code="cancelled_by_user") is None
    assert store.requests.cancel("none", now=NOW, code="cancelled_by_user") is None
    assert finish(store, request) is Verdict.STALE
    ended = get(store, "queued")
    assert (ended.status, ended.code, ended.result) == (Status.CANCELLED, "cancelled_by_user", None)


def test_deleting_a_space_ends_its_requests(store: Store) -> None:
    submit(store, "open")
    submit(store, "over")
    over = next(request for request in claim(store) if request.id == "over")
    finish(store, over)
    assert [request.id for request in store.spaces.remove("s", now=NOW)] == ["open"]
    assert get(store, "open").code == "space_deleted"
    assert get(store, "over").status is Status.COMPLETED
    assert store.spaces.get("s") is None


def test_listing_pages(store: Store) -> None:
    store.spaces.add(Space("t", SpaceSettings(name="Other"), created_at=2.0))
    for number in range(5):
        submit(store, f"r{number}", space_id="s" if number % 2 else "t")
    first = store.requests.list(user_id="u", limit=2)
    assert [request.id for request in first.items] == ["r4", "r3"]
    second = store.requests.list(user_id="u", limit=3, before_seq=first.before_seq)
    assert [request.id for request in second.items] == ["r2", "r1", "r0"]
    assert second.before_seq is None
    assert [request.id for request in store.requests.list(space_id="s").items] == ["r3", "r1"]
    assert store.requests.list(user_id="nobody").items == ()


def test_files(store: Store) -> None:
    file = StoredFile("f1", "r", "audio_file", "a.wav", "audio/wav", 3, "0" * 64, NOW)
    submit(store, "r", files=(file,), payload={"prompt": "", "files": ["f1"]})
    assert claim(store)[0].files == (file,)
    back = StoredFile("f2", "r", "result", "b.png", "image/png", 4, "1" * 64, NOW + 1)
    store.requests.add_file(back)
    assert get(store, "r").files == (file, back)
    assert store.requests.get_file("f2") == back
    assert store.requests.get_file("f3") is None
    assert store.requests.file_ids() == {"f1", "f2"}


def test_a_last_try_is_made_alone(store: Store) -> None:
    for request_id in ("poison", "innocent", "late"):
        submit(store, request_id)
    for attempt in (1, 2):
        taken = claim(store, 2, now=NOW + attempt)
        assert [(request.id, request.attempt) for request in taken] == [("poison", attempt), ("innocent", attempt)]
        store.requests.release("c", keep_lease=False, now=NOW + attempt)
    assert claim(store, now=NOW + 3, alone=False) == [], "not beside what its worker has at hand"
    assert [(request.id, request.attempt) for request in claim(store, now=NOW + 4)] == [("poison", 3)]
    store.requests.release("c", keep_lease=False, now=NOW + 5)
    assert get(store, "poison").code == "worker_lost"
    assert [(request.id, request.attempt) for request in claim(store, now=NOW + 6)] == [("innocent", 3)]
    assert finish(store, get(store, "innocent")) is Verdict.RECORDED
    assert [(request.id, request.attempt) for request in claim(store, now=NOW + 7, alone=False)] == [("late", 1)]


@pytest.mark.parametrize(
    ("started", "abreast", "used"),
    [(set(), 1, "a"), ({"a"}, 1, "a"), ({"b"}, 1, "b"), ({"b"}, 2, "ab"), (set(), 0, "")],
)
def test_what_only_waited_in_a_lost_worker_uses_up_no_attempt(
    store: Store, started: set[str], abreast: int, used: str
) -> None:
    for request_id in "abcd":
        submit(store, request_id)
    held = {request.id: request.lease_id or "" for request in claim(store)}
    store.requests.renew(Renew("s", "c", held, NOW, 15.0, started=frozenset(started)))
    store.requests.release("c", keep_lease=True, now=NOW + 5, abreast=abreast)
    assert "".join(request_id for request_id in "abcd" if get(store, request_id).attempt) == used
    assert store.requests.positions("abcd") == {"a": 1, "b": 2, "c": 3, "d": 4}
    waited = get(store, "d")
    assert (waited.dispatched_at, waited.retry_reason, waited.queue_deadline) == (None, None, NOW + 100)
    assert store.requests.history("d")[-1].reason == "not_begun"
    back = Resume("s", "c2", "w", {"d": held["d"]}, NOW + 6, 15.0)
    assert store.requests.resume(back).keep == ("d",)
    assert (get(store, "d").attempt, get(store, "d").dispatched_at) == (1, NOW + 6), "it is the same attempt again"
    again = {request.id: request.attempt for request in claim(store, now=NOW + 7, connection="e")}
    assert again == {key: 2 if key in used else 1 for key in "abc"}


def test_a_returned_file_is_kept_once(store: Store) -> None:
    submit(store, "r")
    first = StoredFile("f", "r", "result", "a.png", "image/png", 4, "1" * 64, NOW)
    store.requests.add_file(first)
    store.requests.add_file(replace(first, name="b.png", created_at=NOW + 1))
    assert get(store, "r").files == (first,)


def test_a_new_attempt_begins_without_the_files_of_the_last(store: Store) -> None:
    sent = StoredFile("f1", "r", "audio_file", "a.wav", "audio/wav", 3, "0" * 64, NOW)
    submit(store, "r", files=(sent,), payload={"prompt": "", "files": ["f1"]})
    submit(store, "other")
    claim(store)
    for number, request_id in ((2, "r"), (3, "other")):
        store.requests.add_file(
            StoredFile(f"f{number}", request_id, "result", "b.png", "image/png", 4, "1" * 64, NOW + number)
        )
    finish(store, get(store, "other"))
    store.requests.release("c", keep_lease=True, now=NOW)
    assert len(get(store, "r").files) == 2, "its worker may still come back with its lease"
    claim(store, connection="d", now=NOW + 5)
    assert get(store, "r").files == (sent,)
    assert [file.id for file in get(store, "other").files] == ["f3"]
    assert store.requests.file_ids() == {"f1", "f3"}


def test_concurrent_claims_grant_each_request_once(store: Store) -> None:
    for number in range(40):
        submit(store, f"r{number:02}")
    with ThreadPoolExecutor(8) as pool:
        grants = list(pool.map(lambda n: claim(store, 5, connection=f"c{n}", now=NOW + n), range(8)))
    granted = [request.id for grant in grants for request in grant]
    assert sorted(granted) == [f"r{number:02}" for number in range(40)]


def test_concurrent_submissions_keep_the_bound(store: Store) -> None:
    def attempt(number: int) -> bool:
        try:
            submit(store, f"r{number}", max_queue=10)
        except QueueFull:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(64))) == 10
    assert store.requests.queue_size("s") == 10


def test_who_holds_what(store: Store) -> None:
    for number in range(4):
        submit(store, f"r{number}")
    (first, *_) = claim(store, 2, connection="c")
    claim(store, 1, connection="d", now=NOW + 1)
    finish(store, first)
    assert store.requests.held(["c", "d", "e"]) == {"c": {"r1"}, "d": {"r2"}}
    assert store.requests.held([]) == {}
