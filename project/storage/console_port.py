"""What the console and the inbox ask of a store. As in ``storage.port``: durable on return, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from project.core.calls import Call, Minute, Reason, Relayed, Search, Statistics
from project.core.notices import Notice, NoticeCount
from project.core.runs import LoadRun, LoadSchedule, Template
from project.storage.pending import Pending


class CallStore(Protocol):
    """The log of calls, and what can be learnt from it and from the relay's requests."""

    def add(self, call: Call) -> None:
        """Keep a call; its ``seq`` is the store's."""

    def get(self, call_id: str) -> Call | None:
        """One call, or None."""

    def find(self, search: Search) -> tuple[Call, ...]:
        """Calls that match, newest first."""

    def statistics(self, *, since: float, until: float, tests: bool) -> tuple[Statistics, ...]:
        """By method, of the calls that began in ``[since, until)``; those of load runs only with ``tests``.

        What was called by a name that no method has is in no group.
        """

    def minutes(self, *, since: float, until: float) -> Mapping[int, Minute]:
        """What happened in each minute since the epoch; of minutes in which nothing did there is no entry."""

    def reasons(self, *, since: float, until: float) -> tuple[Reason, ...]:
        """Why calls that began and requests that ended in ``[since, until)`` failed, the most frequent first.

        Calls of load runs are left out. What failed without a code has its outcome for one.
        """

    def prune(self, *, before: float, most: int, most_tests: int) -> int:
        """Forget calls older than ``before``, of load runs the oldest beyond ``most_tests``, of all beyond ``most``."""

    def forget_tests(self, test_id: str = "") -> int:
        """Forget the calls of one load run, or of all; how many."""

    def relayed(self, search: Search) -> tuple[Relayed, ...]:
        """Requests of the relay that match, newest first; ``method`` is a space's id, ``test_id`` matches none."""

    def worker_statistics(self, *, since: float, until: float) -> tuple[Statistics, ...]:
        """By space (``name``) and worker (``part``), of the requests that ended in ``[since, until)``: time at work."""

    def space_statistics(self, *, since: float, until: float) -> tuple[Statistics, ...]:
        """By space, of the requests that ended in ``[since, until)``: from submission to end."""


class InboxStore(Protocol):
    """Notices to people, and revisions of spaces' files."""

    def add(self, notice: Notice) -> Notice:
        """Keep a notice; one of the same id stays as it was. With its ``seq``."""

    def add_later(self, notice: Notice) -> Pending[Notice]:
        """``add`` without waiting."""

    def list(self, user_id: str, *, joined_at: float, limit: int, before: int | None = None) -> tuple[Notice, ...]:
        """A person's notices and, since ``joined_at``, everybody's; newest first; ``before`` a ``seq``."""

    def newer(self, user_id: str, *, joined_at: float, after: int, limit: int) -> tuple[Notice, ...]:
        """The same with a ``seq`` over ``after``, oldest first."""

    def unread(self, user_id: str, *, joined_at: float) -> tuple[int, int]:
        """How many a person has not read, and the newest ``seq`` there is for them (0: none)."""

    def mark_read(self, user_id: str, *, joined_at: float, now: float, notice_id: str | None = None) -> None:
        """A person has read one notice (if it is theirs), or all."""

    def latest(self, *, limit: int) -> tuple[Notice, ...]:
        """The newest notices to anybody; ``read`` is whether anybody has."""

    def counts(self, *, since: float) -> tuple[NoticeCount, ...]:
        """By kind and type, most first."""

    def prune(self, *, before: float, most_per_user: int) -> int:
        """Forget notices older than ``before``, and the oldest beyond ``most_per_user`` of each address."""

    def touch_space(self, space_id: str, *, now: float) -> int:
        """The files of a space have changed; its new revision."""

    def space_revision(self, space_id: str) -> int:
        """How often the files of a space have changed."""


class RunStore(Protocol):
    """Load runs, schedules and templates."""

    def begin(self, run: LoadRun) -> None:
        """Keep a run that begins. Raises LoadRunning while another is running."""

    def change(self, run: LoadRun) -> None:
        """Replace a run's record."""

    def get(self, run_id: str) -> LoadRun | None:
        """One run, or None."""

    def running(self) -> LoadRun | None:
        """The run that is running, if any."""

    def list(self, *, limit: int = 100) -> tuple[LoadRun, ...]:
        """Runs, newest first."""

    def remove(self, run_id: str) -> bool:
        """Whether a run that is over was forgotten."""

    def baseline(self, key: str) -> LoadRun | None:
        """The run that others of the same target (``LoadTarget.key``) are measured against."""

    def set_baseline(self, run_id: str, chosen: bool) -> bool:
        """Choose a run as its target's only baseline, or no longer; whether there is such a run."""

    def add_schedule(self, schedule: LoadSchedule) -> None:
        """Keep a schedule."""

    def schedules(self) -> tuple[LoadSchedule, ...]:
        """Every schedule, the next one first."""

    def claim_due(self, *, now: float) -> LoadSchedule | None:
        """A schedule that is due, its ``next_at`` moved on beyond ``now``; given to one caller only."""

    def note_schedule(
        self, schedule_id: str, *, run_id: str | None, error: str | None, code: str | None = None
    ) -> None:
        """What became of a schedule's last turn."""

    def remove_schedule(self, schedule_id: str) -> bool:
        """Whether there was such a schedule."""

    def add_template(self, template: Template) -> None:
        """Keep a template; one of the same name and method is replaced."""

    def templates(self) -> tuple[Template, ...]:
        """Every template, by method and name."""

    def remove_template(self, template_id: str) -> bool:
        """Whether there was such a template."""
