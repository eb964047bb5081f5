"""Runs a handler in a process of its own: whatever it does there, the worker goes on answering the site."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from project.worker import child
from project.worker.calling import Chunk, Handler
from project.worker.errors import HandlerCrashed, HandlerRaised, HandlerUnusable
from project.worker.job import Job, Result

CANCEL_GRACE_S = 2.0
"""How long a cancelled handler has to notice; then its process is killed."""
EXIT_S = 5.0


class InProcess:
    """Runs a handler in a child process that stays: what it has loaded is there for the next request.

    The process is started anew when it has died. One whose handler does not end after a cancel is killed, with the
    programs that the handler started. Raises ValueError for a handler that cannot be named to another process.
    """

    def __init__(self, handler: Handler | str, *, grace_s: float = CANCEL_GRACE_S):
        try:
            pickle.dumps(handler)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                "isolation='process' needs a handler that another process can import: a function or an object of a "
                f"class at the top level of a module ({error})"
            ) from error
        self._handler = handler
        self._grace_s = grace_s
        self._process: Any = None
        self._pipe: Connection | None = None
        self._ready = False
        self._current: Job | None = None
        self._closed = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the process; returns when it has imported the handler. Raises HandlerUnusable."""
        if self._process is None:
            self._spawn()
        self._wait_ready()

    def run(self, job: Job, chunk: Chunk) -> Result:
        """See the protocol. Raises HandlerRaised with the handler's error, HandlerCrashed if its process died."""
        if not self._process.is_alive():
            self._start_again()
        try:
            self._wait_ready()
        except HandlerUnusable as error:
            raise HandlerCrashed(error.message) from error
        try:
            self._send(child.task(job))
            with self._lock:
                self._current = job
            job.when_cancelled(lambda: self._cancel(job))
            return self._listen(job, chunk)
        except (EOFError, OSError) as error:
            raise self._crash() from error
        finally:
            with self._lock:
                self._current = None

    def close(self) -> None:
        """See the protocol."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._kill()
                self._process.join(EXIT_S)

    def _spawn(self) -> None:
        # Not a fork: a copy of a process with threads may hang at the first lock.
        context = multiprocessing.get_context("spawn")
        if self._pipe is not None:
            self._pipe.close()
        self._pipe, theirs = context.Pipe()
        self._ready = False
        self._process = context.Process(target=child.main, args=(theirs, self._handler), name="handler")
        self._process.start()
        # Only the child has its end now, so that its death is the end of the pipe.
        theirs.close()

    def _start_again(self) -> None:
        """Take a new process for one that has died, unless there is to be none any more."""
        with self._lock:
            if not self._closed:
                self._spawn()

    def _wait_ready(self) -> None:
        if self._ready:
            return
        try:
            assert self._pipe is not None
            self._pipe.recv()
        except (EOFError, OSError):
            raise HandlerUnusable(
                f"The handler's process could not begin ({self._how_it_ended()}). What its module does when it is "
                "imported happens there again: put Worker(...).run() under if __name__ == '__main__'"
            ) from None
        self._ready = True

    def _listen(self, job: Job, chunk: Chunk) -> Result:
        assert self._pipe is not None
        while True:
            kind, *values = self._pipe.recv()
            if kind == child.PROGRESS:
                job.progress(*values)
            elif kind == child.CHUNK:
                chunk(*values)
            elif kind == child.DONE:
                return Result(json.loads(values[0]), values[1])
            else:
                raise HandlerRaised(*values)

    def _send(self, message: Any) -> None:
        with self._lock:
            assert self._pipe is not None
            self._pipe.send(message)

    def _cancel(self, job: Job) -> None:
        """Ask the handler to stop; end its process if it does not."""
        try:
            self._send((child.CANCEL, job.id, job.lease_id))
        except OSError:
            return  # it has died meanwhile
        timer = threading.Timer(self._grace_s, self._kill_unless_over, (job,))
        timer.daemon = True
        timer.start()

    def _kill_unless_over(self, job: Job) -> None:
        with self._lock:
            if self._current is job:
                self._kill()

    def _kill(self) -> None:
        _kill_group(self._process.pid, self._process.kill)

    def _crash(self) -> HandlerCrashed:
        how = self._how_it_ended()
        # At once, so that what it loads is there when the next request comes.
        self._start_again()
        return HandlerCrashed(f"The handler's process died ({how})")

    def _how_it_ended(self) -> str:
        self._process.join(EXIT_S)
        code = self._process.exitcode
        if code is None:
            self._kill()
            return "it closed its pipe"
        if code < 0:
            name = signal.Signals(-code).name if -code in signal.Signals.__members__.values() else f"signal {-code}"
            return f"{name}; out of memory, perhaps" if name == "SIGKILL" else name
        return f"exit code {code}"


def _kill_group(pid: int, kill: Callable[[], None]) -> None:
    """Kill a child and the programs it started, as far as it leads a group of its own by now."""
    try:
        if hasattr(os, "killpg") and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
            return
    except ProcessLookupError:
        return
    kill()
