"""The worker: a handler, a space, and everything in between."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from project.wire import events, limits
from project.worker.backoff import retries
from project.worker.calling import Handler
from project.worker.chunks import Chunks
from project.worker.connection import Connection, insist_on_address
from project.worker.errors import FINAL, UNUSABLE, ConnectionFailed, RegistrationRefused, StateUnavailable
from project.worker.events import WorkerEvents
from project.worker.execution import Isolation, executors_of
from project.worker.job import Job
from project.worker.outbox import Outbox
from project.worker.reports import Reports
from project.worker.runner import Hooks, Outcome, Runner
from project.worker.signals import Signals
from project.worker.spool import DiskOutbox
from project.worker.state import State, open_default, open_state

log = logging.getLogger("project.worker")
SDK = "python/1"
TICK_S = 0.05
STEADY_S = 1.0
"""A connection that lasted longer was a good one: the next tries begin at the shortest wait again."""
MOST_MESSAGE_CHARS = 1000
LAST_WORDS_S = 5.0
PARTING_S = 30.0
"""How long a worker that is to end waits for a site that is not there, with a file to fetch or to return."""
DEAF_S = 30.0
FLUSH_S = 0.5
"""A line that takes nothing for so long holds up no run."""


class Worker:
    """Serves one space with ``handler``, a function from a request (``Job``) to a dictionary, a text or a ``Result``.

    Or its name, ``"module:name"``: in a process, only that process then imports the module, and loads its model.

    ``token`` is the space's, or else what ``SPACES_WORKER_TOKEN`` says.
    ``capacity`` is how many requests it keeps at hand; ``concurrency`` how many run at once, each in a thread or, by
    ``isolation="process"``, in a process of its own. With ``retry`` off, a
    site that cannot be reached ends ``run`` instead of being tried again for as long as it takes. ``watcher`` is told
    what happens. Raises ValueError for numbers out of range.

    Results wait in ``state_dir`` until the site has them, also beyond the worker's end; without it in a folder of its
    own in the user's home. ``outbox`` keeps them elsewhere, and then nothing is written.
    """

    def __init__(
        self,
        handler: Handler | str,
        *,
        host: str = "http://localhost:5001",
        space: str,
        token: str = "",
        capacity: int = 16,
        concurrency: int = 1,
        isolation: Isolation = "thread",
        worker_id: str = "",
        retry: bool = True,
        state_dir: str | Path | None = None,
        watcher: WorkerEvents | None = None,
        outbox: Outbox | None = None,
    ):
        if not 1 <= capacity <= limits.MAX_CAPACITY:
            raise ValueError(f"capacity must be from 1 to {limits.MAX_CAPACITY}")
        executors = executors_of(handler, isolation, concurrency)
        self._host = insist_on_address(host)
        self._space, self._token = space, token or os.environ.get("SPACES_WORKER_TOKEN", "")
        self._capacity, self._concurrency = capacity, concurrency
        self._retry = retry
        self._watcher = watcher or WorkerEvents()
        self._boot_id = secrets.token_hex(8)
        self._worker_id = worker_id
        self._connection = self._connect(self._host)
        self._state_dir = state_dir
        self._keeps_state = outbox is None
        self._outbox = Outbox() if outbox is None else outbox
        self._reports = Reports(self._send_progress)
        self._chunks = Chunks(self._send_chunk)
        self._heartbeat_s = 4.0
        self._max_payload_bytes = limits.MAX_PAYLOAD_BYTES
        self._runner = Runner(
            executors,
            self._host,
            most_result_bytes=lambda: self._max_payload_bytes,
            hooks=self._hooks(),
        )
        self._registered_at: float | None = None
        self._listed: dict[str, str] = {}
        self._failure: BaseException | None = None
        self._draining = False
        self._stopping = threading.Event()

    def run(self) -> None:
        """Serve until stopped: Ctrl+C ends at once, SIGTERM lets the running request finish.

        A second Ctrl+C raises KeyboardInterrupt on the spot. Raises RegistrationRefused when the site does not accept
        the worker, ConnectionFailed with ``retry`` off, StateUnavailable if ``state_dir`` cannot be used, and whatever
        the watcher raised beside a request.
        """
        state = self._open_state() if self._keeps_state else None
        # Another process for the same space is another worker: only so can the site tell a second one from a return.
        own = state.worker_id if state is not None else f"{socket.gethostname()[:60]}-{self._boot_id}"
        self._worker_id = self._worker_id or own
        try:
            self._run()
        finally:
            self._runner.close()
            self._outbox.close()
            if state is not None:
                state.close()

    def _open_state(self) -> State | None:
        try:
            if self._state_dir is not None:
                state = open_state(Path(self._state_dir), self._host, self._space)
            else:
                state = open_default(self._host, self._space)
        except StateUnavailable as error:
            if self._state_dir is not None:
                raise
            log.warning("%s: results are kept in memory only", error.message)
            return None
        outbox = DiskOutbox(state.results)
        self._outbox = outbox
        if outbox.restored:
            self._watcher.restored(outbox.restored)
        return state

    def _run(self) -> None:
        self._runner.start()
        threading.Thread(target=self._tick, daemon=True).start()
        with Signals(lambda number: self.stop(finish=number == signal.SIGTERM)):
            try:
                self._serve_until_stopped()
            finally:
                self._stopping.set()
                self._connection.close()
        if self._failure is not None:
            raise self._failure

    def stop(self, *, finish: bool = False) -> None:
        """End ``run``. With ``finish``, what runs is finished and handed in first, and nothing new is taken."""
        if not finish or not (self._connection.is_open or self._outbox.lasting):
            self._stopping.set()
            # Dropped before they notice: what a handler returns because it was interrupted is nobody's result.
            self._runner.drop(running=True)
        elif not self._draining:
            self._draining = True
            threading.Thread(target=self._drain, daemon=True).start()

    def _connect(self, host: str) -> Connection:
        return Connection(host, self._on_event)

    # -- the connection ---------------------------------------------------------------------------------------------

    def _serve_until_stopped(self) -> None:
        delays = retries()
        while not self._stopping.is_set():
            try:
                self._serve_once()
            except ConnectionFailed as error:
                if not self._retry:
                    raise
                delay_s = next(delays)
                self._watcher.connection_failed(error.message, delay_s)
            else:
                if self._registered_at is not None and time.monotonic() - self._registered_at > STEADY_S:
                    delays = retries()
                delay_s = next(delays)
            self._stopping.wait(delay_s)

    def _serve_once(self) -> None:
        self._watcher.connecting(self._host, self._space)
        self._chunks.pause()
        self._connection.open()
        try:
            self._watcher.connected()
            self._register()
            while not self._stopping.is_set() and not self._connection.wait_until_gone(TICK_S * 4):
                pass
        finally:
            self._connection.close()
        if not self._stopping.is_set():
            self._watcher.disconnected()

    def _register(self) -> None:
        try:
            self._watcher.registering(self._space)
            self._connection.register(self._registration())
        except RegistrationRefused as error:
            # A worker that was accepted before finds its place taken, for a while, by its own dead connection.
            if self._registered_at is not None and error.reason == "space_occupied":
                raise ConnectionFailed(error.message) from error
            self._watcher.refused(error.message, error.reason)
            raise

    def _on_registered(self, response: Mapping[str, Any]) -> None:
        self._registered_at = time.monotonic()
        self._heartbeat_s = float(response.get("heartbeat_seconds") or self._heartbeat_s)
        self._max_payload_bytes = int(response.get("max_payload_bytes") or self._max_payload_bytes)
        self._end_lost(self._listed, self._listed.keys() - set(response.get("keep") or ()))
        self._watcher.registered(response)
        if self._draining:
            self._connection.emit(events.DRAIN, {})
        self._chunks.resume()
        for message in self._outbox.due(everything=True):
            self._send_result(message)

    def _registration(self) -> dict[str, Any]:
        leases = self._leases()
        self._listed = {lease["request_id"]: lease["lease_id"] for lease in leases}
        return {
            "space_name": self._space,
            "token": self._token,
            "protocol": limits.PROTOCOL,
            "worker_id": self._worker_id,
            "boot_id": self._boot_id,
            "capacity": self._capacity,
            "concurrency": self._concurrency,
            "in_flight": leases,
            "sdk": SDK,
        }

    def _leases(self) -> list[dict[str, Any]]:
        """Every attempt this worker holds: waiting, running, or done and not acknowledged."""
        # In this order: a job goes from the runner to the outbox, and so is found in one of them or in both.
        jobs = [(job.id, job.lease_id, job.started) for job in self._runner.jobs()]
        done = [(request_id, lease_id, True) for request_id, lease_id in self._outbox.leases().items()]
        held = {request_id: (lease_id, started) for request_id, lease_id, started in (*done, *jobs)}
        return [{"request_id": r, "lease_id": lease_id, "started": started} for r, (lease_id, started) in held.items()]

    def _end_lost(self, listed: Mapping[str, str], lost: Iterable[Any]) -> None:
        """Run no further what the site gave to somebody else. Only what was listed can be lost: more may have come."""
        for request_id in lost:
            job = self._runner.cancel(str(request_id), listed.get(str(request_id), ""))
            if job is not None:
                self._watcher.cancelled(job, "the lease was lost")

    # -- what the site says: take note and return -------------------------------------------------------------------

    def _on_event(self, name: str, data: Mapping[str, Any]) -> None:
        if name == events.REGISTER_RESPONSE:
            self._on_registered(data)
        elif name == events.REQUEST and data.get("request_id"):
            if not self._stopping.is_set() and not self._draining:
                self._runner.put(Job(data, self._on_progress))
        elif name == events.CANCEL:
            job_or_none = self._runner.cancel(str(data.get("request_id")), str(data.get("lease_id") or ""))
            if job_or_none is not None:
                self._watcher.cancelled(job_or_none, str(data.get("reason") or ""))
        elif name == events.SITE_DRAINING:
            self._watcher.site_draining(str(data.get("reason") or ""))

    def _hooks(self) -> Hooks:
        return Hooks(
            put=self._watcher.received,
            start=self._on_start,
            chunk=self._chunks.put,
            keep=self._keep,
            end=self._on_end,
            crashed=self._crashed,
        )

    # -- what the handler does --------------------------------------------------------------------------------------

    def _on_start(self, job: Job) -> None:
        # If this run ends the process, the results before it must be out: the site would blame them instead.
        self._connection.flush(FLUSH_S)
        self._reports.begin(job)
        self._watcher.started(job)

    def _on_progress(self, job: Job, percent: float, message: str) -> None:
        if not job.cancelled:
            self._watcher.progressed(job, percent, message)
            self._reports.put(job, percent, message[:MOST_MESSAGE_CHARS])

    def _send_chunk(self, job: Job, number: int, text: str, answer: Callable[[Any], None]) -> None:
        message = {"request_id": job.id, "lease_id": job.lease_id, "seq": number, "text": text}
        self._connection.emit(events.CHUNK, message, answer)

    def _keep(self, job: Job, outcome: Outcome) -> None:
        self._outbox.put(_result(job, outcome))

    def _on_end(self, job: Job, outcome: Outcome | None, held: int) -> None:
        self._reports.end(job)
        self._chunks.end(job)
        if outcome is not None:
            sent = self._send_result(_result(job, outcome))
            told = self._watcher.finished if sent else self._watcher.kept
            told(job, outcome.status, outcome.run_s, held)

    def _crashed(self, error: BaseException) -> None:
        self._failure = error
        self._stopping.set()

    def _send_progress(self, job: Job, seq: int, percent: float, message: str) -> None:
        report = {"request_id": job.id, "lease_id": job.lease_id, "seq": seq, "percent": percent, "message": message}
        self._connection.emit(events.PROGRESS, report)

    def _send_result(self, message: Mapping[str, Any]) -> bool:
        return self._connection.emit(events.RESULT, message, self._on_acknowledged(message))

    def _on_acknowledged(self, message: Mapping[str, Any]) -> Callable[[Any], None]:
        request_id = str(message["request_id"])

        def acknowledged(answer: Any = None) -> None:
            answer = answer if isinstance(answer, dict) else {}
            code = str(answer.get("code") or "")
            if answer.get("ok"):
                self._chunks.forget(request_id)
                if self._outbox.settle(message):
                    self._watcher.recorded(request_id)
            elif code not in FINAL | UNUSABLE:
                log.warning("the site cannot take the result of %s now (%s); it is sent again", request_id, code)
            elif self._outbox.settle(message):
                self._chunks.forget(request_id)
                self._watcher.rejected(request_id, code, str(answer.get("message") or ""))
                if code in UNUSABLE:
                    self._replace_unusable(message, answer)

        return acknowledged

    def _replace_unusable(self, message: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """The site cannot take this result in any form: the person should at least learn why."""
        if message.get("replaced"):
            return
        error = {"error": f"The worker's result could not be delivered: {answer.get('message')}"}
        replacement = {**message, "status": "failed", "result": error, "replaced": True}
        self._outbox.put(replacement)
        self._send_result(replacement)

    # -- chores -----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        beaten_at = time.monotonic()
        while not self._stopping.wait(TICK_S):
            self._reports.flush()
            self._chunks.flush()
            for job in self._runner.deaf(DEAF_S):
                self._watcher.deaf(job, DEAF_S)
            # The site may have asked for another rhythm since the last one.
            if time.monotonic() - beaten_at >= self._heartbeat_s:
                beaten_at = time.monotonic()
                self._beat()

    def _beat(self) -> None:
        if not self._connection.is_open:
            return
        for message in self._outbox.due():
            self._send_result(message)
        leases = self._leases()
        listed = {lease["request_id"]: lease["lease_id"] for lease in leases}

        def answered(answer: Any = None) -> None:
            if isinstance(answer, dict):
                self._end_lost(listed, answer.get("stop") or ())

        self._connection.emit(events.HEARTBEAT, {"in_flight": leases}, answered)

    def _drain(self) -> None:
        self._connection.emit(events.DRAIN, {})
        self._runner.drop(running=False)
        self._runner.stop()
        left_at = time.monotonic()
        while not self._runner.join(TICK_S) and not self._stopping.is_set():
            if self._connection.is_open:
                left_at = time.monotonic()
            elif time.monotonic() - left_at > PARTING_S:
                self._runner.hurry()
        deadline = time.monotonic() + LAST_WORDS_S
        while len(self._outbox) and time.monotonic() < deadline and not self._stopping.wait(TICK_S):
            pass
        self._stopping.set()


def _result(job: Job, outcome: Outcome) -> dict[str, Any]:
    code = {"code": outcome.code} if outcome.code else {}
    return {
        **code,
        "request_id": job.id,
        "lease_id": job.lease_id,
        "status": outcome.status,
        "result": outcome.result,
        "run_s": outcome.run_s,
    }
