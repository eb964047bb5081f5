"""The mock's log: the lines of the testing guide."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from project.worker.events import WorkerEvents
from project.worker.job import Job

RULE = "=" * 70


class Journal(WorkerEvents):
    """Prints what happens, and counts it for the statistics at the end."""

    def __init__(self, host: str, space: str, *, verbose: bool):
        self._host = host
        self._space = space
        self._verbose = verbose
        self._began = time.monotonic()
        self._received = 0
        self._ended = {"completed": 0, "failed": 0}
        self._run_s = 0.0
        self._restored: set[str] = set()
        self._waiting: set[str] = set()

    def banner(self) -> None:
        """Say who serves what."""
        print(RULE, "  Mock WebSocket Inference App", RULE, sep="\n")
        print(f"  Host: {self._host}\n  Space: {self._space}\n  Verbose: {self._verbose}\n{RULE}\n", flush=True)
        self._line("INFO", f"Initializing connection to {self._host}")
        self._line("INFO", f"Space name: {self._space}")

    def statistics(self) -> None:
        """Say what was done."""
        done = sum(self._ended.values())
        mean_s = self._run_s / done if done else 0.0
        print(f"\n{RULE}\n  Statistics\n{RULE}")
        print(f"  Requests received: {self._received}")
        print(f"  Completed: {self._ended['completed']}\n  Failed: {self._ended['failed']}")
        print(f"  Processing time: {self._run_s:.2f} s in all, {mean_s:.2f} s on average")
        print(f"  Uptime: {time.monotonic() - self._began:.1f} s\n{RULE}", flush=True)

    def connecting(self, host: str, space: str) -> None:
        """See the base class."""
        self._line("INFO", f"Connecting to {host}...")

    def connected(self) -> None:
        """See the base class."""
        self._line("✓", "Socket.IO connection established")

    def registering(self, space: str) -> None:
        """See the base class."""
        self._line("INFO", f"Sent registration for space: {space}")

    def registered(self, response: Mapping[str, Any]) -> None:
        """See the base class."""
        self._line("✓", "Registration successful!")
        self._line("INFO", f"Connection ID: {response.get('connection_id')}")
        self._line("INFO", f"Space ID: {response.get('space_id')}")
        self._line("INFO", f'Successfully connected to space "{self._space}"')
        self._line("INFO", "Request processor started")

    def connection_failed(self, reason: str, retry_s: float) -> None:
        """See the base class."""
        self._line("ERROR", f"ERROR Connection failed: {reason}")
        self._line("INFO", f"Trying again in {retry_s:.1f} s")

    def refused(self, message: str, code: str) -> None:
        """See the base class."""
        self._line("ERROR", f"Registration failed: {message}")

    def disconnected(self) -> None:
        """See the base class."""
        self._line("INFO", "Disconnected from the site; reconnecting")

    def site_draining(self, reason: str) -> None:
        """See the base class."""
        self._line("INFO", "The site is stopping; results are kept until it is back")

    def received(self, job: Job, queue_size: int) -> None:
        """See the base class."""
        self._received += 1
        details = self._verbosely(f"Request ID: {job.id}", f"User: {job.username}", f"Attempt: {job.attempt}")
        for file in job.files:
            details += [f"File: {file.name} ({file.field}, {file.content_type}, {file.size_bytes} bytes)"]
            details += [f"SHA-256: {file.sha256}"]
        if job.audio_url:
            details += [f"Audio URL: {job.audio_url}"]
        self._line("REQUEST", "New inference request received", *details, f"Queue size: {queue_size}")

    def started(self, job: Job) -> None:
        """See the base class."""
        self._line("INFO", "Processing...", *self._verbosely(f"Request ID: {job.id}"))

    def progressed(self, job: Job, percent: float, message: str) -> None:
        """See the base class."""
        self._write(f"  Progress: {percent:.0f}%")

    def finished(self, job: Job, status: str, run_s: float, queue_size: int) -> None:
        """See the base class."""
        self._done("Result sent...", job, status, run_s, queue_size)

    def kept(self, job: Job, status: str, run_s: float, queue_size: int) -> None:
        """See the base class."""
        self._waiting.add(job.id)
        self._done("Result kept; it is sent when the site is back", job, status, run_s, queue_size)

    def _done(self, text: str, job: Job, status: str, run_s: float, queue_size: int) -> None:
        self._ended[status] += 1
        self._run_s += run_s
        details = self._verbosely(f"Request ID: {job.id}", f"Status: {status}, {run_s:.2f} s")
        details += [f"Verified: {file.name} (SHA-256 matches)" for file in job.files if file.path is not None]
        self._line("RESULT", text, *details, f"Queue size: {queue_size}")

    def cancelled(self, job: Job, reason: str) -> None:
        """See the base class."""
        self._line("INFO", f"Request {job.id} cancelled: {reason}")

    def deaf(self, job: Job, waited_s: float) -> None:
        """See the base class."""
        self._line("ERROR", f"The handler still runs {waited_s:.0f} s after {job.id} was cancelled")

    def restored(self, request_ids: Sequence[str]) -> None:
        """See the base class."""
        self._restored.update(request_ids)
        self._line("INFO", f"Results of an earlier run to hand in: {len(request_ids)}")

    def recorded(self, request_id: str) -> None:
        """See the base class."""
        if request_id in self._restored:
            self._line("✓", f"Result of {request_id}, of an earlier run, is recorded")
        elif request_id in self._waiting:
            self._waiting.discard(request_id)
            self._line("✓", f"Result of {request_id}, which was kept, is recorded")

    def rejected(self, request_id: str, code: str, message: str) -> None:
        """See the base class."""
        self._line("ERROR", f"Result of {request_id} not taken ({code}): {message}")

    def fault(self, text: str) -> None:
        """A fault strikes, as it was asked to."""
        self._line("FAULT", text)

    def _line(self, kind: str, text: str, *details: str) -> None:
        self._write(f"[{datetime.now():%Y-%m-%d %H:%M:%S}] [{kind}] {text}", *(f"  {detail}" for detail in details))

    def _write(self, *lines: str) -> None:
        # One write for an entry and its details: requests come in on another thread than the one that runs them.
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    def _verbosely(self, *details: str) -> list[str]:
        return list(details) if self._verbose else []
