"""The worker: a handler, a space, and everything in between."""

from __future__ import annotations

import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from project.wire import events, limits
from project.worker.connection import Connection, retries
from project.worker.errors import ConnectionFailed, RegistrationRefused
from project.worker.events import WorkerEvents
from project.worker.job import Job
from project.worker.outbox import Outbox
from project.worker.reports import Reports
from project.worker.runner import Handler, Outcome, Runner

SDK = "python/1"
TICK_S = 0.05
LAST_WORDS_S = 5.0
FINAL = frozenset({"stale_lease", "request_not_found"})
UNUSABLE = frozenset({"invalid_message", "message_too_large", "too_large"})


class Worker:
    """Serves one space with ``handler``, a function from a request (``Job``) to a dictionary, a text or a ``Result``.

    ``capacity`` is how many requests it keeps at hand; ``concurrency`` how many run at once. With ``retry`` off, a
    site that cannot be reached ends ``run`` instead of being tried again for as long as it takes.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        host: str = "http://localhost:5001",
        space: str,
        token: str = "",
        capacity: int = 16,
        concurrency: int = 1,
        worker_id: str = "",
        retry: bool = True,
        watcher: WorkerEvents | None = None,
    ):
        if not 1 <= capacity <= limits.MAX_CAPACITY:
            raise ValueError(f"capacity must be from 1 to {limits.MAX_CAPACITY}")
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._host = host.rstrip("/")
        self._space = space
        self._token = token
        self._capacity = capacity
        self._retry = retry
        self._watcher = watcher or WorkerEvents()
        self._boot_id = secrets.token_hex(8)
        # Another process for the same space is another worker: only so can the site tell a second one from a return.
        self._worker_id = worker_id or f"{socket.gethostname()[:60]}-{self._boot_id}"
        self._connection = Connection(self._host, self._on_event)
        self._outbox = Outbox()
        self._reports = Reports(self._send_progress)
        self._heartbeat_s = 4.0
        self._max_payload_bytes = limits.MAX_PAYLOAD_BYTES
        self._runner = Runner(
            handler,
            self._host,
            concurrency=concurrency,
            most_result_bytes=lambda: self._max_payload_bytes,
            on_start=self._on_start,
            on_chunk=self._on_chunk,
            on_done=self._on_done,
        )
        self._registered = False
        self._stopping = threading.Event()

    def run(self) -> None:
        """Serve until stopped: Ctrl+C ends at once, SIGTERM lets the running request finish.

        Raises RegistrationRefused when the site does not accept the worker, ConnectionFailed with ``retry`` off.
        """
        self._take_signals()
        self._runner.start()
        threading.Thread(target=self._tick, daemon=True).start()
        delays = retries()
        try:
            while not self._stopping.is_set():
                try:
                    self._serve_once()
                    delays = retries()
                except ConnectionFailed as error:
                    self._wait_to_retry(error, next(delays))
        finally:
            self._stopping.set()
            self._connection.close()

    def stop(self, *, finish: bool = False) -> None:
        """End ``run``. With ``finish``, what runs is finished and handed in first, and nothing new is taken."""
        if finish and self._connection.is_open and not self._stopping.is_set():
            threading.Thread(target=self._drain, daemon=True).start()
            return
        self._stopping.set()
        for job in self._runner.jobs():
            job.cancel()

    # -- the connection ---------------------------------------------------------------------------------------------

    def _serve_once(self) -> None:
        self._watcher.connecting(self._host, self._space)
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
            response = self._connection.register(self._registration())
        except RegistrationRefused as error:
            self._watcher.refused(error.message, error.reason)
            # A worker that was accepted before finds its place taken, for a while, by its own dead connection.
            if self._registered and error.reason == "space_occupied":
                raise ConnectionFailed(error.message) from error
            raise
        self._registered = True
        self._heartbeat_s = float(response.get("heartbeat_seconds") or self._heartbeat_s)
        self._max_payload_bytes = int(response.get("max_payload_bytes") or self._max_payload_bytes)
        self._settle_leases(set(response.get("keep") or ()))
        self._watcher.registered(response)
        for message in self._outbox.due(everything=True):
            self._send_result(message)

    def _registration(self) -> dict[str, Any]:
        return {
            "space_name": self._space,
            "token": self._token,
            "protocol": limits.PROTOCOL,
            "worker_id": self._worker_id,
            "boot_id": self._boot_id,
            "capacity": self._capacity,
            "in_flight": self._leases(),
            "sdk": SDK,
        }

    def _leases(self) -> list[dict[str, Any]]:
        """Every attempt this worker holds: waiting, running, or done and not acknowledged."""
        held = [{"request_id": j.id, "lease_id": j.lease_id, "started": j.started} for j in self._runner.jobs()]
        done = [
            {"request_id": key, "lease_id": lease_id, "started": True}
            for key, lease_id in self._outbox.leases().items()
        ]
        return [*held, *done]

    def _settle_leases(self, keep: set[str]) -> None:
        """After a return: what the site gave to somebody else meanwhile is not run any further."""
        for job in self._runner.jobs():
            if job.id not in keep and self._runner.cancel(job.id) is not None:
                self._watcher.cancelled(job, "the lease was lost")

    def _wait_to_retry(self, error: ConnectionFailed, delay_s: float) -> None:
        if not self._retry:
            raise error
        self._watcher.connection_failed(error.message, delay_s)
        self._stopping.wait(delay_s)

    # -- what the site says: take note and return -------------------------------------------------------------------

    def _on_event(self, name: str, data: Mapping[str, Any]) -> None:
        if name == events.REQUEST and data.get("request_id"):
            job = Job(data, self._on_progress)
            if not self._stopping.is_set() and self._runner.put(job):
                self._watcher.received(job, self._runner.waiting())
        elif name == events.CANCEL:
            job_or_none = self._runner.cancel(str(data.get("request_id")), str(data.get("lease_id") or ""))
            if job_or_none is not None:
                self._watcher.cancelled(job_or_none, str(data.get("reason") or ""))
        elif name == events.SITE_DRAINING:
            self._watcher.site_draining(str(data.get("reason") or ""))

    # -- what the handler does --------------------------------------------------------------------------------------

    def _on_start(self, job: Job) -> None:
        self._reports.begin(job)
        self._watcher.started(job)

    def _on_progress(self, job: Job, percent: float, message: str) -> None:
        self._watcher.progressed(job, percent, message)
        self._reports.put(job, percent, message)

    def _on_chunk(self, job: Job, number: int, text: str) -> None:
        message = {"request_id": job.id, "lease_id": job.lease_id, "seq": number, "text": text}
        self._connection.emit(events.CHUNK, message)

    def _on_done(self, job: Job, outcome: Outcome) -> None:
        self._reports.end(job)
        message = {
            "request_id": job.id,
            "lease_id": job.lease_id,
            "status": outcome.status,
            "result": outcome.result,
            "run_s": outcome.run_s,
        }
        self._outbox.put(message)
        self._send_result(message)
        self._watcher.finished(job, outcome.status, outcome.run_s, self._runner.waiting())

    def _send_progress(self, job: Job, seq: int, percent: float, message: str) -> None:
        report = {"request_id": job.id, "lease_id": job.lease_id, "seq": seq, "percent": percent, "message": message}
        self._connection.emit(events.PROGRESS, report)

    def _send_result(self, message: Mapping[str, Any]) -> None:
        self._connection.emit(events.RESULT, message, self._on_acknowledged(message))

    def _on_acknowledged(self, message: Mapping[str, Any]) -> Callable[[Any], None]:
        request_id = str(message["request_id"])

        def acknowledged(answer: Any = None) -> None:
            answer = answer if isinstance(answer, dict) else {}
            code = str(answer.get("code") or "")
            if answer.get("ok"):
                if self._outbox.settle(request_id):
                    self._watcher.recorded(request_id)
            elif code in FINAL:
                if self._outbox.settle(request_id):
                    self._watcher.rejected(request_id, code, str(answer.get("message") or ""))
            elif code in UNUSABLE and self._outbox.settle(request_id):
                self._watcher.rejected(request_id, code, str(answer.get("message") or ""))
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
        beat_at = time.monotonic() + self._heartbeat_s
        while not self._stopping.wait(TICK_S):
            self._reports.flush()
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + self._heartbeat_s
                self._beat()

    def _beat(self) -> None:
        if not self._connection.is_open:
            return
        for message in self._outbox.due():
            self._send_result(message)
        self._connection.emit(events.HEARTBEAT, {"in_flight": self._leases()}, self._on_heartbeat)

    def _on_heartbeat(self, answer: Any = None) -> None:
        for request_id in answer.get("stop") or () if isinstance(answer, dict) else ():
            job = self._runner.cancel(str(request_id))
            if job is not None:
                self._watcher.cancelled(job, "the lease was lost")

    def _drain(self) -> None:
        self._connection.emit(events.DRAIN, {})
        self._runner.drop_waiting()
        self._runner.stop()
        while not self._runner.join(TICK_S) and not self._stopping.is_set():
            pass
        deadline = time.monotonic() + LAST_WORDS_S
        while len(self._outbox) and time.monotonic() < deadline and not self._stopping.wait(TICK_S):
            pass
        self._stopping.set()

    def _take_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return

        def on_interrupt(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        def on_terminate(_number: int, _frame: FrameType | None) -> None:
            self.stop(finish=True)

        signal.signal(signal.SIGINT, on_interrupt)
        signal.signal(signal.SIGTERM, on_terminate)
