"""The store in SQL: SQLite by default, PostgreSQL beyond one machine."""

from __future__ import annotations

import sqlalchemy as sa

from project.errors import StorageUnavailable
from project.runtime import Runtime
from project.storage.port import Store
from project.storage.sql.accounts import SqlAccounts
from project.storage.sql.batches import SqlBatches
from project.storage.sql.calls import SqlCalls
from project.storage.sql.credentials import SqlFactors, SqlKeys
from project.storage.sql.engine import make_engine
from project.storage.sql.inbox import SqlInbox
from project.storage.sql.lane import Lane
from project.storage.sql.migrate import migrate
from project.storage.sql.presence import SqlPresence
from project.storage.sql.requests import SqlRequests
from project.storage.sql.runs import SqlRuns
from project.storage.sql.spaces import SqlSpaces
from project.storage.sql.watchfulness import SqlAudit, SqlThrottles


def open_store(url: str, runtime: Runtime) -> Store:
    """Bring the database at ``url`` to the newest schema and open it.

    One lane is for writing, one for reading, and one for the console's statistics, which look back over days: nobody
    who asks after a request waits for those.

    Raises StorageUnavailable if it cannot be opened.
    """
    migrate(url)
    writer = Lane(runtime, make_engine(url, writes=True))
    reader = Lane(runtime, make_engine(url, writes=False), writes=False)
    statistics = Lane(runtime, make_engine(url, writes=False), writes=False)

    def close() -> None:
        for lane in (writer, reader, statistics):
            lane.close()

    return Store(
        requests=SqlRequests(writer, reader),
        spaces=SqlSpaces(writer, reader),
        accounts=SqlAccounts(writer, reader),
        keys=SqlKeys(writer, reader),
        factors=SqlFactors(writer, reader),
        throttles=SqlThrottles(writer),
        audit=SqlAudit(writer, reader),
        presence=SqlPresence(writer, reader),
        calls=SqlCalls(writer, statistics),
        inbox=SqlInbox(writer, reader),
        runs=SqlRuns(writer, reader),
        batches=SqlBatches(writer, reader),
        close=close,
    )


def database_time(url: str) -> float:
    """Seconds since the epoch by the clock of the database at ``url``, which is no SQLite.

    Raises StorageUnavailable if it cannot be opened.
    """
    engine = make_engine(url, writes=False)
    try:
        with engine.connect() as connection:
            return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())
    except sa.exc.DBAPIError as error:
        raise StorageUnavailable(f"cannot open the database: {error.orig}") from error
    finally:
        engine.dispose()


def is_sql_url(url: str) -> bool:
    """Whether ``url`` names a database this adapter can open."""
    try:
        sa.make_url(url).get_dialect()
    except sa.exc.ArgumentError:
        return False
    return True
