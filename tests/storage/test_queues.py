"""The contract of queues, for every store: bounds, order, keys, second tries."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from project.core.commands import Claim, Finish, Submit, Submitted
from project.core.model import Request, StoredFile
from project.core.reasons import DEAD_LETTERS
from project.core.states import Status
from project.errors import AlreadyRetried, KeyReused, OwnQueueFull, QueueFull, SpaceNotFound
from project.storage.port import Store

NOW = 1000.0


def submit(store: Store, request_id: str, user_id: str = "u", *, now: float = NOW, **more: Any) -> Submitted:
    fields: dict[str, Any] = {"space_id": "s", "queue_timeout_s": 100.0, "run_timeout_s": 50.0, **more}
    return store.requests.submit(
        Submit(id=request_id, user_id=user_id, username=user_id, payload={"prompt": "p"}, now=now, **fields)
    )


def claim(store: Store, limit: int, *, now: float = NOW, connection: str = "c") -> list[Request]:
    command = Claim(f"k{now}{connection}{limit}", "s", connection, "w", limit, now, 15.0)
    return list(store.requests.claim(command))


def queue(store: Store) -> list[str]:
    """Who waits in the space, the next one first."""
    waiting = [request.id for request in store.requests.list(limit=1000).items if request.status is Status.QUEUED]
    places = store.requests.positions(waiting)
    assert sorted(places.values()) == list(range(1, len(waiting) + 1))
    return sorted(places, key=lambda request_id: places[request_id])


def test_fair_goes_round_robin_over_people(store: Store) -> None:
    for number in range(4):
        submit(store, f"ann{number}", "ann", order="fair")
    assert submit(store, "bob0", "bob", order="fair").position == 2
    assert submit(store, "bob1", "bob", order="fair").position == 4
    assert submit(store, "cy0", "cy", order="fair").position == 3
    assert queue(store) == ["ann0", "bob0", "cy0", "ann1", "bob1", "ann2", "ann3"]
    assert [request.id for request in claim(store, 4)] == ["ann0", "bob0", "cy0", "ann1"]
    submit(store, "cy1", "cy", order="fair")
    submit(store, "dee0", "dee", order="fair")
    assert queue(store) == ["bob1", "cy1", "dee0", "ann2", "ann3"]


def test_nobody_gets_ahead_by_asking_again_and_again(store: Store) -> None:
    for number in range(3):
        submit(store, f"ann{number}", "ann", order="fair")
    served = []
    for number in range(6):
        submit(store, f"bob{number}", "bob", order="fair")
        served += [request.id for request in claim(store, 1, now=NOW + number)]
    assert served == ["ann0", "bob0", "ann1", "bob1", "ann2", "bob2"]


def test_queued_again_comes_before_whoever_came_later(store: Store) -> None:
    for number in range(3):
        submit(store, f"ann{number}", "ann", order="fair")
    claim(store, 2)
    submit(store, "bob0", "bob", order="fair")
    submit(store, "bob1", "bob", order="fair")
    store.requests.release("c", keep_lease=False, now=NOW)
    submit(store, "cy0", "cy", order="fair")
    assert queue(store) == ["ann0", "ann1", "ann2", "bob0", "cy0", "bob1"]


def test_queued_again_comes_before_whoever_came_to_an_empty_queue(store: Store) -> None:
    for number in range(3):
        submit(store, f"ann{number}", "ann", order="fair")
    claim(store, 3)
    submit(store, "bob0", "bob", order="fair")
    store.requests.release("c", keep_lease=False, now=NOW)
    assert queue(store) == ["ann0", "ann1", "ann2", "bob0"]


def test_another_order_is_for_those_who_come_after_it(store: Store) -> None:
    for number in range(3):
        submit(store, f"ann{number}", "ann", order="fair")
    submit(store, "bob0", "bob", order="fifo")
    submit(store, "cy0", "cy", order="fifo")
    assert queue(store) == ["ann0", "ann1", "ann2", "bob0", "cy0"]


def test_one_person_fills_no_queue(store: Store) -> None:
    for number in range(2):
        submit(store, f"r{number}", max_queue_per_user=2)
    with pytest.raises(OwnQueueFull) as refused:
        submit(store, "r2", max_queue_per_user=2)
    assert refused.value.retry_after_s == 5.0
    submit(store, "other", "v", max_queue_per_user=2)
    claim(store, 1)
    submit(store, "r3", max_queue_per_user=2)


def test_parallel_submissions_of_one_person_keep_the_bound(store: Store) -> None:
    def attempt(number: int) -> bool:
        try:
            submit(store, f"r{number}", max_queue_per_user=5, max_queue=10)
        except QueueFull:
            return False
        return True

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(attempt, range(32))) == 5
    assert store.requests.queue_size("s") == 5


def test_a_key_stands_for_one_request(store: Store) -> None:
    first = submit(store, "a", key="k", fingerprint="f")
    again = submit(store, "b", key="k", fingerprint="f", now=NOW + 5, max_queue=1)
    assert (again.request, again.position, again.repeated) == (first.request, 1, True)
    with pytest.raises(KeyReused):
        submit(store, "c", key="k", fingerprint="other")
    assert submit(store, "d", "v", key="k", fingerprint="f").request.id == "d", "the key is the person's own"
    assert submit(store, "e", key="", fingerprint="f").request.id == "e"
    assert [store.requests.get(key) for key in "bc"] == [None, None]
    kept = store.requests.keyed("u", "k", since=NOW - 1)
    assert kept is not None
    assert (kept.request_id, kept.fingerprint) == ("a", "f")
    assert store.requests.keyed("u", "k", since=NOW) is None


def test_a_key_of_a_request_that_is_over_still_stands_for_it(store: Store) -> None:
    submit(store, "a", key="k", fingerprint="f")
    store.requests.cancel("a", now=NOW, code="cancelled_by_user")
    again = submit(store, "b", key="k", fingerprint="f")
    assert (again.request.id, again.request.status, again.position) == ("a", Status.CANCELLED, None)


def test_a_key_is_good_for_its_time_only(store: Store) -> None:
    submit(store, "a", key="k", fingerprint="f", key_age_s=60.0)
    assert submit(store, "b", key="k", fingerprint="other", key_age_s=60.0, now=NOW + 60).request.id == "b"
    submit(store, "c", key="young", fingerprint="f", now=NOW + 90)
    assert store.requests.purge_keys(NOW + 60) == 1
    assert submit(store, "d", key="young", fingerprint="f", now=NOW + 91).repeated is True


def test_a_refused_submission_leaves_its_key_free(store: Store) -> None:
    with pytest.raises(SpaceNotFound):
        submit(store, "a", key="k", fingerprint="f", space_id="none")
    submit(store, "b")
    with pytest.raises(QueueFull):
        submit(store, "c", key="k", fingerprint="f", max_queue=1)
    assert submit(store, "d", key="k", fingerprint="g").request.id == "d"


def test_parallel_submissions_under_one_key_make_one_request(store: Store) -> None:
    with ThreadPoolExecutor(32) as pool:
        kept = list(pool.map(lambda n: submit(store, f"r{n}", key="k", fingerprint="f"), range(32)))
    assert len({answer.request.id for answer in kept}) == 1
    assert [answer.repeated for answer in kept].count(False) == 1
    assert store.requests.queue_size("s") == 1


def test_parallel_submissions_under_one_key_of_other_bodies_are_refused(store: Store) -> None:
    def attempt(number: int) -> str:
        try:
            return submit(store, f"r{number}", key="k", fingerprint=str(number)).request.id
        except KeyReused:
            return ""

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(attempt, range(16))) - {""}) == 1
    assert store.requests.queue_size("s") == 1


def test_a_repeated_submission_keeps_the_first_ones_files(store: Store) -> None:
    files = [StoredFile(f"f{n}", f"r{n}", "other_file", "a", "text/plain", 3, "0" * 64, NOW) for n in range(2)]
    submit(store, "r0", key="k", fingerprint="f", files=(files[0],))
    again = submit(store, "r1", key="k", fingerprint="f", files=(files[1],))
    assert again.request.files == (files[0],)
    assert store.requests.file_ids() == {"f0"}


def test_a_dead_letter_is_tried_again_once(store: Store) -> None:
    submit(store, "dead", max_attempts=1)
    submit(store, "answered")
    submit(store, "waits")
    claim(store, 1)
    store.requests.release("c", keep_lease=False, now=NOW)
    (answered,) = claim(store, 1, connection="d")
    store.requests.finish(
        Finish(answered.id, "s", "d", answered.lease_id or "", Status.FAILED, {}, NOW, code="worker_error")
    )
    dead = store.requests.list(codes=DEAD_LETTERS)
    assert [(request.id, request.code) for request in dead.items] == [("dead", "worker_lost")]
    assert store.requests.retries(["dead", "waits"]) == {}
    again = submit(store, "again", retry_of="dead")
    assert again.request.retry_of == "dead"
    with pytest.raises(AlreadyRetried):
        submit(store, "once more", retry_of="dead")
    assert store.requests.retries(["dead", "waits"]) == {"dead": "again"}
    assert store.requests.get("once more") is None


def test_an_attempt_that_the_site_gives_up_has_no_result(store: Store) -> None:
    submit(store, "r")
    (request,) = claim(store, 1)
    given_up = Finish("r", "s", "c", request.lease_id or "", Status.FAILED, None, NOW, error="e", code="undeliverable")
    assert store.requests.finish(given_up).request is not None
    late = Finish("r", "s", "c", request.lease_id or "", Status.COMPLETED, {"x": 1}, NOW)
    assert store.requests.finish(late).verdict == "stale"
    ended = store.requests.get("r")
    assert ended is not None
    assert (ended.status, ended.code, ended.result) == (Status.FAILED, "undeliverable", None)


def test_why_an_attempt_was_lost_is_kept(store: Store) -> None:
    submit(store, "r")

    def reason() -> str | None:
        found = store.requests.get("r")
        assert found is not None
        return found.retry_reason

    claim(store, 1)
    assert reason() is None
    store.requests.release("c", keep_lease=False, now=NOW)
    assert reason() == "connection_lost"
    claim(store, 1)
    assert reason() == "connection_lost"
    store.requests.expire(NOW + 20)
    assert reason() == "lease_expired"
    assert [move.reason for move in store.requests.history("r")] == ["", "", "connection_lost", "", "lease_expired"]


def test_recent_runs(store: Store) -> None:
    for number in range(4):
        submit(store, f"r{number}")
    for number, request in enumerate(claim(store, 4)):
        status = Status.FAILED if number == 2 else Status.COMPLETED
        done = Finish(request.id, "s", "c", request.lease_id or "", status, {}, NOW + 10, run_s=float(number + 1))
        store.requests.finish(done)
    assert store.requests.recent_runs("s", limit=2) == (4.0, 2.0)
    assert store.requests.recent_runs("s", limit=9) == (4.0, 2.0, 1.0)
    assert store.requests.recent_runs("none", limit=9) == ()


def test_a_key_of_a_request_that_was_removed_is_free(store: Store) -> None:
    submit(store, "a", key="k", fingerprint="f")
    store.requests.cancel("a", now=NOW, code="cancelled_by_user")
    store.requests.forget("a")
    assert store.requests.keyed("u", "k", since=NOW - 1) is None
    assert submit(store, "b", key="k", fingerprint="other").request.id == "b"
