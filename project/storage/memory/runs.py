"""Load runs, schedules and templates in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

from project.core.runs import LoadRun, LoadSchedule, Template
from project.errors import LoadRunning


class MemoryRuns:
    """``RunStore`` in memory."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._runs: dict[str, LoadRun] = {}
        self._schedules: dict[str, LoadSchedule] = {}
        self._templates: dict[tuple[str, str], Template] = {}

    def begin(self, run: LoadRun) -> None:
        """See the port."""
        with self._lock:
            if self.running() is not None:
                raise LoadRunning
            self._runs[run.id] = run

    def change(self, run: LoadRun) -> None:
        """See the port."""
        with self._lock:
            if run.id in self._runs:
                self._runs[run.id] = replace(run, baseline=self._runs[run.id].baseline)

    def get(self, run_id: str) -> LoadRun | None:
        """See the port."""
        return self._runs.get(run_id)

    def running(self) -> LoadRun | None:
        """See the port."""
        return next((run for run in self.list() if run.state == "running"), None)

    def list(self, *, limit: int = 100) -> tuple[LoadRun, ...]:
        """See the port."""
        with self._lock:
            return tuple(sorted(self._runs.values(), key=lambda run: (-run.started_at, run.id))[:limit])

    def remove(self, run_id: str) -> bool:
        """See the port."""
        with self._lock:
            run = self._runs.get(run_id)
            if run is None or run.state == "running":
                return False
            del self._runs[run_id]
            return True

    def baseline(self, key: str) -> LoadRun | None:
        """See the port."""
        return next((run for run in self.list() if run.baseline and run.target.key == key), None)

    def set_baseline(self, run_id: str, chosen: bool) -> bool:
        """See the port."""
        with self._lock:
            run = self._runs.get(run_id)
            if run is None:
                return False
            for other in self.list():
                if other.target.key == run.target.key:
                    self._runs[other.id] = replace(other, baseline=chosen and other.id == run_id)
            return True

    def add_schedule(self, schedule: LoadSchedule) -> None:
        """See the port."""
        with self._lock:
            self._schedules[schedule.id] = schedule

    def schedules(self) -> tuple[LoadSchedule, ...]:
        """See the port."""
        with self._lock:
            return tuple(sorted(self._schedules.values(), key=lambda schedule: (schedule.next_at, schedule.id)))

    def claim_due(self, *, now: float) -> LoadSchedule | None:
        """See the port."""
        with self._lock:
            due = next((schedule for schedule in self.schedules() if schedule.next_at <= now), None)
            if due is None:
                return None
            self._schedules[due.id] = due.moved_on(now)
            return self._schedules[due.id]

    def note_schedule(
        self, schedule_id: str, *, run_id: str | None, error: str | None, code: str | None = None
    ) -> None:
        """See the port."""
        with self._lock:
            before = self._schedules.get(schedule_id)
            if before is not None:
                self._schedules[schedule_id] = replace(
                    before, last_run_id=run_id or before.last_run_id, last_error=error, last_code=code
                )

    def remove_schedule(self, schedule_id: str) -> bool:
        """See the port."""
        with self._lock:
            return self._schedules.pop(schedule_id, None) is not None

    def add_template(self, template: Template) -> None:
        """See the port."""
        with self._lock:
            self._templates[template.method, template.name] = template

    def templates(self) -> tuple[Template, ...]:
        """See the port."""
        with self._lock:
            return tuple(self._templates[key] for key in sorted(self._templates))

    def remove_template(self, template_id: str) -> bool:
        """See the port."""
        with self._lock:
            key = next((key for key, template in self._templates.items() if template.id == template_id), None)
            return key is not None and self._templates.pop(key, None) is not None
