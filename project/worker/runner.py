"""Runs the handler, off the socket's thread, one request after another (or as many at once as asked)."""

from __future__ import annotations

import inspect
import json
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project.worker.job import Job, Result
from project.worker.transfer import fetch, give_back

Handler = Callable[[Job], Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended: ``completed`` or ``failed``, its result, and how long the handler ran (s)."""

    status: str
    result: Mapping[str, Any]
    run_s: float


class Runner:
    """The local queue and the threads that empty it."""

    def __init__(
        self,
        handler: Handler,
        host: str,
        *,
        concurrency: int,
        most_result_bytes: Callable[[], int],
        on_start: Callable[[Job], None],
        on_chunk: Callable[[Job, int, str], None],
        on_done: Callable[[Job, Outcome], None],
    ):
        self._handler = handler
        self._host = host
        self._most_result_bytes = most_result_bytes
        self._on_start = on_start
        self._on_chunk = on_chunk
        self._on_done = on_done
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(concurrency)]

    def start(self) -> None:
        """Begin to run what is put."""
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> bool:
        """Queue a job; False if this very attempt is here already."""
        with self._lock:
            present = self._jobs.get(job.id)
            if present is not None and present.lease_id == job.lease_id:
                return False
            self._jobs[job.id] = job
        self._waiting.put(job)
        return True

    def jobs(self) -> list[Job]:
        """Jobs that wait or run."""
        with self._lock:
            return list(self._jobs.values())

    def waiting(self) -> int:
        """How many have not begun."""
        return self._waiting.qsize()

    def cancel(self, request_id: str, lease_id: str = "") -> Job | None:
        """Nobody wants this result; the job, if it is here and of that lease."""
        with self._lock:
            job = self._jobs.get(request_id)
            if job is None or (lease_id and job.lease_id != lease_id):
                return None
            del self._jobs[request_id]
        job.cancel()
        return job

    def drop_waiting(self) -> None:
        """Forget what has not begun; the site gives it out again."""
        for job in self.jobs():
            if not job.started:
                self.cancel(job.id)

    def stop(self) -> None:
        """Take nothing more from the queue."""
        for _ in self._threads:
            self._waiting.put(None)

    def join(self, timeout_s: float) -> bool:
        """Whether every thread has ended, waiting up to ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self) -> None:
        while (job := self._waiting.get()) is not None:
            if job.cancelled:
                continue
            job.started = True
            self._on_start(job)
            outcome = self._run(job)
            with self._lock:
                wanted = self._jobs.get(job.id) is job
                if wanted:
                    del self._jobs[job.id]
            if wanted:
                self._on_done(job, outcome)

    def _run(self, job: Job) -> Outcome:
        began = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="worker-") if job.files else nullcontext("") as folder:
                job.files = tuple(fetch(self._host, file, Path(folder)) for file in job.files)
                values = self._returned(job, self._handler(job))
            return Outcome("completed", values, time.monotonic() - began)
        except Exception as error:
            # Whatever the handler raises is its answer to this request, and no reason to stop serving others.
            return Outcome("failed", {"error": f"{type(error).__name__}: {error}"}, time.monotonic() - began)

    def _returned(self, job: Job, value: Any) -> Mapping[str, Any]:
        if inspect.isgenerator(value):
            value = "".join(self._streamed(job, value))
        result = value if isinstance(value, Result) else Result(_as_values(value))
        for path in result.files:
            give_back(self._host, job.upload_url, Path(path))
        return self._fitting(job, dict(result.values))

    def _streamed(self, job: Job, pieces: Iterator[Any]) -> Iterator[str]:
        for number, piece in enumerate(pieces, start=1):
            if job.cancelled:
                return
            self._on_chunk(job, number, str(piece))
            yield str(piece)

    def _fitting(self, job: Job, values: dict[str, Any]) -> Mapping[str, Any]:
        """The values, or, if they are too large for the socket, a file with them and a note."""
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        # The limit is for the whole message: leave room for what is around the result.
        if len(text.encode()) <= self._most_result_bytes() - 4096:
            return values
        with tempfile.TemporaryDirectory(prefix="worker-") as folder:
            path = Path(folder) / "result.json"
            path.write_text(text, encoding="utf-8")
            give_back(self._host, job.upload_url, path)
        return {"text_output": "The result is large; it is attached as result.json.", "result_file": "result.json"}


def _as_values(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str):
        return {"text_output": value}
    raise TypeError(f"the handler returned {type(value).__name__}; return a dictionary, a text or a Result")
