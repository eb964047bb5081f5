"""What has been finished costs nothing: no statement about requests reads all there ever were."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from project.core.commands import Renew, Report, Resume
from project.core.model import Space, SpaceSettings, StoredFile
from project.core.quotas import Quota
from project.runtime import make_runtime
from project.storage.port import Store
from project.storage.sql import open_store, prepared
from tests.storage.test_requests import NOW, claim, finish, submit

HISTORY = ("requests", "history", "files", "submission_keys")
# An index of what is open, or of what waits, has no more than that.
WHOLE = re.compile(rf"SCAN ({'|'.join(HISTORY)})\b(?!.* ix_requests_(open|open_user|waiting)$)")


class Plans:
    """How SQLite goes about each statement, as it is run."""

    def __init__(self) -> None:
        self.of: dict[str, list[str]] = {}

    def look(self, connection: Any, text: str, parameters: Any, many: bool) -> None:
        if text in self.of or not re.match(r"select|update|delete", text, re.IGNORECASE):
            return
        cursor = connection.connection.dbapi_connection.cursor()
        steps = cursor.execute(f"EXPLAIN QUERY PLAN {text}", parameters[0] if many else parameters).fetchall()
        self.of[text] = [str(step[3]) for step in steps]

    @property
    def whole(self) -> dict[str, list[str]]:
        """The statements that read a whole table, from their tables on."""
        return {text[text.find("FROM") :]: steps for text, steps in self.of.items() if any(map(WHOLE.search, steps))}


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plans]:
    """Looks at every statement, by whichever way it goes to the database."""
    made = Plans()
    execute = prepared._execute

    def looked_at(connection: Any, text: str, parameters: Any, *, many: bool = False) -> Any:
        made.look(connection, text, parameters, many)
        return execute(connection, text, parameters, many=many)

    def before(connection: Any, _cursor: Any, text: str, parameters: Any, _context: Any, many: bool) -> None:
        made.look(connection, text, parameters, many)

    monkeypatch.setattr(prepared, "_execute", looked_at)
    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    yield made
    sa.event.remove(sa.Engine, "before_cursor_execute", before)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite store with the space ``s``, made before anybody looks."""
    made = open_store(f"sqlite:///{tmp_path / 'store.db'}", make_runtime("threading"))
    yield made
    made.close()


def live(store: Store) -> None:
    """A life of a few requests that comes by all that is asked of a store while people wait."""
    store.spaces.add(Space("s", SpaceSettings(name="Space"), created_at=1.0))
    kept = store.requests
    file = StoredFile("f", "one", "files", "a.txt", "text/plain", 3, "0" * 64, NOW)
    quota = Quota(per_minute=100, open=50)
    submit(
        store, "one", order="fair", max_queue=50, max_queue_per_user=20, rate_limit_s=1.0, files=(file,), quota=quota
    )
    submit(store, "two", now=NOW + 5, key="k", fingerprint="p")
    submit(store, "three", now=NOW + 10)
    submit(store, "four", now=NOW + 10)
    first, second, third = claim(store, 3, now=NOW + 11)
    kept.report(Report("one", "s", first.lease_id or "", seq=1, now=NOW + 12, lease_s=15.0, percent=5))
    kept.renew(Renew("s", "c", {"one": first.lease_id or ""}, NOW + 13, 15.0, frozenset({"one"})))
    finish(store, first, now=NOW + 14)
    kept.release("c", keep_lease=True, now=NOW + 15)
    leases = {"two": second.lease_id or ""}
    kept.resume(Resume("s", "d", "w", leases, NOW + 16, 15.0))
    kept.expire(NOW + 20)
    kept.extend_leases(NOW + 40)
    assert kept.held(["d"])
    kept.cancel(third.id, now=NOW + 41, code="cancelled_by_user")
    assert kept.queue_size("s")
    assert kept.waiting_spaces()
    assert kept.positions(["four"])
    assert kept.get("one")
    assert kept.history("one")
    kept.recent_runs("s", limit=20)
    kept.retries(["one"])
    assert kept.keyed("u", "k", since=NOW)
    assert kept.list(user_id="u", space_id="s").items
    kept.purge("s", before=NOW + 14.5, limit=10)
    kept.forget(third.id)
    kept.purge_keys(NOW)


def test_nothing_reads_all_that_was_ever_asked(store: Store, plans: Plans) -> None:
    live(store)
    assert sum(f"FROM {name}" in text or f"UPDATE {name}" in text for name in HISTORY for text in plans.of) > 20
    assert plans.whole == {}


def test_the_next_in_line_is_found_without_sorting_the_line(store: Store, plans: Plans) -> None:
    live(store)
    lines = {text: steps for text, steps in plans.of.items() if "ORDER BY requests.turn, requests.seq" in text}
    assert len(lines) == 2
    assert [step for steps in lines.values() for step in steps if "ORDER BY" in step] == []
