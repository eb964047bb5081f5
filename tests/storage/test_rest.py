"""The contracts of spaces and presence, for every store; and what SQLite must be told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from project.core.model import Space, SpaceSettings, Worker, WorkerToken
from project.errors import StorageUnavailable
from project.storage.port import Store
from project.storage.sql.engine import make_engine
from project.storage.sql.migrate import migrate
from project.storage.sql.schema import metadata


def test_spaces(store: Store) -> None:
    store.spaces.add(Space("t", SpaceSettings(name="Space", enable_audio=True), created_at=2.0, owner_id="o"))
    assert [space.id for space in store.spaces.named("Space")] == ["t", "s"]
    assert store.spaces.named("space") == ()
    changed = store.spaces.change("t", SpaceSettings(name="Renamed"))
    assert changed is not None
    assert (changed.name, changed.owner_id) == ("Renamed", "o")
    assert store.spaces.change("none", SpaceSettings(name="x")) is None
    assert [space.id for space in store.spaces.all()] == ["t", "s"]


def test_tokens(store: Store) -> None:
    store.spaces.add_token(WorkerToken("k", "s", "lab", "hash", 1.0))
    used = store.spaces.use_token("hash", now=5.0)
    assert used is not None
    assert used.last_used_at == 5.0
    assert store.spaces.use_token("other", now=5.0) is None
    assert store.spaces.revoke_token("k", now=6.0) is True
    assert store.spaces.revoke_token("k", now=7.0) is False
    assert store.spaces.use_token("hash", now=8.0) is None
    assert [token.revoked_at for token in store.spaces.tokens("s")] == [6.0]
    store.spaces.remove("s", now=9.0)
    assert store.spaces.tokens("s") == ()


def test_presence_counts_only_live_nodes(store: Store) -> None:
    presence = store.presence
    presence.beat("n1", now=100.0)
    presence.beat("n2", now=80.0)
    presence.beat("n1", now=101.0)
    one = Worker("c1", "s", "n1", "w", "b", 2, 4, 90.0)
    presence.join(one)
    presence.join(Worker("c2", "s", "n2", "other", "b", 2, 4, 91.0))
    assert presence.workers("s", now=105.0) == (one,)
    assert presence.workers("other", now=105.0) == ()
    assert presence.stale(now=105.0) == ("c2",)
    presence.clear_stale(now=105.0)
    assert presence.stale(now=105.0) == ()
    assert presence.of_node("n2") == frozenset()
    presence.set_draining("c1")
    assert presence.workers(now=105.0)[0].draining is True
    presence.leave("c1", now=106.0)
    assert presence.workers(now=106.0) == ()
    presence.join(one)
    presence.end_node("n1", now=107.0)
    assert presence.workers(now=107.0) == ()


def test_since_when_a_space_has_no_worker(store: Store) -> None:
    presence = store.presence
    assert presence.away_since("s") is None
    presence.beat("n1", now=100.0)
    presence.beat("n2", now=100.0)
    presence.join(Worker("c1", "s", "n1", "w", "b", 2, 4, 90.0))
    presence.leave("c1", now=106.0)
    presence.leave("never there", now=200.0)
    assert presence.away_since("s") == 106.0
    presence.join(Worker("c2", "s", "n1", "w", "b", 2, 4, 107.0))
    presence.join(Worker("c3", "t", "n2", "w", "b", 2, 4, 107.0))
    presence.end_node("n1", now=110.0)
    assert presence.away_since("s") == 110.0
    presence.clear_stale(now=150.0)
    assert presence.away_since("t") == 100.0, "the node was last heard of then"


@pytest.mark.parametrize("writes", [True, False])
def test_every_sqlite_connection_is_durable(tmp_path: Path, writes: bool) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'x.db'}", writes=writes)
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_migrations_make_the_schema(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate(url)
    migrate(url)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate(url)
    with sa.create_engine(url).begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StorageUnavailable, match="9999"):
        migrate(url)


def test_the_database_itself_refuses_an_illegal_move(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate(url)
    row = "INSERT INTO history (request_id, at, before, after, attempt, reason) VALUES ('r', 1, {}, 0, '')"
    with sa.create_engine(url).connect() as connection:
        connection.exec_driver_sql(row.format("'queued', 'processing'"))
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql(row.format("'completed', 'queued'"))
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql(row.format("'queued', 'completed'"))


def test_a_space_has_so_many_places_for_all_nodes_together(store: Store) -> None:
    presence = store.presence
    for node_id, at in (("n1", 100.0), ("n2", 100.0), ("dead", 50.0)):
        presence.beat(node_id, now=at)
    first = Worker("c1", "s", "n1", "w", "b", 2, 4, 100.0)
    assert presence.join(Worker("c0", "s", "dead", "z", "b", 2, 4, 50.0)) is True
    assert presence.join(first, most=1) is False, "what a dead node's worker held is not back in its places yet"
    presence.clear_stale(now=100.0)
    assert presence.join(first, most=1) is True
    assert presence.join(Worker("c2", "s", "n2", "x", "b", 2, 4, 101.0), most=1) is False
    assert presence.of_node("n2") == frozenset()
    # The same worker takes its own place over, on another node too; the first node's connection is none any more.
    assert presence.join(replace(first, connection_id="c3", node_id="n2"), most=1) is True
    assert (presence.of_node("n1"), presence.of_node("n2")) == (frozenset(), {"c3"})
    # Workers without a name are never the same; one that drains makes room.
    assert presence.join(Worker("c4", "s", "n1", "", "b", 1, 1, 102.0), most=1) is False
    presence.set_draining("c3")
    assert presence.join(Worker("c4", "s", "n1", "", "b", 1, 1, 102.0), most=1) is True
    assert presence.join(Worker("c5", "s", "n1", "", "b", 1, 1, 102.0), most=1) is False
    assert presence.join(Worker("c5", "t", "n1", "", "b", 1, 1, 102.0), most=1) is True
    assert presence.nodes(now=105.0) == {"n1", "n2"}


def test_live_tokens(store: Store) -> None:
    for name in ("k1", "k2"):
        store.spaces.add_token(WorkerToken(name, "s", "lab", f"hash {name}", 1.0))
    store.spaces.revoke_token("k1", now=6.0)
    assert store.spaces.live_tokens() == {"k2"}
