"""Pieces of live text on their way to the store.

Each is on disk before it is acknowledged or shown, so that a page that comes back finds what it had. But a text of
many pieces is not written anew for each of them: while one write is under way, what comes meanwhile is put together
for the next, and the longer the text, the longer that one waits, so that a second writes about ``BYTES_A_SECOND``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from project.core.commands import Report
from project.core.model import Request
from project.errors import SpacesError, StaleLease
from project.runtime import Runtime
from project.storage.port import Pending, RequestStore

BYTES_A_SECOND: Final = 1_000_000
LEAST_PAUSE_S: Final = 0.02
"""A shorter one is not worth a task: such a text is written as soon as the last write is done."""
Answer = Callable[[SpacesError | None], None]
"""Told once of each piece: kept (None), or why not."""
Key = tuple[str, str]
"""A request and a lease."""


@dataclass(slots=True)
class _Flow:
    """One attempt's text: what waits for the write that is under way."""

    waiting: list[tuple[Report, Answer]] = field(default_factory=list)


class Texts:
    """Takes reports with pieces of text and has them written, a few at a time."""

    def __init__(self, store: RequestStore, publish: Callable[[Request], None], runtime: Runtime):
        self._store = store
        self._publish = publish
        self._runtime = runtime
        self._flows: dict[Key, _Flow] = {}
        self._lock = threading.Lock()

    def put(self, report: Report, answer: Answer) -> None:
        """Write a report now, or with the next ones of its attempt."""
        key = (report.request_id, report.lease_id)
        with self._lock:
            flow = self._flows.get(key)
            if flow is None:
                self._flows[key] = _Flow()
            else:
                flow.waiting.append((report, answer))
        if flow is None:
            self._write(key, [(report, answer)])

    def hurry(self, request_id: str, lease_id: str) -> None:
        """The attempt ends: write what waits before anything that is written from now on."""
        key = (request_id, lease_id)
        if key in self._flows:
            self._write_waiting(key)

    def _write_waiting(self, key: Key) -> None:
        with self._lock:
            flow = self._flows.get(key)
            taken = flow.waiting if flow is not None else []
            if flow is not None:
                flow.waiting = []
        if taken:
            self._write(key, taken)

    def _write(self, key: Key, taken: Sequence[tuple[Report, Answer]]) -> None:
        last = taken[-1][0]
        together = replace(last, pieces=tuple(piece for report, _ in taken for piece in report.pieces))
        pending = self._store.report_later(together)
        pending.on_done(lambda done: self._written(key, [answer for _, answer in taken], done))

    def _written(self, key: Key, answers: Sequence[Answer], done: Pending[Request | None]) -> None:
        refused: SpacesError | None = None
        chars = 0
        try:
            request = done.result()
        except SpacesError as error:
            refused = error
        else:
            if request is None:
                refused = StaleLease()
            else:
                chars = len(request.partial)
                self._publish(request)
        for answer in answers:
            answer(refused)
        self._next(key, chars)

    def _next(self, key: Key, chars: int) -> None:
        """After a write: the next one, at once or after a pause; nothing to remember if nothing waits."""
        pause_s = chars / BYTES_A_SECOND
        with self._lock:
            flow = self._flows.get(key)
            if flow is None:
                return
            if not flow.waiting and pause_s < LEAST_PAUSE_S:
                del self._flows[key]
                return
        if pause_s < LEAST_PAUSE_S:
            self._write_waiting(key)
        else:
            self._runtime.spawn(self._write_after, key, pause_s)

    def _write_after(self, key: Key, pause_s: float) -> None:
        self._runtime.sleep(pause_s)
        with self._lock:
            flow = self._flows.get(key)
            if flow is not None and not flow.waiting:
                del self._flows[key]
                return
        self._write_waiting(key)
