"""The load tester: one run at a time against this site's own methods and spaces, its history and its schedules."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer

from project.clock import Clock
from project.core.model import User
from project.core.runs import (
    LoadRun,
    LoadSchedule,
    LoadTarget,
    Step,
    is_saturated,
    planned_steps,
    regressions,
    whole,
)
from project.errors import BadSignature, FieldInvalid, LoadRunning, RunNotFound, SpacesError
from project.rpc.inbox import Inbox
from project.rpc.methods import find
from project.rpc.process import LoadProcess
from project.runtime import Runtime
from project.storage.port import AccountStore, RunStore

log = logging.getLogger(__name__)
KEY_HEADER: Final = "X-Load-Run"
CALL_PATH: Final = "/cfg/ipc/test/load/call"
STOP_S: Final = 5.0
FRESH_S: Final = 1.0
AT_ONCE: Final = 4
"""Calls of a run that are worked on at once. The rest wait at the door, where they cost nobody else a turn."""
LEAST_EVERY_S: Final = 60.0
MOST_EVERY_S: Final = 30 * 86400.0
MOST_SCHEDULES: Final = 50
_KEY_S: Final = 86400
_KEEP_FOLDERS: Final = 20


class LoadTests:
    """The use cases of the load tester. ``address`` is how this machine reaches the site.

    ``scheduled`` is told of every run that a schedule has begun.
    """

    def __init__(
        self,
        store: RunStore,
        accounts: AccountStore,
        inbox: Inbox,
        runtime: Runtime,
        clock: Clock,
        *,
        folder: Path,
        address: str,
        keys: tuple[str, ...],
        scheduled: Callable[[LoadRun, LoadSchedule], None] = lambda run, schedule: None,
    ):
        self._store = store
        self._accounts = accounts
        self._inbox = inbox
        self._runtime = runtime
        self._clock = clock
        self._folder = folder
        self._address = address
        self._scheduled = scheduled
        self._signer = URLSafeTimedSerializer(list(reversed(keys)), salt="load-run")
        self._lock = threading.Lock()
        self._door = threading.Semaphore(AT_ONCE)
        self._known: tuple[LoadRun, User, float] | None = None

    def start(self, target: LoadTarget, user_id: str, schedule_id: str | None = None) -> LoadRun:
        """Begin a run in the name of an administrator. Raises LoadRunning while one runs."""
        with self._lock:
            run = LoadRun(secrets.token_hex(4), target, "running", user_id, self._clock(), schedule_id=schedule_id)
            self._store.begin(run)
            return self._begin_step(run)

    def _begin_step(self, run: LoadRun) -> LoadRun:
        """Begin the next step. A run whose generator cannot be started is over. Raises SpacesError."""
        try:
            return self._started(run)
        except OSError as error:
            text = f"The load generator could not be started: {error}"
            self._end(run, "failed", error=text, code="generator_not_started")
            raise SpacesError(text) from error

    def _started(self, run: LoadRun) -> LoadRun:
        step = planned_steps(run.target)[len(run.steps)]
        header = f"{KEY_HEADER}: {self._signer.dumps(run.id)}"
        process, url = self._process(run, len(run.steps)), self._address + CALL_PATH
        # A call may take its own time limit, and its turn in the queue at the door. The process is begun on the loop
        # itself: under gevent no other thread can have children.
        pid = process.start(url, header, step, run.target.timeout_s * 2 + 30)
        begun = replace(run, pid=pid, steps=(*run.steps, step))
        self._store.change(begun)
        return begun

    def _process(self, run: LoadRun, index: int) -> LoadProcess:
        return LoadProcess(self._folder / run.id / str(index))

    def running(self) -> LoadRun | None:
        """The run that is under way, as far as it is."""
        run = self._store.running()
        return self._measured(run) if run is not None else None

    def _measured(self, run: LoadRun) -> LoadRun:
        if not run.steps:
            return run
        process = self._process(run, len(run.steps) - 1)
        return replace(run, steps=(*run.steps[:-1], process.measured(run.steps[-1]))) if process.is_here else run

    def admitted(self, key: str) -> tuple[LoadRun, User]:
        """The run whose key a call bears, and who began it. Raises BadSignature unless that run is under way."""
        try:
            run_id = self._signer.loads(key, max_age=_KEY_S)
        except BadData:
            raise BadSignature from None
        known = self._known
        if known is None or known[2] <= self._clock() or known[0].id != run_id:
            run = self._store.running()
            user = self._accounts.user(run.started_by) if run is not None else None
            if run is None or run.id != run_id or user is None or user.disabled or not user.is_admin:
                raise BadSignature
            known = self._known = (run, user, self._clock() + FRESH_S)
        return known[0], known[1]

    @contextmanager
    def turn(self, method: str) -> Iterator[None]:
        """A turn at the door, for calls that are work for the site itself: the others only wait for somebody else."""
        if find(method).waits:
            yield
            return
        with self._door:
            yield

    def stop(self) -> LoadRun | None:
        """End the run under way, if there is one; as it was when it ended."""
        with self._lock:
            run, self._known = self._store.running(), None
            if run is None:
                return None
            if run.steps and run.pid is not None:
                self._end_process(self._process(run, len(run.steps) - 1), run.pid)
            return self._end(self._measured(run), "stopped")

    def _end_process(self, process: LoadProcess, pid: int) -> None:
        process.end(pid)
        deadline = self._clock() + STOP_S
        while process.is_alive and self._clock() < deadline:
            self._runtime.sleep(0.05)
        process.end(pid, at_once=True)

    def settle(self) -> None:
        """See how far the run under way is, and end it, or begin its next step, when its process is over."""
        with self._lock:
            run = self._store.running()
            if run is None or not run.steps:
                return
            process = self._process(run, len(run.steps) - 1)
            if not process.is_here:
                return  # another machine's
            over = not process.is_alive
            run = self._measured(run)
            if not over:
                self._store.change(run)
            elif process.outcome != "finished":
                said = process.outcome or process.last_words() or "it ended without a word"
                self._end(run, "failed", error=f"the load generator ended early: {said}", code="generator_ended")
            elif len(run.steps) < len(planned_steps(run.target)) and not is_saturated(run.steps):
                self._begin_step(run)
            else:
                self._end(run, "finished")

    def _end(self, run: LoadRun, state: Any, *, error: str | None = None, code: str | None = None) -> LoadRun:
        ended = replace(run, state=state, finished_at=self._clock(), pid=None, error=error, code=code)
        baseline = self._store.baseline(run.target.key)
        if state == "finished" and baseline is not None and baseline.id != run.id:
            alerts = regressions(whole(baseline), whole(ended))
            ended = replace(ended, alerts=alerts, compared_to=baseline.id)
        self._store.change(ended)
        self._known = None  # its key is good for nothing from now on
        if ended.alerts:
            text = f"{run.target.method}: {', '.join(ended.alerts)} worse than run {ended.compared_to}"
            self._inbox.tell_admins(f"Load run {run.id} is worse than its baseline", text, {"run_id": run.id})
        return ended

    def get(self, run_id: str) -> LoadRun:
        """One run, as far as it is. Raises RunNotFound."""
        run = self._store.get(run_id)
        if run is None:
            raise RunNotFound
        return self._measured(run) if run.state == "running" else run

    def list(self) -> tuple[LoadRun, ...]:
        """Runs, newest first."""
        return self._store.list()

    def compare(self, first: str, second: str) -> tuple[LoadRun, LoadRun, tuple[str, ...]]:
        """Two runs, and in what the second is worse. Raises RunNotFound."""
        before, after = self.get(first), self.get(second)
        return before, after, regressions(whole(before), whole(after))

    def set_baseline(self, run_id: str, chosen: bool) -> None:
        """Choose the run that others of its target are measured against. Raises RunNotFound."""
        if not self._store.set_baseline(run_id, chosen):
            raise RunNotFound

    def remove(self, run_id: str) -> None:
        """Forget a run and its files. Raises RunNotFound, LoadRunning."""
        if self.get(run_id).state == "running":
            raise LoadRunning
        self._store.remove(run_id)
        self._runtime.run_blocking(shutil.rmtree, self._folder / run_id, True)

    def add_schedule(self, name: str, target: LoadTarget, every_s: float, user: User) -> LoadSchedule:
        """Let a run begin by itself from now on. Raises FieldInvalid."""
        if not LEAST_EVERY_S <= every_s <= MOST_EVERY_S:
            raise FieldInvalid(f"every_s must be from {LEAST_EVERY_S:g} to {MOST_EVERY_S:g}", field="every_s")
        if len(self._store.schedules()) >= MOST_SCHEDULES:
            raise FieldInvalid(f"There are {MOST_SCHEDULES} schedules already", field="name")
        next_at = self._clock() + every_s
        schedule = LoadSchedule(secrets.token_hex(4), name, target, every_s, next_at, user.id)
        self._store.add_schedule(schedule)
        return schedule

    def schedules(self) -> tuple[LoadSchedule, ...]:
        """Every schedule, the next one first."""
        return self._store.schedules()

    def remove_schedule(self, schedule_id: str) -> None:
        """End a schedule. Raises RunNotFound."""
        if not self._store.remove_schedule(schedule_id):
            raise RunNotFound("There is no such schedule")

    def start_due(self) -> None:
        """Begin what is due. While another run is under way a turn is left out, and says so."""
        due = self._store.claim_due(now=self._clock())
        if due is None:
            return
        try:
            run = self.start(due.target, due.created_by, due.id)
        except SpacesError as error:
            self._store.note_schedule(due.id, run_id=None, error=error.message, code=error.code)
            return
        self._store.note_schedule(due.id, run_id=run.id, error=None)
        self._scheduled(run, due)

    def tidy(self) -> None:
        """Remove the files of runs long over; their records stay."""
        kept = {run.id for run in self._store.list(limit=_KEEP_FOLDERS)}
        self._runtime.run_blocking(_remove_others, self._folder, kept)


def _remove_others(folder: Path, kept: set[str]) -> None:
    for path in folder.glob("*/"):
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def step_report(step: Step) -> Mapping[str, Any]:
    """A step's numbers, rounded for people."""
    return {
        "concurrency": step.concurrency,
        "total": step.total,
        "done": step.done,
        "success": step.success,
        "failed": step.failed,
        "avg_ms": round(step.avg_ms, 2),
        "p50_ms": round(step.p50_ms, 2),
        "p95_ms": round(step.p95_ms, 2),
        "p99_ms": round(step.p99_ms, 2),
        "rps": round(step.rps, 2),
        "elapsed_s": round(step.elapsed_s, 2),
        "errors": dict(step.errors),
    }
