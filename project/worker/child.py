"""The process in which a handler runs: takes one request after another from a pipe, and tells what comes of it."""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from project.worker.calling import Handler, InThread, found
from project.worker.job import Job

PROGRESS: Final = "progress"
CHUNK: Final = "chunk"
DONE: Final = "done"
RAISED: Final = "raised"
READY: Final = "ready"
CANCEL: Final = "cancel"
RUN: Final = "run"
MOST_ERROR_CHARS: Final = 4000


def task(job: Job) -> tuple[Any, ...]:
    """What the process is sent of a request."""
    return RUN, job.message, job.files, job.folder


def main(pipe: Connection, handler: Handler | str) -> None:
    """Serve until the worker is gone. The worker decides on the end: Ctrl+C and SIGTERM reach this process as well."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not ignored, but heard without effect: programs that the handler starts would inherit the deafness.
        signal.signal(number, lambda *_: None)
    if hasattr(os, "setsid"):
        os.setsid()
    _Serving(pipe, found(handler)).run()


class _Serving:
    def __init__(self, pipe: Connection, handler: Handler):
        self._pipe = pipe
        self._executor = InThread(handler)
        self._tasks: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._job: Job | None = None
        self._lock = threading.Lock()

    def run(self) -> None:
        threading.Thread(target=self._read, name="pipe", daemon=True).start()
        self._tell(READY)
        while True:
            self._serve(self._tasks.get())

    def _read(self) -> None:
        while True:
            try:
                kind, *values = self._pipe.recv()
            except (EOFError, OSError):
                _end()
            if kind == RUN:
                message, files, folder = values
                job = Job(message, lambda _job, percent, text: self._tell(PROGRESS, percent / 100, text))
                job.files, job.folder = files, Path(folder)
                self._job = job
                self._tasks.put(job)
            elif self._job is not None and [self._job.id, self._job.lease_id] == values:
                self._job.cancel()

    def _serve(self, job: Job) -> None:
        try:
            result = self._executor.run(job, lambda text: self._tell(CHUNK, text))
            # As JSON: what the handler returns may be of a class that the worker need not know.
            values = json.dumps(dict(result.values), ensure_ascii=False, allow_nan=False)
            told: tuple[Any, ...] = (DONE, values, [str(Path(path).absolute()) for path in result.files])
        except BaseException as error:
            told = (RAISED, f"{type(error).__name__}: {error}"[:MOST_ERROR_CHARS])
        self._tell(*told)

    def _tell(self, *message: Any) -> None:
        with self._lock:
            try:
                self._pipe.send(message)
            except OSError:
                _end()


def _end() -> None:
    """The worker is gone: end at once, and the programs that the handler started with it."""
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)
