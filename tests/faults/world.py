"""A site, workers that write down what they do, clients that remember what they were told; and the check at the end."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.conftest import LiveSite, Process, eventually
from tests.faults.checker import Cancelled, Sent, Told, executions, read, violations

SPACE = "Faults"
DRAINED_S = 60.0


@dataclass
class World:
    """Everything that takes part in one test of faults, on one space."""

    site: LiveSite
    folder: Path
    space_id: str = ""
    workers: list[Process] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    cancelled: list[Cancelled] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def begin(self, **settings: str) -> None:
        """Start the site and make the space."""
        self.site.start()
        self.space_id = self.site.make_space(SPACE, ws_max_queue="100000", ws_enable_file_upload="on", **settings)

    @property
    def log(self) -> Path:
        """Where the workers write down what they begin."""
        return self.folder / "worker.log"

    def worker(self, *, host: str = "", name: str = "w", seconds: float = 0.0, crash_on: str = "") -> Process:
        """Start a worker, through ``host`` if given."""
        command = ["-m", "tests.faults.worker", host or self.site.host, SPACE, str(self.log), name, str(seconds)]
        self.workers.append(Process(*command, *([crash_on] if crash_on else [])))
        return self.workers[-1]

    def let_go(self) -> None:
        """Let workers finish requests with "held" in their prompt."""
        self.log.with_suffix(".go").touch()

    def connected(self) -> None:
        """Return when a worker serves the space."""
        eventually(lambda: self.site.connected(self.space_id), what="a worker is there")

    def submit(self, session: requests.Session, prompt: str = "", **more: Any) -> Sent:
        """Send a prompt, and remember what became of it."""
        prompt = f"{prompt or 'prompt'} {next(self._numbers)}"
        address = f"{self.site.host}/websockets/submit/{self.space_id}"
        try:
            answer = session.post(address, data={"prompt": prompt, **more}, timeout=60)
        except requests.RequestException:
            return self._note(Sent(prompt, "unknown"))
        if answer.status_code == 200:
            return self._note(Sent(prompt, "ok", answer.json()["request_id"]))
        # Without a worker, too many, draining: said no. Anything else would leave the client in doubt.
        return self._note(Sent(prompt, "fail" if answer.status_code in (429, 503) else "unknown"))

    def cancel(self, session: requests.Session, request_id: str) -> str:
        """Cancel a request; the status it has then."""
        answer = session.post(f"{self.site.host}/websockets/cancel/{request_id}", timeout=60).json()
        if answer["status"] == "cancelled":
            self.cancelled.append(Cancelled(request_id, time.time()))
        return str(answer["status"])

    def drain(self, session: requests.Session, within_s: float = DRAINED_S) -> None:
        """Return when everything accepted is over."""
        for sent in self.sent:
            if sent.outcome == "ok":
                eventually(
                    lambda sent=sent: (
                        self.site.status(session, sent.request_id, wait=5)["status"]  # type: ignore[misc]
                        in ("completed", "failed", "cancelled")
                    ),
                    within_s=within_s,
                    what=f"{sent} is over",
                )
        eventually(lambda: self.queue_size() == 0, within_s=within_s, what="the queue is empty")

    def queue_size(self) -> int:
        """How many requests are open."""
        answer = requests.get(f"{self.site.host}/websockets/space/{self.space_id}/status", timeout=60)
        return int(answer.json()["queue_size"])

    def check(self, url: str = "") -> None:
        """Stop the site and compare what everybody knows. Raises AssertionError naming the broken promises.

        ``url`` is that of the site's PostgreSQL, if it has one.
        """
        self.site.stop()
        found = violations(self.told(), read(self.site.data_dir, url))
        assert not found, "\n".join(found)

    def told(self) -> Told:
        """What clients and workers know."""
        lines = self.log.read_text().splitlines(keepends=True) if self.log.exists() else []
        return Told(tuple(self.sent), executions(lines), tuple(self.cancelled))

    def end(self) -> None:
        """End what still runs, frozen or not."""
        for worker in self.workers:
            if worker.exit_code is None:
                worker.signal(signal.SIGCONT)
            worker.end()

    def _note(self, sent: Sent) -> Sent:
        self.sent.append(sent)
        return sent


class Crowd:
    """Clients that submit without pause until told to stop."""

    def __init__(self, world: World, sessions: list[requests.Session]):
        self._world = world
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._submit, args=(each,), daemon=True) for each in sessions]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, when each has its answer or knows that none comes."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)

    def _submit(self, session: requests.Session) -> None:
        while not self._stopped.is_set():
            if self._world.submit(session).outcome != "ok":
                self._stopped.wait(0.02)
