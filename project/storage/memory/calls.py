"""The log of calls in memory."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from project.core.calls import Call, Minute, Outcome, Reason, Relayed, Search, Statistics, rank
from project.core.model import Request
from project.core.states import Status
from project.storage.words import words_of

Measured = tuple[tuple[str, str], float, bool, float]
"""A group's name and part, ms, whether it failed, and when."""


class MemoryCalls:
    """``CallStore`` in memory. ``requests`` lists the relay's requests."""

    def __init__(self, requests: Callable[[], Iterable[Request]], lock: threading.RLock):
        self._requests = requests
        self._lock = lock
        self._calls: dict[str, Call] = {}
        self._seq = 0

    def add(self, call: Call) -> None:
        """See the port."""
        with self._lock:
            self._seq += 1
            self._calls[call.id] = replace(call, seq=self._seq)

    def get(self, call_id: str) -> Call | None:
        """See the port."""
        return self._calls.get(call_id)

    def _all(self) -> list[Call]:
        with self._lock:
            return list(self._calls.values())

    def find(self, search: Search) -> tuple[Call, ...]:
        """See the port."""
        found = [call for call in self._all() if _call_matches(call, search)]
        return tuple(sorted(found, key=lambda call: -call.seq)[: search.limit])

    def statistics(self, *, since: float, until: float, tests: bool) -> tuple[Statistics, ...]:
        """See the port."""
        return _grouped(
            ((call.method, ""), call.duration_ms, call.outcome is not Outcome.SUCCESS, call.at)
            for call in self._all()
            if since <= call.at < until
            and (tests or call.test_id is None)
            and call.outcome is not Outcome.UNKNOWN_METHOD
        )

    def minutes(self, *, since: float, until: float) -> Mapping[int, Minute]:
        """See the port."""
        ended = [
            (call.at, Minute(tests=1) if call.test_id else Minute(1, int(call.outcome is not Outcome.SUCCESS)))
            for call in self._all()
        ]
        ended += [
            (at, Minute(tests=1) if request.test_id else Minute(1, int(request.status is Status.FAILED)))
            for request, at in self._ended(since, until)
        ]
        found: dict[int, Minute] = {}
        for at, told in ended:
            if since <= at < until:
                found[int(at // 60)] = found.get(int(at // 60), Minute()) + told
        return found

    def reasons(self, *, since: float, until: float) -> tuple[Reason, ...]:
        """See the port."""
        failed = [
            (("rpc", call.method, call.code or call.outcome.value), call.at)
            for call in self._all()
            if since <= call.at < until and call.outcome is not Outcome.SUCCESS and call.test_id is None
        ]
        failed += [
            (("relay", request.space_id, request.code or request.status.value), at)
            for request, at in self._ended(since, until)
            if request.status is Status.FAILED and request.test_id is None
        ]
        counts = Counter(key for key, _at in failed)
        last = {key: max(at for other, at in failed if other == key) for key in counts}
        found = [Reason(*key, count, last[key]) for key, count in counts.items()]
        return tuple(sorted(found, key=lambda one: (-one.count, one.name, one.code)))

    def prune(self, *, before: float, most: int, most_tests: int) -> int:
        """See the port."""
        with self._lock:
            kept = sorted((call for call in self._all() if call.at >= before), key=lambda call: -call.seq)
            tests = [call.id for call in kept if call.test_id is not None][most_tests:]
            kept = [call for call in kept if call.id not in set(tests)][:most]
            gone = len(self._calls) - len(kept)
            self._calls = {call.id: call for call in reversed(kept)}
            return gone

    def forget_tests(self, test_id: str = "") -> int:
        """See the port."""
        with self._lock:
            gone = [c.id for c in self._all() if (c.test_id == test_id if test_id else c.test_id is not None)]
            for call_id in gone:
                del self._calls[call_id]
            return len(gone)

    def relayed(self, search: Search) -> tuple[Relayed, ...]:
        """See the port."""
        found = [request for request in self._requests() if _request_matches(request, search)]
        return tuple(_relayed(request) for request in sorted(found, key=lambda r: -r.seq)[: search.limit])

    def worker_statistics(self, *, since: float, until: float) -> tuple[Statistics, ...]:
        """See the port."""
        ended = [(request, _run_ms(request), at) for request, at in self._ended(since, until)]
        return _grouped(
            ((request.space_id, request.worker_id), ms, request.status is Status.FAILED, at)
            for request, ms, at in ended
            if request.worker_id is not None and ms is not None
        )

    def space_statistics(self, *, since: float, until: float) -> tuple[Statistics, ...]:
        """See the port."""
        return _grouped(
            ((request.space_id, ""), (at - request.created_at) * 1000, request.status is Status.FAILED, at)
            for request, at in self._ended(since, until)
        )

    def _ended(self, since: float, until: float) -> list[tuple[Request, float]]:
        return [
            (request, request.finished_at)
            for request in self._requests()
            if request.finished_at is not None and since <= request.finished_at < until
        ]


def _grouped(measured: Iterable[Measured]) -> tuple[Statistics, ...]:
    groups: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    for one in measured:
        groups[one[0]].append(one)
    return tuple(_of_group(key, groups[key]) for key in sorted(groups))


def _of_group(key: tuple[str, str], group: list[Measured]) -> Statistics:
    ms = sorted(one[1] for one in group)
    return Statistics(
        name=key[0],
        part=key[1],
        count=len(group),
        failures=sum(one[2] for one in group),
        p50_ms=ms[rank(len(ms), 50) - 1],
        p95_ms=ms[rank(len(ms), 95) - 1],
        last_at=max(one[3] for one in group),
    )


def _run_ms(request: Request) -> float | None:
    if request.run_s is not None:
        return request.run_s * 1000
    began = request.started_at if request.started_at is not None else request.dispatched_at
    return None if began is None or request.finished_at is None else (request.finished_at - began) * 1000


def _relayed(request: Request) -> Relayed:
    waited = None if request.dispatched_at is None else (request.dispatched_at - request.created_at) * 1000
    return Relayed(
        id=request.id,
        seq=request.seq,
        space_id=request.space_id,
        worker_id=request.worker_id,
        username=request.username,
        status=request.status.value,
        at=request.created_at,
        wait_ms=waited,
        run_ms=_run_ms(request),
        attempt=request.attempt,
        error=request.error,
        code=request.code,
        test_id=request.test_id,
    )


def _within(at: float, seq: int, search: Search) -> bool:
    return (
        (search.since is None or at >= search.since)
        and (search.until is None or at < search.until)
        and (search.before is None or seq < search.before)
    )


def _call_matches(call: Call, search: Search) -> bool:
    failed = call.outcome is not Outcome.SUCCESS
    return (
        search.method in ("", call.method)
        and (failed if search.outcome == "failure" else search.outcome in ("", call.outcome.value))
        and search.test_id in ("", call.test_id)
        and (search.tests or call.test_id is None)
        and (search.text.casefold() in words_of(call) or search.text == call.code)
        and _within(call.at, call.seq, search)
    )


def _request_matches(request: Request, search: Search) -> bool:
    wanted = {"failure": "failed", "success": "completed"}.get(search.outcome, search.outcome)
    texts = (request.id, request.username, request.worker_id, request.error, request.code)
    return (
        search.method in ("", request.space_id)
        and wanted in ("", request.status.value)
        and search.test_id in ("", request.test_id)
        and (search.tests or request.test_id is None)
        and (not search.text or any(search.text.lower() in (text or "").lower() for text in texts))
        and _within(request.created_at, request.seq, search)
    )
