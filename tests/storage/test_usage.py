"""What people use is counted, bounded and forgotten alike in every store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from project.core.model import Space, SpaceSettings, StoredFile
from project.core.quotas import Quota
from project.core.states import Status
from project.errors import TooManyOpen, TooManyRequests, TooMuchKept
from project.storage.port import Claim, Finish, Purged, Store, Submit

NOW = 1_000_000.0


def make_space(store: Store, name: str) -> str:
    store.spaces.add(Space(name, SpaceSettings(name=name), created_at=NOW))
    return name


def submission(number: int, space_id: str, **more: Any) -> Submit:
    return Submit(
        id=f"r{number}",
        space_id=space_id,
        user_id=more.pop("user_id", "u"),
        username="u",
        payload={"prompt": "x"},
        now=more.pop("now", NOW),
        queue_timeout_s=100,
        run_timeout_s=100,
        **more,
    )


def file(name: str, request_id: str, size_bytes: int) -> StoredFile:
    return StoredFile(name, request_id, "other_file", name, "text/plain", size_bytes, "0" * 64, NOW)


def finish(store: Store, space_id: str, now: float) -> None:
    """Have the oldest waiting request done."""
    (claimed,) = store.requests.claim(Claim("c" + str(now), space_id, "connection", "w", 1, now, 100))
    assert claimed.lease_id
    store.requests.finish(
        Finish(claimed.id, space_id, "connection", claimed.lease_id, Status.COMPLETED, {"text_output": "y"}, now)
    )


def test_requests_a_minute(store: Store) -> None:
    spaces = make_space(store, "a"), make_space(store, "b")
    quota = Quota(per_minute=2)
    for number, space_id in enumerate(spaces):
        store.requests.submit(submission(number, space_id, quota=quota, now=NOW + number * 10))
    with pytest.raises(TooManyRequests) as refused:
        store.requests.submit(submission(3, spaces[0], quota=quota, now=NOW + 20))
    assert refused.value.retry_after_s == pytest.approx(40)
    store.requests.submit(submission(4, spaces[0], quota=quota, now=NOW + 20, user_id="other"))
    store.requests.submit(submission(5, spaces[0], quota=quota, now=NOW + 61))
    store.requests.submit(submission(6, spaces[0], now=NOW + 61))


def test_open_requests_are_free_again_when_they_end(store: Store) -> None:
    space_id, quota = make_space(store, "a"), Quota(open=1)
    store.requests.submit(submission(1, space_id, quota=quota))
    with pytest.raises(TooManyOpen):
        store.requests.submit(submission(2, space_id, quota=quota))
    finish(store, space_id, NOW)
    store.requests.submit(submission(3, space_id, quota=quota))
    store.requests.cancel("r3", now=NOW, code="cancelled_by_user")
    store.requests.submit(submission(4, space_id, quota=quota))


def test_bytes_kept_are_free_again_when_they_are_forgotten(store: Store) -> None:
    space_id, quota = make_space(store, "a"), Quota(kept_bytes=100)
    store.requests.submit(submission(1, space_id, quota=quota, files=(file("f1", "r1", 60),)))
    with pytest.raises(TooMuchKept):
        store.requests.submit(submission(2, space_id, quota=quota, files=(file("f2", "r2", 41),)))
    store.requests.submit(submission(3, space_id, quota=quota, files=(file("f3", "r3", 40),)))
    store.requests.cancel("r1", now=NOW, code="cancelled_by_user")
    with pytest.raises(TooMuchKept):
        store.requests.submit(submission(4, space_id, quota=quota, files=(file("f4", "r4", 1),)))
    assert store.requests.forget("r1") == Purged(("r1",), ("f1",))
    store.requests.submit(submission(5, space_id, quota=quota, files=(file("f5", "r5", 60),)))


def test_only_what_is_over_is_forgotten_and_wholly(store: Store) -> None:
    space_id = make_space(store, "a")
    store.requests.submit(submission(1, space_id, key="k", fingerprint="f", files=(file("f1", "r1", 1),)))
    assert store.requests.forget("r1") == Purged()
    assert store.requests.forget("nobody's") == Purged()
    finish(store, space_id, NOW)
    assert store.requests.forget("r1") == Purged(("r1",), ("f1",))
    assert store.requests.get("r1") is None
    assert store.requests.history("r1") == ()
    assert store.requests.get_file("f1") is None
    assert store.requests.keyed("u", "k", since=0) is None
    assert store.requests.forget("r1") == Purged()


def test_purge_takes_the_oldest_of_one_space(store: Store) -> None:
    kept, purged = make_space(store, "a"), make_space(store, "b")
    for number in range(6):
        space_id = (kept, purged)[number % 2]
        store.requests.submit(submission(number, space_id))
        finish(store, space_id, NOW + number)
    store.requests.submit(submission(7, purged))
    assert store.requests.purge(purged, before=NOW + 4, limit=1).request_ids == ("r1",)
    assert store.requests.purge(purged, before=NOW + 4, limit=10).request_ids == ("r3",)
    assert store.requests.purge(purged, before=NOW + 4, limit=10) == Purged()
    assert store.requests.get("r5") is not None
    assert store.requests.get("r7") is not None
    assert store.requests.purge(None, before=NOW + 100, limit=10) == Purged()
    store.spaces.remove(purged, now=NOW + 50)
    assert set(store.requests.purge(None, before=NOW + 100, limit=10).request_ids) == {"r5", "r7"}
    assert store.requests.get("r0") is not None


def test_batch_counts_its_own(store: Store) -> None:
    """What is refused does not count, and what was accepted a moment ago does."""
    space_id, quota = make_space(store, "a"), Quota(open=3)
    command = submission(1, space_id, quota=quota)
    taken = refused = 0
    for number in range(8):
        try:
            store.requests.submit(replace(command, id=f"r{number}"))
            taken += 1
        except TooManyOpen:
            refused += 1
    assert (taken, refused) == (3, 5)
