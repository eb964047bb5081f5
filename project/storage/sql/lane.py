"""A lane to the database: one native thread with one connection, where waiting work shares a transaction.

An fsync costs the same for one request as for a hundred, so the writer's lane takes all the work that is waiting,
applies it in one transaction, commits, and only then tells those who wait. The event loop never waits for the disk,
and no transaction ever yields to it.

Work of one kind is applied together (``Work.apply`` gets all its arguments), so that a hundred submissions are
a handful of statements. Within a batch kinds go in the order of their ``rank``.
"""

from __future__ import annotations

import _queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from project.errors import DiskFull, SpacesError, StorageUnavailable
from project.runtime import Completion, Runtime

MOST_IN_A_BATCH = 500
T = TypeVar("T")
Outcome = tuple[Any, BaseException | None]


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work: ``apply(connection, arguments)`` answers one value or exception per argument, in their order.

    An exception that is returned goes to its caller alone; one that is raised undoes the whole kind's work.
    """

    apply: Callable[[sa.Connection, Sequence[Any]], Sequence[Any]]
    rank: int = 50


def _call_each(connection: sa.Connection, calls: Sequence[Callable[[sa.Connection], Any]]) -> list[Any]:
    return [call(connection) for call in calls]


CALL = Work(_call_each)


class Lane:
    """A thread with a connection. ``run`` from any task of the loop; see the module's text."""

    def __init__(self, runtime: Runtime, engine: sa.Engine):
        self._runtime = runtime
        self._engine = engine
        self._jobs: _queue.SimpleQueue[tuple[Work, Any, Completion[Any]] | None] = _queue.SimpleQueue()
        self._stopped: Completion[None] = Completion()
        runtime.start_native(self._serve)

    def put(self, work: Work, argument: object) -> Completion[Any]:
        """Queue work and go on; the completion is settled after the commit."""
        completion: Completion[Any] = Completion()
        self._jobs.put((work, argument, completion))
        return completion

    def run(self, work: Work, argument: object) -> Any:
        """Queue work and wait until it is committed. Raises its error, StorageUnavailable or DiskFull."""
        return self.put(work, argument).wait()

    def call(self, function: Callable[[sa.Connection], T]) -> T:
        """Run ``function(connection)`` in a transaction and wait until it is committed."""
        value: T = self.run(CALL, function)
        return value

    def close(self) -> None:
        """Finish what is queued and close the connection."""
        self._jobs.put(None)
        self._stopped.wait()

    # -- on the native thread: nothing below may touch what the loop owns ------------------------------------------

    def _serve(self) -> None:
        connection: sa.Connection | None = None
        running = True
        while running:
            batch, running = self._take()
            outcomes, connection = self._settle(connection, batch)
            self._runtime.post(lambda batch=batch, outcomes=outcomes: _deliver(batch, outcomes))  # type: ignore[misc]
        if connection is not None:
            connection.close()
        self._engine.dispose()
        self._runtime.post(lambda: self._stopped.deliver(None))

    def _take(self) -> tuple[list[tuple[Work, Any, Completion[Any]]], bool]:
        job = self._jobs.get()
        batch: list[tuple[Work, Any, Completion[Any]]] = []
        while job is not None:
            batch.append(job)
            if len(batch) == MOST_IN_A_BATCH:
                break
            try:
                job = self._jobs.get_nowait()
            except _queue.Empty:
                break
        return batch, job is not None

    def _settle(
        self, connection: sa.Connection | None, batch: list[tuple[Work, Any, Completion[Any]]]
    ) -> tuple[list[Outcome], sa.Connection | None]:
        try:
            if connection is None:
                connection = self._engine.connect()
            with connection.begin():
                return _apply(connection, batch), connection
        except Exception as error:
            # Nothing of the batch is committed. A connection in an unknown state is not used again.
            if connection is not None:
                connection.invalidate()
                connection.close()
            failure = translated(error)
            return [(None, failure)] * len(batch), None


def _apply(connection: sa.Connection, batch: list[tuple[Work, Any, Completion[Any]]]) -> list[Outcome]:
    outcomes: list[Outcome] = [(None, None)] * len(batch)
    kinds: dict[int, list[int]] = {}
    for index, (work, _, _) in enumerate(batch):
        kinds.setdefault(id(work), []).append(index)
    for indexes in sorted(kinds.values(), key=lambda indexes: batch[indexes[0]][0].rank):
        work = batch[indexes[0]][0]
        for index, outcome in zip(indexes, _apply_kind(connection, work, [batch[i][1] for i in indexes]), strict=True):
            outcomes[index] = outcome
    return outcomes


def _apply_kind(connection: sa.Connection, work: Work, arguments: list[Any]) -> list[Outcome]:
    """Apply one kind under a savepoint; if it fails, each alone, so that only the culprit pays."""
    try:
        with connection.begin_nested():
            return [_outcome(value) for value in work.apply(connection, arguments)]
    except SpacesError as error:
        if len(arguments) == 1:
            return [(None, error)]
    except DBAPIError as error:
        if len(arguments) == 1 or isinstance(translated(error), (StorageUnavailable, DiskFull)):
            raise
    except Exception as error:
        if len(arguments) == 1:
            return [(None, error)]
    return [_apply_kind(connection, work, [argument])[0] for argument in arguments]


def _outcome(value: Any) -> Outcome:
    return (None, value) if isinstance(value, BaseException) else (value, None)


def _deliver(batch: list[tuple[Work, Any, Completion[Any]]], outcomes: list[Outcome]) -> None:
    for (_, _, completion), (value, error) in zip(batch, outcomes, strict=True):
        completion.deliver(value, error)


def translated(error: Exception) -> Exception:
    """A database's own error in the site's words; anything else as it is."""
    text = str(error).lower()
    if isinstance(error, DBAPIError):
        if "disk is full" in text or "disk i/o error" in text or "no space left" in text:
            return DiskFull(retry_after_s=10.0)
        if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)) or error.connection_invalidated:
            return StorageUnavailable(retry_after_s=1.0)
    return error
