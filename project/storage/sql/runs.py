"""Load runs, schedules and templates in SQL; records as JSON, with the columns that are searched by."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from project.core.runs import LoadRun, LoadSchedule, LoadTarget, Step, Template
from project.errors import LoadRunning
from project.storage.sql import console_schema
from project.storage.sql.lane import Lane

_R = console_schema.load_runs
_S = console_schema.load_schedules
_T = console_schema.rpc_templates


def _row(run: LoadRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "target": run.target.key,
        "state": run.state,
        "started_at": run.started_at,
        "baseline": run.baseline,
        "record": asdict(run),
    }


def _run(row: Any) -> LoadRun:
    record = row.record
    return LoadRun(
        **{
            **record,
            "target": LoadTarget(**record["target"]),
            "steps": tuple(Step(**step) for step in record["steps"]),
            "alerts": tuple(record["alerts"]),
            "baseline": row.baseline,
        }
    )


def _schedule(row: Any) -> LoadSchedule:
    return LoadSchedule(**{**row.record, "target": LoadTarget(**row.record["target"])})


class SqlRuns:
    """``RunStore`` over a writer's and a reader's lane."""

    def __init__(self, writer: Lane, reader: Lane):
        self._writer = writer
        self._reader = reader

    def begin(self, run: LoadRun) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            try:
                connection.execute(_R.insert(), _row(run))
            except sa.exc.IntegrityError:
                raise LoadRunning from None

        self._writer.call(apply)

    def change(self, run: LoadRun) -> None:
        """See the port."""
        values = _row(run)
        del values["baseline"]
        self._writer.call(lambda connection: connection.execute(_R.update().where(_R.c.id == run.id).values(**values)))

    def get(self, run_id: str) -> LoadRun | None:
        """See the port."""
        return self._one(_R.c.id == run_id)

    def running(self) -> LoadRun | None:
        """See the port."""
        return self._one(_R.c.state == "running")

    def baseline(self, key: str) -> LoadRun | None:
        """See the port."""
        return self._one(_R.c.target == key, _R.c.baseline.is_(True))

    def _one(self, *where: Any) -> LoadRun | None:
        query = sa.select(_R).where(*where).order_by(_R.c.started_at.desc()).limit(1)
        row = self._reader.call(lambda connection: connection.execute(query).one_or_none())
        return _run(row) if row is not None else None

    def list(self, *, limit: int = 100) -> tuple[LoadRun, ...]:
        """See the port."""
        query = sa.select(_R).order_by(_R.c.started_at.desc(), _R.c.id).limit(limit)
        return tuple(_run(row) for row in self._reader.call(lambda connection: connection.execute(query).all()))

    def remove(self, run_id: str) -> bool:
        """See the port."""
        return self._changes(_R.delete().where(_R.c.id == run_id, _R.c.state != "running"))

    def set_baseline(self, run_id: str, chosen: bool) -> bool:
        """See the port."""

        def apply(connection: sa.Connection) -> bool:
            key = connection.scalar(sa.select(_R.c.target).where(_R.c.id == run_id))
            if key is None:
                return False
            connection.execute(_R.update().where(_R.c.target == key).values(baseline=False))
            if chosen:
                connection.execute(_R.update().where(_R.c.id == run_id).values(baseline=True))
            return True

        return self._writer.call(apply)

    def add_schedule(self, schedule: LoadSchedule) -> None:
        """See the port."""
        values = {"id": schedule.id, "next_at": schedule.next_at, "record": asdict(schedule)}
        self._writer.call(lambda connection: connection.execute(_S.insert(), values))

    def schedules(self) -> tuple[LoadSchedule, ...]:
        """See the port."""
        query = sa.select(_S).order_by(_S.c.next_at, _S.c.id)
        return tuple(_schedule(row) for row in self._reader.call(lambda connection: connection.execute(query).all()))

    def claim_due(self, *, now: float) -> LoadSchedule | None:
        """See the port."""

        def apply(connection: sa.Connection) -> LoadSchedule | None:
            due = (
                sa.select(_S)
                .where(_S.c.next_at <= now)
                .order_by(_S.c.next_at)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            row = connection.execute(due).one_or_none()
            if row is None:
                return None
            moved = _schedule(row).moved_on(now)
            _keep(connection, moved)
            return moved

        return self._writer.call(apply)

    def note_schedule(
        self, schedule_id: str, *, run_id: str | None, error: str | None, code: str | None = None
    ) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            query = sa.select(_S).where(_S.c.id == schedule_id).with_for_update()
            row = connection.execute(query).one_or_none()
            if row is not None:
                before = _schedule(row)
                last = run_id or before.last_run_id
                _keep(connection, replace(before, last_run_id=last, last_error=error, last_code=code))

        self._writer.call(apply)

    def remove_schedule(self, schedule_id: str) -> bool:
        """See the port."""
        return self._changes(_S.delete().where(_S.c.id == schedule_id))

    def add_template(self, template: Template) -> None:
        """See the port."""

        def apply(connection: sa.Connection) -> None:
            same = (_T.c.method == template.method) & (_T.c.name == template.name)
            connection.execute(_T.delete().where(same))
            connection.execute(_T.insert(), asdict(template))

        self._writer.call(apply)

    def templates(self) -> tuple[Template, ...]:
        """See the port."""
        query = sa.select(_T).order_by(_T.c.method, _T.c.name)
        rows = self._reader.call(lambda connection: connection.execute(query).all())
        return tuple(Template(**row._mapping) for row in rows)

    def remove_template(self, template_id: str) -> bool:
        """See the port."""
        return self._changes(_T.delete().where(_T.c.id == template_id))

    def _changes(self, statement: Any) -> bool:
        return bool(self._writer.call(lambda connection: connection.execute(statement).rowcount))


def _keep(connection: sa.Connection, schedule: LoadSchedule) -> None:
    values = {"next_at": schedule.next_at, "record": asdict(schedule)}
    connection.execute(_S.update().where(_S.c.id == schedule.id).values(**values))
