"""Runs the handler, off the socket's thread, one request after another (or as many at once as asked)."""

from __future__ import annotations

import json
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from project.worker.calling import Executor
from project.worker.errors import HandlerRaised, SiteUnreachable, WorkerError
from project.worker.job import Job
from project.worker.transfer import fetch, give_back

MOST_ERROR_CHARS = 4000
"""Of what is longer only the beginning goes out: a frame over 1 MB costs the connection."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: ``completed`` or ``failed``, its result, and how long the handler ran (s).

    ``code`` says why it failed when it was not the handler that did.
    """

    status: str
    result: Mapping[str, Any]
    run_s: float
    code: str = ""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the runner tells. ``held`` is how many jobs are here, waiting or running.

    ``put(job, held)`` comes before the job can begin, ``keep(job, outcome)`` while it still counts as held, so that
    at every moment its lease is found in the runner or wherever the outcome is kept. ``end(job, outcome, held)`` gets
    None for a job that was cancelled meanwhile; ``crashed`` an error of the hooks themselves.
    """

    put: Callable[[Job, int], None]
    start: Callable[[Job], None]
    chunk: Callable[[Job, str], None]
    keep: Callable[[Job, Outcome], None]
    end: Callable[[Job, Outcome | None, int], None]
    crashed: Callable[[BaseException], None]


class Runner:
    """The local queue and the threads that empty it, one for each executor."""

    def __init__(
        self,
        executors: Sequence[Executor],
        host: str,
        *,
        most_result_bytes: Callable[[], int],
        hooks: Hooks,
    ):
        self._executors = executors
        self._host = host
        self._most_result_bytes = most_result_bytes
        self._hooks = hooks
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._jobs: dict[str, Job] = {}
        self._busy: set[Job] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._serve, args=(each,), daemon=True) for each in executors]

    def start(self) -> None:
        """Begin to run what is put. Raises HandlerUnusable."""
        for executor in self._executors:
            executor.start()
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> bool:
        """Queue a job; False if this very attempt is here already. An earlier attempt at the same request ends."""
        with self._lock:
            present = self._jobs.get(job.id)
            if present is not None and present.lease_id == job.lease_id:
                return False
            self._jobs[job.id] = job
            held = len(self._jobs)
        if present is not None:
            present.cancel()
        self._hooks.put(job, held)
        self._waiting.put(job)
        return True

    def jobs(self) -> list[Job]:
        """Jobs that wait or run."""
        with self._lock:
            return list(self._jobs.values())

    def cancel(self, request_id: str, lease_id: str = "") -> Job | None:
        """Nobody wants this result; the job, if it is here and of that lease."""
        with self._lock:
            job = self._jobs.get(request_id)
            if job is None or (lease_id and job.lease_id != lease_id):
                return None
            del self._jobs[request_id]
        job.cancel()
        return job

    def deaf(self, after_s: float) -> list[Job]:
        """Jobs whose handlers still run that long after their cancel; each is told of once."""
        since = time.monotonic() - after_s
        with self._lock:
            found = [job for job in self._busy if job.cancelled_at is not None and job.cancelled_at < since]
            self._busy.difference_update(found)
        return found

    def drop(self, *, running: bool) -> None:
        """Forget what has not begun, and with ``running`` the rest as well; the site gives it out again."""
        with self._lock:
            dropped = [job for job in self._jobs.values() if running or not job.started]
            for job in dropped:
                del self._jobs[job.id]
        for job in dropped:
            job.cancel()

    def hurry(self) -> None:
        """Wait no longer for a site that is not there."""
        for job in self.jobs():
            job.hurry()

    def stop(self) -> None:
        """Take nothing more from the queue."""
        for _ in self._threads:
            self._waiting.put(None)

    def close(self) -> None:
        """End whatever runs still."""
        for executor in self._executors:
            executor.close()

    def join(self, timeout_s: float) -> bool:
        """Whether every thread has ended, waiting up to ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self, executor: Executor) -> None:
        try:
            while (job := self._waiting.get()) is not None:
                if self._begin(job):
                    self._hooks.start(job)
                    self._end(job, self._run(executor, job))
        except BaseException as error:
            # Without this thread nothing would run any more, while heartbeats kept every lease alive.
            self._hooks.crashed(error)

    def _begin(self, job: Job) -> bool:
        with self._lock:
            job.started = self._jobs.get(job.id) is job
            if job.started:
                self._busy.add(job)
            return job.started

    def _end(self, job: Job, outcome: Outcome) -> None:
        with self._lock:
            self._busy.discard(job)
            wanted = self._jobs.get(job.id) is job
            if wanted:
                self._hooks.keep(job, outcome)
                del self._jobs[job.id]
            held = len(self._jobs)
        self._hooks.end(job, outcome if wanted else None, held)

    def _run(self, executor: Executor, job: Job) -> Outcome:
        began = time.monotonic()
        try:
            values = self._values(executor, job)
            return Outcome("completed", values, time.monotonic() - began)
        except SiteUnreachable:
            # Not its answer, only the end of waiting: the site gives the request out again.
            self.cancel(job.id, job.lease_id)
            return Outcome("failed", {}, time.monotonic() - began)
        except BaseException as error:
            # Whatever the handler raises, sys.exit() too, is its answer to this request; others are served on.
            text = str(error) if isinstance(error, HandlerRaised) else f"{type(error).__name__}: {error}"
            code = error.code if isinstance(error, WorkerError) else ""
            return Outcome("failed", {"error": text[:MOST_ERROR_CHARS]}, time.monotonic() - began, code)
        finally:
            job.clear()

    def _values(self, executor: Executor, job: Job) -> Mapping[str, Any]:
        job.files = tuple(fetch(self._host, file, job.inputs(), job) for file in job.files)
        result = executor.run(job, lambda text: self._hooks.chunk(job, text))
        for number, path in enumerate(result.files, start=1):
            give_back(self._host, Path(path), number, job)
        return self._fitting(job, dict(result.values))

    def _fitting(self, job: Job, values: dict[str, Any]) -> Mapping[str, Any]:
        """The values, or, if they are too large for the socket, a file with them and a note."""
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        # The limit is for the whole message: leave room for what is around the result.
        if len(text.encode()) <= self._most_result_bytes() - 4096:
            # As the site reads it: a key that is no text, say, is one there.
            return cast("Mapping[str, Any]", json.loads(text))
        with tempfile.TemporaryDirectory(prefix="worker-") as folder:
            path = Path(folder) / "result.json"
            path.write_text(text, encoding="utf-8")
            give_back(self._host, path, 0, job)
        return {"text_output": "The result is large; it is attached as result.json.", "result_file": "result.json"}
