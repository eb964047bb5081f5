"""A lane to the database: one native thread with one connection, where waiting work shares a transaction.

An fsync costs the same for one request as for a hundred, so the writer's lane takes all the work that is waiting,
applies it in one transaction, commits, and only then tells those who wait. The event loop never waits for the disk,
and no transaction ever yields to it.

On PostgreSQL other nodes write at the same time, and the server may go away. What failed only because somebody came
between, or because the connection broke before the commit, is done again; of a commit that was not answered the server
is asked what became of it (``storage.sql.mishaps``).

Work of one kind is applied together (``Work.apply`` gets all its arguments), so that a hundred submissions are
a handful of statements. Within a batch kinds go in the order of their ``rank``.
"""

from __future__ import annotations

import _queue
import _thread
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from project.errors import DiskFull, OutcomeUnknown, StorageUnavailable
from project.runtime import Completion, Runtime
from project.storage.sql.mishaps import Receipts, came_between, is_lost, translated

MOST_IN_A_BATCH = 500
BUSY_FROM = 3
GATHER_S = 0.004
"""When work comes so fast that a batch had ``BUSY_FROM`` pieces, the next one waits this long for company: what
a transaction costs by itself is several times what one more piece in it costs."""
MOST_TRIES = 5
FIRST_PAUSE_S = 0.1
"""Before a batch is tried again on a new connection; twice as long each time."""
T = TypeVar("T")
Outcome = tuple[Any, BaseException | None]


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work: ``apply(connection, arguments)`` answers one value or exception per argument, in their order.

    An exception that is returned goes to its caller alone. One that is raised undoes the whole transaction, which is
    then done again without the culprit; so ``apply`` may be called more than once, and changes only the database.
    """

    apply: Callable[[sa.Connection, Sequence[Any]], Sequence[Any]]
    rank: int = 50


def _call_each(connection: sa.Connection, calls: Sequence[Callable[[sa.Connection], Any]]) -> list[Any]:
    return [call(connection) for call in calls]


CALL = Work(_call_each)
Job = tuple[Work, Any, Completion[Any]]


class Lane:
    """A thread with a connection. ``run`` from any task of the loop; see the module's text."""

    def __init__(self, runtime: Runtime, engine: sa.Engine, *, writes: bool = True):
        self._runtime = runtime
        self._engine = engine
        self._receipts = Receipts() if writes else None
        # Never released: to wait for it is a pause that no async mode has patched.
        self._never = _thread.allocate_lock()
        self._never.acquire()
        self._jobs: _queue.SimpleQueue[Job | None] = _queue.SimpleQueue()
        self._stopped: Completion[None] = Completion(runtime.event)
        runtime.start_native(self._serve)

    def put(self, work: Work, argument: object) -> Completion[Any]:
        """Queue work and go on; the completion is settled after the commit."""
        completion: Completion[Any] = Completion(self._runtime.event)
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
        running, busy = True, False
        while running:
            if busy:
                self._pause(GATHER_S)
            batch, running = self._take()
            busy = len(batch) >= BUSY_FROM
            outcomes, connection = self._settle(connection, batch)
            self._runtime.post(lambda batch=batch, outcomes=outcomes: _deliver(batch, outcomes))  # type: ignore[misc]
        if connection is not None:
            connection.close()
        self._engine.dispose()
        self._runtime.post(lambda: self._stopped.deliver(None))

    def _take(self) -> tuple[list[Job], bool]:
        job = self._jobs.get()
        batch: list[Job] = []
        while job is not None:
            batch.append(job)
            if len(batch) == MOST_IN_A_BATCH:
                break
            try:
                job = self._jobs.get_nowait()
            except _queue.Empty:
                break
        return batch, job is not None

    def _settle(self, connection: sa.Connection | None, batch: list[Job]) -> tuple[list[Outcome], sa.Connection | None]:
        """Apply and commit a batch. Work that raises pays alone: the others go in without it, then it alone."""
        try:
            return self._committed(connection, batch)
        except _Culprits as found:
            connection = found.connection
            outcomes: list[Outcome] = [(None, found.error)] * len(batch)
            for group in _groups_without(range(len(batch)), found.indexes):
                settled, connection = self._settle(connection, [batch[index] for index in group])
                for index, outcome in zip(group, settled, strict=True):
                    outcomes[index] = outcome
            return outcomes, connection
        except Exception as error:
            failure = translated(error)
            return [(None, failure)] * len(batch), None

    def _committed(
        self, connection: sa.Connection | None, batch: list[Job]
    ) -> tuple[list[Outcome], sa.Connection | None]:
        """Apply and commit a batch, again if only a mishap kept it from that. Raises _Culprits, or the error."""
        for tries in range(1, MOST_TRIES + 1):
            number = None
            try:
                connection = connection or self._connected()
                with connection.begin():
                    outcomes = _apply(connection, batch)
                    number = self._receipts.write(connection) if self._receipts is not None else None
                return outcomes, connection
            except _Culprits as found:
                if tries == MOST_TRIES or not came_between(found.error):
                    found.connection = connection
                    raise
            except Exception as error:
                _drop(connection)
                connection = None
                lost = is_lost(error)
                if number is not None and lost and self._was_committed(number):
                    return outcomes, None
                if tries == MOST_TRIES or not (lost or came_between(error)):
                    raise
                if lost:
                    self._pause(FIRST_PAUSE_S * 2 ** (tries - 1))
        raise AssertionError("the last try returns or raises")

    def _connected(self) -> sa.Connection:
        connection = self._engine.connect()
        if self._receipts is not None:
            self._receipts.begin(connection)
        return connection

    def _was_committed(self, number: int) -> bool:
        committed = self._receipts.has(self._engine, number, self._pause) if self._receipts is not None else False
        if committed is None:
            raise OutcomeUnknown
        return committed

    def _pause(self, seconds: float) -> None:
        self._never.acquire(timeout=seconds)


def _drop(connection: sa.Connection | None) -> None:
    """Nothing is committed, and a connection in an unknown state is not used again."""
    if connection is not None:
        connection.invalidate()
        connection.close()


class _Culprits(Exception):
    """Work of one kind raised an error of its own; nothing is wrong with the database."""

    def __init__(self, indexes: list[int], error: Exception):
        super().__init__(str(error))
        self.indexes = indexes
        self.error = error
        self.connection: sa.Connection | None = None


def _groups_without(every: Sequence[int], culprits: Sequence[int]) -> list[list[int]]:
    """How to apply again what was undone: all but the culprits together, then each of those alone.

    A culprit that was alone has had its chance.
    """
    others = [index for index in every if index not in set(culprits)]
    alone = [[index] for index in culprits] if len(culprits) > 1 else []
    return ([others] if others else []) + alone


def _apply(connection: sa.Connection, batch: list[Job]) -> list[Outcome]:
    outcomes: list[Outcome] = [(None, None)] * len(batch)
    kinds: dict[int, list[int]] = {}
    for index, (work, _, _) in enumerate(batch):
        kinds.setdefault(id(work), []).append(index)
    for indexes in sorted(kinds.values(), key=lambda indexes: batch[indexes[0]][0].rank):
        work = batch[indexes[0]][0]
        try:
            values = work.apply(connection, [batch[index][1] for index in indexes])
        except Exception as error:
            if isinstance(translated(error), (StorageUnavailable, DiskFull)):
                raise
            raise _Culprits(indexes, error) from error
        for index, value in zip(indexes, values, strict=True):
            outcomes[index] = (None, value) if isinstance(value, BaseException) else (value, None)
    return outcomes


def _deliver(batch: list[Job], outcomes: list[Outcome]) -> None:
    for (_, _, completion), (value, error) in zip(batch, outcomes, strict=True):
        completion.deliver(value, error)
