"""One call of an RPC method as it is logged, how the log is searched, and the statistics made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Outcome(StrEnum):
    """How a call ended."""

    SUCCESS = "success"
    UNKNOWN_METHOD = "unknown_method"
    INVALID_PARAMS = "invalid_params"
    TIMEOUT = "timeout"
    REMOTE_ERROR = "remote_error"
    UNAVAILABLE = "unavailable"
    INTERNAL_ERROR = "internal_error"


FAILURES: Final = frozenset(Outcome) - {Outcome.SUCCESS}


@dataclass(frozen=True, slots=True)
class Call:
    """One call. ``id`` is the correlation id, ``seq`` the store's own number (0 until it is stored).

    ``params`` and ``response`` are what may be kept of them: secrets are masked, long texts shortened. ``test_id``
    names the load run it belongs to, ``replay_of`` the call it repeats. ``at`` is when it began.
    """

    id: str
    method: str
    params: Mapping[str, Any]
    caller_id: str
    caller: str
    at: float
    duration_ms: float
    outcome: Outcome
    response: Any = None
    error: str | None = None
    code: str | None = None
    field: str | None = None
    trace: str | None = None
    test_id: str | None = None
    replay_of: str | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Relayed:
    """A request of the relay as the log shows it: what happened to it, without what was asked. ``run_ms`` is work."""

    id: str
    seq: int
    space_id: str
    worker_id: str | None
    username: str
    status: str
    at: float
    wait_ms: float | None
    run_ms: float | None
    attempt: int
    error: str | None
    code: str | None
    test_id: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """What to find in the log, newest first; None or empty means anything.

    ``outcome`` is an ``Outcome``, ``failure`` for all that are not a success, or a request's status. ``text`` is
    looked for in ids, callers, errors and parameters, whatever the case; or is an error's code. Without ``tests`` the
    calls and requests of load runs are left out. ``before`` continues a listing (a ``seq``).
    """

    method: str = ""
    outcome: str = ""
    since: float | None = None
    until: float | None = None
    text: str = ""
    test_id: str = ""
    tests: bool = True
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Statistics:
    """A group's calls in a stretch of time: durations in ms, as nearest-rank percentiles of all that ended."""

    name: str
    count: int
    failures: int
    p50_ms: float
    p95_ms: float
    last_at: float
    part: str = ""
    """What the group is divided by: of a space its worker."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why calls of a method (``source`` is ``rpc``) or requests to a space (``relay``) failed, and how many did."""

    source: str
    name: str
    code: str
    count: int
    last_at: float


@dataclass(frozen=True, slots=True)
class Minute:
    """Calls that began and requests that ended in a minute, and how many failed; ``tests`` are calls of load runs,
    which are in neither."""

    count: int = 0
    failures: int = 0
    tests: int = 0

    def __add__(self, other: Minute) -> Minute:
        """Both together."""
        return Minute(self.count + other.count, self.failures + other.failures, self.tests + other.tests)


def rank(count: int, percent: int) -> int:
    """The nearest rank (from 1) of a percentile among ``count`` values: the smallest one that covers it."""
    return max(1, -(-count * percent // 100))


_FEWEST: Final = 5
_SLOWER: Final = 1.25
_LEAST_SLOWER_MS: Final = 5.0
_MORE_FAILURES: Final = 0.01


def verdict(now: Statistics, before: Statistics | None) -> str:
    """How a group does compared with before: ``worse``, ``better``, ``same``, or ``unknown`` when too few are known.

    Worse is: a quarter and at least 5 ms slower at the 95th percentile, or one failure more in a hundred. A difference
    of less than that no person feels, and of what takes a part of a millisecond it is noise.
    """
    if before is None or min(now.count, before.count) < _FEWEST:
        return "unknown"
    failed_now, failed_before = now.failures / now.count, before.failures / before.count
    if _slower(before.p95_ms, now.p95_ms) or failed_now > failed_before + _MORE_FAILURES:
        return "worse"
    if _slower(now.p95_ms, before.p95_ms) or failed_now + _MORE_FAILURES < failed_before:
        return "better"
    return "same"


def _slower(quick_ms: float, slow_ms: float) -> bool:
    return slow_ms > quick_ms * _SLOWER and slow_ms >= quick_ms + _LEAST_SLOWER_MS
