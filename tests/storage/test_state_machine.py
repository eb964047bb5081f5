"""Any order of commands, on both stores at once: the same answers, and the promises hold after each of them.

What differs between the stores is a bug of one of them; what breaks an invariant is a bug of both. The SQL store is
closed and opened again now and then, as a restart does. Hypothesis prints the shortest failing course.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from project.core.commands import Claim, Finish, Finished, Renew, Report, Resume, Resumed, Submit, Submitted
from project.core.leases import Verdict
from project.core.model import Request, Space, SpaceSettings, Transition
from project.core.moves import GAP, NOT_BEGUN
from project.core.states import TERMINAL, Status, may_move
from project.errors import (
    AlreadyRetried,
    KeyReused,
    OwnQueueFull,
    QueueFull,
    RateLimited,
    SpaceNotFound,
    SpacesError,
)
from project.runtime import make_runtime
from project.storage.memory import memory_store
from project.storage.port import Store
from project.storage.sql import open_store
from tests.storage.conftest import emptied

RUNTIME = make_runtime("threading")
LEASE_S = 15.0
FOREVER_S = 1e6
IN_MEMORY = next((path for path in ("/dev/shm",) if os.access(path, os.W_OK)), None)
"""Thousands of commits: where there is one, on a disk that need not be waited for."""
KEY_AGE_S = 16.0  # what time passes by at once, so that the very moment is met
SPACES = ("s", "t")
EVERYTHING = 1000

# A connection is of one worker and one space; version 1 workers have no name. "w" comes back on a second connection.
CONNECTIONS = {"c1": ("w", "s"), "c2": ("w", "s"), "c3": ("x", "s"), "c4": ("", "s"), "c5": ("w", "t")}
connections = st.sampled_from(sorted(CONNECTIONS))
picks = st.integers(0, 1000)


@dataclass(frozen=True)
class Grant:
    """One attempt as it was handed out; what workers remember, long after it is over."""

    request_id: str
    space_id: str
    connection_id: str
    lease_id: str


class TwoStores(RuleBasedStateMachine):
    """The same commands to the store in memory and to the one in SQLite."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=IN_MEMORY)
        self.url = self.empty_database()
        self.memory = memory_store()
        self.sql = open_store(self.url, RUNTIME)
        self.now = 1000.0
        self.spaces: set[str] = set()
        self.accepted: list[str] = []
        self.grants: list[Grant] = []
        self.recorded: dict[str, dict[str, Any]] = {}
        self.ended: dict[str, Request] = {}
        self.seen: dict[str, Request] = {}
        self.first_attempts: dict[tuple[str, str], int] = {}
        self.keys: dict[tuple[str, str], tuple[str, str, float]] = {}
        self.retried: dict[str, str] = {}

    def empty_database(self) -> str:
        """Where the store in SQL begins."""
        return f"sqlite:///{Path(self.folder.name) / 'store.db'}"

    def both(self, ask: Callable[[Store], Any]) -> Any:
        """What both stores answer, which must be the same; a refusal is an answer too."""
        answers = [self._answer(ask, store) for store in (self.memory, self.sql)]
        assert answers[0] == answers[1]
        return answers[0]

    @staticmethod
    def _answer(ask: Callable[[Store], Any], store: Store) -> Any:
        try:
            return ask(store)
        except SpacesError as refusal:
            return type(refusal), refusal.retry_after_s

    def grant(self, pick: int) -> Grant:
        """One of the attempts ever handed out, the latest first."""
        return self.grants[-1 - pick % len(self.grants)]

    def held(self, chosen: list[int]) -> dict[str, str]:
        return {grant.request_id: grant.lease_id for grant in map(self.grant, chosen)} if self.grants else {}

    # -- what may happen -------------------------------------------------------------------------------------------

    @initialize()
    def spaces_are_made(self) -> None:
        for space_id in SPACES:
            self.add_space(space_id)

    @precondition(lambda self: len(self.spaces) < len(SPACES))
    @rule()
    def add_missing_space(self) -> None:
        self.add_space(next(space_id for space_id in SPACES if space_id not in self.spaces))

    def add_space(self, space_id: str) -> None:
        space = Space(space_id, SpaceSettings(name=space_id), created_at=self.now)
        self.both(lambda store: store.spaces.add(space))
        self.spaces.add(space_id)

    @rule(
        space_id=st.sampled_from(["s", "s", "s", "t"]),
        user_id=st.sampled_from(["u", "v"]),
        rate_limit_s=st.sampled_from([0.0, 0.0, 0.0, 5.0]),
        max_queue=st.sampled_from([1000, 1000, 1000, 2]),
        max_attempts=st.integers(1, 3),
        queue_timeout_s=st.sampled_from([30.0, 300.0]),
        max_queue_per_user=st.sampled_from([0, 0, 2]),
        order=st.sampled_from(["fifo", "fair", "fair"]),
        key=st.sampled_from(["", "", "k"]),
        fingerprint=st.sampled_from(["f", "f", "g"]),
    )
    def submit(self, space_id: str, user_id: str, **limits: Any) -> None:
        command = Submit(
            id=f"r{len(self.accepted)}",
            space_id=space_id,
            user_id=user_id,
            username=user_id,
            payload={"prompt": f"{user_id} at {self.now}"},
            now=self.now,
            run_timeout_s=60.0,
            key_age_s=KEY_AGE_S,
            **limits,
        )
        earlier = self.keys.get((user_id, command.key))
        if earlier is not None and earlier[2] > self.now - KEY_AGE_S:
            self.submit_again(command, *earlier)
        else:
            self.submit_new(command)

    def submit_again(self, command: Submit, fingerprint: str, request_id: str, _at: float) -> None:
        answer = self.both(lambda store: store.requests.submit(command))
        if fingerprint == command.fingerprint:
            assert (answer.request.id, answer.repeated) == (request_id, True)
            assert (answer.position is None) is (self.seen[request_id].status is not Status.QUEUED)
        else:
            assert answer[0] is KeyReused

    def submit_new(self, command: Submit) -> None:
        waiting = [r for r in self.seen.values() if r.status is Status.QUEUED and r.space_id == command.space_id]
        own = [request for request in waiting if request.user_id == command.user_id]
        answer = self.both(lambda store: store.requests.submit(command))
        if isinstance(answer, Submitted):
            assert command.space_id in self.spaces
            assert not answer.repeated
            assert answer.position is not None
            assert command.order == "fair" or answer.position == len(waiting) + 1
            assert len(waiting) < command.max_queue
            assert not 0 < command.max_queue_per_user <= len(own)
            self.accepted.append(command.id)
            if command.key:
                self.keys[command.user_id, command.key] = (command.fingerprint, command.id, self.now)
        elif answer[0] is SpaceNotFound:
            assert command.space_id not in self.spaces
        elif answer[0] is OwnQueueFull:
            assert 0 < command.max_queue_per_user <= len(own)
        elif answer[0] is QueueFull:
            assert len(waiting) >= command.max_queue
        else:
            assert answer[0] is RateLimited
            assert 0 < answer[1] <= command.rate_limit_s

    @precondition(lambda self: self.ended)
    @rule(pick=picks)
    def try_again(self, pick: int) -> None:
        """By a request that names one that has ended; there is at most one."""
        dead = list(self.ended.values())[pick % len(self.ended)]
        again = Submit(f"r{len(self.accepted)}", dead.space_id, "u", "u", {}, self.now, 30.0, 60.0, retry_of=dead.id)
        answer = self.both(lambda store: store.requests.submit(again))
        if isinstance(answer, Submitted):
            assert dead.id not in self.retried
            assert answer.request.retry_of == dead.id
            self.accepted.append(again.id)
            self.retried[dead.id] = again.id
        else:
            assert answer[0] is (AlreadyRetried if dead.space_id in self.spaces else SpaceNotFound)
        assert self.both(lambda store: dict(store.requests.retries(self.accepted))) == self.retried

    @rule()
    def forget_old_keys(self) -> None:
        before = self.now - KEY_AGE_S
        old = [name for name, (_, _, at) in self.keys.items() if at <= before]
        assert self.both(lambda store: store.requests.purge_keys(before)) == len(old)
        for name in old:
            del self.keys[name]

    @precondition(lambda self: self.grants)
    @rule(pick=picks)
    def give_up(self, pick: int) -> None:
        """The site itself ends an attempt that it could not tell the worker of."""
        grant = self.grant(pick)
        before = self.seen[grant.request_id]
        command = Finish(
            grant.request_id,
            grant.space_id,
            grant.connection_id,
            grant.lease_id,
            Status.FAILED,
            None,
            self.now,
            code="undeliverable",
        )
        answer: Finished = self.both(lambda store: store.requests.finish(command))
        assert (answer.verdict is Verdict.RECORDED) is (not before.is_over and before.lease_id == grant.lease_id)

    @rule(connection_id=connections, limit=st.integers(0, 4))
    def claim(self, connection_id: str, limit: int) -> None:
        worker_id, space_id = CONNECTIONS[connection_id]
        before = self.sql.requests.positions(self.accepted)
        command = Claim(
            claim_id=f"k{len(self.grants)}at{self.now}",
            space_id=space_id,
            connection_id=connection_id,
            worker_id=worker_id,
            limit=limit,
            now=self.now,
            lease_s=LEASE_S,
            starts=not worker_id,
        )
        taken: tuple[Request, ...] = self.both(lambda store: store.requests.claim(command))
        assert [before[request.id] for request in taken] == list(range(1, len(taken) + 1))
        assert len(taken) <= limit
        for request in taken:
            assert request.lease_id not in {grant.lease_id for grant in self.grants}
            if request.attempt == 1 and request.id not in {grant.request_id for grant in self.grants}:
                person = (space_id, request.user_id)
                assert request.seq > self.first_attempts.get(person, 0), "one's own come in the order one sent them"
                self.first_attempts[person] = request.seq
            self.grants.append(Grant(request.id, space_id, connection_id, request.lease_id or ""))

    @precondition(lambda self: self.grants)
    @rule(
        pick=picks,
        status=st.sampled_from([Status.COMPLETED, Status.FAILED]),
        by_connection=st.booleans(),
        elsewhere=st.sampled_from([False, False, False, True]),
        run_s=st.sampled_from([None, 0.5, 500.0]),
    )
    def finish(self, pick: int, status: Status, by_connection: bool, elsewhere: bool, run_s: float | None) -> None:
        grant = self.grant(pick)
        before = self.seen[grant.request_id]
        command = Finish(
            request_id=grant.request_id,
            space_id="elsewhere" if elsewhere else grant.space_id,
            connection_id=grant.connection_id,
            lease_id="" if by_connection else grant.lease_id,
            status=status,
            result={"answer": len(self.recorded), "lease": grant.lease_id},
            now=self.now,
            code="worker_error" if status is Status.FAILED else None,
            run_s=run_s,
        )
        answer: Finished = self.both(lambda store: store.requests.finish(command))
        current = before.connection_id == grant.connection_id if by_connection else before.lease_id == grant.lease_id
        assert (answer.verdict is Verdict.UNKNOWN) is elsewhere
        assert (answer.verdict is Verdict.RECORDED) is (not elsewhere and not before.is_over and current)
        if answer.verdict is Verdict.RECORDED:
            assert grant.request_id not in self.recorded
            self.recorded[grant.request_id] = dict(command.result)
        elif answer.verdict is Verdict.DUPLICATE:
            assert grant.request_id in self.recorded

    @rule(connection_id=connections, chosen=st.lists(picks, max_size=4), started=st.booleans())
    def renew(self, connection_id: str, chosen: list[int], started: bool) -> None:
        held = self.held(chosen)
        command = Renew(
            space_id=CONNECTIONS[connection_id][1],
            connection_id=connection_id,
            leases=held,
            now=self.now,
            lease_s=LEASE_S,
            started=frozenset(held) if started else frozenset(),
        )
        kept: frozenset[str] = self.both(lambda store: store.requests.renew(command))
        assert all(self.seen[key].lease_id == held[key] for key in kept)
        assert all(self.seen[key].status is Status.PROCESSING for key in kept)

    @precondition(lambda self: self.grants)
    @rule(pick=picks, seq=st.integers(0, 4), percent=st.sampled_from([None, 10.0, 90.0]))
    def report(self, pick: int, seq: int, percent: float | None) -> None:
        grant = self.grant(pick)
        before = self.seen[grant.request_id]
        command = Report(
            request_id=grant.request_id,
            space_id=grant.space_id,
            lease_id=grant.lease_id,
            seq=seq,
            now=self.now,
            lease_s=LEASE_S,
            percent=percent,
            pieces=() if percent is not None else ((seq, f"{seq} "), (seq + 1, f"{seq + 1} ")),
        )
        answer: Request | None = self.both(lambda store: store.requests.report(command))
        current = before.status is Status.PROCESSING and before.lease_id == grant.lease_id
        assert (answer is not None) is current
        if answer is not None:
            pieces = answer.partial.replace(GAP, "").split()
            assert pieces == sorted(set(pieces))

    @rule(connection_id=connections, abreast=st.integers(0, 2))
    def release(self, connection_id: str, abreast: int) -> None:
        how: dict[str, Any] = {"keep_lease": bool(CONNECTIONS[connection_id][0]), "now": self.now, "abreast": abreast}
        moved = self.both(lambda store: _by_id(store.requests.release(connection_id, **how)))
        used = [request for key, request in moved.items() if request.attempt == self.seen[key].attempt]
        assert len(used) >= min(len(moved), abreast)
        assert all(self.seen[key].started_at is None for key in moved.keys() - {request.id for request in used})
        assert not [r for r in self.both(_everything) if r.connection_id == connection_id and _runs(r)]

    @rule(connection_id=connections, chosen=st.lists(picks, max_size=4), started=st.booleans())
    def resume(self, connection_id: str, chosen: list[int], started: bool) -> None:
        worker_id, space_id = CONNECTIONS[connection_id]
        held = self.held(chosen)
        command = Resume(
            space_id=space_id,
            connection_id=connection_id,
            worker_id=worker_id,
            leases=held,
            now=self.now,
            lease_s=LEASE_S,
            started=frozenset(held) if started else frozenset(),
        )
        answer: Resumed = self.both(lambda store: _settled(store.requests.resume(command)))
        after = {request.id: request for request in self.both(_everything)}
        assert all(_runs(after[key]) and after[key].connection_id == connection_id for key in answer.keep)
        assert all(after[key].lease_id == self.seen[key].lease_id == held[key] for key in answer.keep)
        if worker_id:
            of_worker = [r for r in after.values() if _runs(r) and (r.worker_id, r.space_id) == (worker_id, space_id)]
            assert {request.id for request in of_worker} <= set(answer.keep)

    @rule(limit=st.sampled_from([500, 500, 1]))
    def expire(self, limit: int) -> None:
        moved: tuple[Request, ...] = self.both(lambda store: store.requests.expire(self.now, limit=limit))
        assert len(moved) <= limit
        if limit == 500:
            left = [request for request in self.both(_everything) if _runs(request)]
            assert all((request.lease_until or 0.0) > self.now for request in left)

    @precondition(lambda self: self.accepted)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        request_id = self.accepted[pick % len(self.accepted)]
        answer = self.both(lambda store: store.requests.cancel(request_id, now=self.now, code="cancelled_by_user"))
        assert answer == (None if self.seen[request_id].is_over else self.seen[request_id])

    @rule(seconds=st.sampled_from([0.5, 1.0, 6.0, 16.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        self.sql.close()
        self.sql = open_store(self.url, RUNTIME)
        self.both(lambda store: store.requests.extend_leases(self.now + LEASE_S))

    @precondition(lambda self: "t" in self.spaces)
    @rule()
    def remove_a_space(self) -> None:
        self.both(lambda store: _by_id(store.spaces.remove("t", now=self.now)))
        self.spaces.remove("t")

    # -- what must hold --------------------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        now = {request.id: request for request in self.both(_everything)}
        assert sorted(now) == sorted(self.accepted), "accepted is kept, and nothing else is there"
        assert [now[key].seq for key in self.accepted] == sorted(request.seq for request in now.values())
        for request in now.values():
            if request != self.seen.get(request.id):
                self.check(request)
        self.seen = now
        waiting = [now[key] for key in self.accepted if now[key].status is Status.QUEUED]
        places: Counter[str] = Counter()
        expected = {}
        for request in sorted(waiting, key=lambda request: (request.turn, request.seq)):
            places[request.space_id] += 1
            expected[request.id] = places[request.space_id]
        for before, after in itertools.product(waiting, waiting):
            if before.space_id == after.space_id and before.attempt and not after.attempt:
                assert expected[before.id] < expected[after.id], "queued again it keeps its place"
        assert self.both(lambda store: dict(store.requests.positions(self.accepted))) == expected
        assert self.both(lambda store: store.requests.waiting_spaces()) == set(places)

    def check(self, request: Request) -> None:
        """One request that has changed."""
        assert request.id not in self.ended, "what has ended does not change"
        assert request.attempt <= request.max_attempts
        assert (request.finished_at is not None) is request.is_over
        assert not _runs(request) or (request.lease_id and request.lease_until is not None)
        assert request.result == self.recorded.get(request.id)
        assert (request.status is Status.COMPLETED) <= (request.id in self.recorded)
        assert not request.is_over or request.status is Status.COMPLETED or request.code
        history = self.both(lambda store: store.requests.history(request.id))
        assert (history[0].before, history[0].after) == (None, Status.QUEUED)
        assert all(a.after is b.before and may_move(a.after, b.after) for a, b in itertools.pairwise(history))
        assert (history[-1].after, history[-1].attempt) == (request.status, request.attempt)
        assert sum(move.after in TERMINAL for move in history) == int(request.is_over)
        assert all(b.attempt - a.attempt in _counted(b) for a, b in itertools.pairwise(history))
        if request.is_over:
            self.ended[request.id] = request

    def teardown(self) -> None:
        """Whatever was accepted comes to an end, once nobody does anything any more."""
        try:
            for _ in range(4):
                self.now += FOREVER_S
                self.both(lambda store: store.requests.expire(self.now))
            self.promises_hold()
            assert set(self.ended) == set(self.accepted)
            assert [self.both(lambda store, s=s: store.requests.queue_size(s)) for s in SPACES] == [0, 0]
        finally:
            self.sql.close()
            self.folder.cleanup()


def _everything(store: Store) -> tuple[Request, ...]:
    return store.requests.list(limit=EVERYTHING).items


def _by_id(requests: tuple[Request, ...]) -> dict[str, Request]:
    return {request.id: request for request in requests}


def _settled(answer: Resumed) -> Resumed:
    """Which order the leases are kept in is nobody's business."""
    return Resumed(tuple(sorted(answer.keep)), tuple(sorted(answer.changed, key=lambda request: request.seq)))


def _counted(move: Transition) -> tuple[int, ...]:
    """What a move may add to the attempts used up: taken up again adds none, one that had not begun is given back."""
    if move.after is Status.PROCESSING:
        return 0, 1
    return (-1,) if move.reason == NOT_BEGUN else (0,)


def _runs(request: Request) -> bool:
    return request.status is Status.PROCESSING


class WithPostgres(TwoStores):
    """The same commands to the store in memory and to the one in PostgreSQL."""

    database = ""

    def empty_database(self) -> str:
        return emptied(self.database)


ANY_COURSE = settings(
    max_examples=25,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = ANY_COURSE


@pytest.mark.slow
def test_with_postgres(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WithPostgres, "database", postgres_url)
    run_state_machine_as_test(WithPostgres, settings=settings(ANY_COURSE, max_examples=8))
