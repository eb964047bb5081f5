"""Progress on its way to the site: the newest wins, and no more than ten a second of one request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from project.worker.job import Job

BETWEEN_S = 0.1
START_NOTICE_S = 0.15
"""A handler that runs longer is reported as started; a quick one saves the message."""


@dataclass(slots=True)
class _State:
    job: Job
    began: float
    seq: int = 0
    sent_at: float = field(default=float("-inf"))
    pending: tuple[float, str] | None = None


class Reports:
    """Collects progress of running jobs and sends it in time. ``send(job, seq, percent, message)``."""

    def __init__(self, send: Callable[[Job, int, float, str], None], clock: Callable[[], float] = time.monotonic):
        self._send = send
        self._clock = clock
        self._states: dict[str, _State] = {}
        self._lock = threading.Lock()

    def begin(self, job: Job) -> None:
        """A handler has begun."""
        with self._lock:
            self._states[job.id] = _State(job, self._clock())

    def end(self, job: Job) -> None:
        """A handler is done; what was not sent is not needed any more."""
        with self._lock:
            state = self._states.get(job.id)
            if state is not None and state.job is job:
                del self._states[job.id]

    def put(self, job: Job, percent: float, message: str) -> None:
        """The handler reports."""
        with self._lock:
            state = self._states.get(job.id)
            if state is None or state.job is not job:
                return
            state.pending = (percent, message)
        self.flush()

    def flush(self) -> None:
        """Send what may be sent by now. Called often."""
        now = self._clock()
        due = []
        with self._lock:
            for state in self._states.values():
                if state.job.cancelled:
                    continue
                if state.seq == 0 and state.pending is None and now - state.began >= START_NOTICE_S:
                    state.pending = (0.0, "")
                if state.pending is not None and now - state.sent_at >= BETWEEN_S:
                    state.seq += 1
                    due.append((state.job, state.seq, *state.pending))
                    state.pending, state.sent_at = None, now
        for job, seq, percent, message in due:
            self._send(job, seq, percent, message)
