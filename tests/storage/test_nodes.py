"""Several nodes on one PostgreSQL: each has a store of its own, and nothing is granted, ended or lost twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from project.core.commands import Claim, Finish, Submit
from project.core.leases import Verdict
from project.core.model import Request, Space, SpaceSettings, User
from project.core.states import TERMINAL, Status
from project.errors import LastAdmin, SpacesError
from project.runtime import make_runtime
from project.storage.port import Store
from project.storage.sql import open_store, schema
from project.storage.sql.engine import make_engine
from project.storage.sql.lane import Lane
from project.storage.sql.mishaps import Receipts
from tests.faults.proxy import Proxy, proxy_to
from tests.services import PASSWORD, Postgres
from tests.storage.conftest import emptied

pytestmark = pytest.mark.slow
NODES = 8
REQUESTS = 120
NOW = 1000.0


@pytest.fixture
def nodes(postgres_url: str) -> Iterator[list[Store]]:
    emptied(postgres_url)
    with ThreadPoolExecutor(NODES) as pool:
        made = list(pool.map(lambda _: open_store(postgres_url, make_runtime("threading")), range(NODES)))
    made[0].spaces.add(Space("s", SpaceSettings(name="Space"), created_at=1.0))
    yield made
    for store in made:
        store.close()


def together(nodes: list[Store], work: Callable[[int, Store], Any]) -> list[Any]:
    """What each node's thread answers; all begin at one moment."""
    barrier = threading.Barrier(len(nodes))

    def begin(number: int) -> Any:
        barrier.wait(30)
        return work(number, nodes[number])

    with ThreadPoolExecutor(len(nodes)) as pool:
        return list(pool.map(begin, range(len(nodes))))


def submit(store: Store, request_id: str, **more: Any) -> Request:
    fields: dict[str, Any] = {"queue_timeout_s": 100.0, "run_timeout_s": 50.0, "payload": {"prompt": "p"}, **more}
    command = Submit(id=request_id, space_id="s", user_id="u", username="user", now=NOW, **fields)
    return store.requests.submit(command).request


def claim(store: Store, number: int, limit: int = 3) -> list[Request]:
    return list(store.requests.claim(Claim(f"k{number}", "s", f"c{number}", f"w{number}", limit, NOW, 15.0)))


def result(request: Request, text: str) -> Finish:
    lease = request.lease_id or ""
    return Finish(request.id, "s", request.connection_id or "", lease, Status.COMPLETED, {"text_output": text}, NOW)


def test_18_each_request_is_granted_once(nodes: list[Store]) -> None:
    together(nodes, lambda number, store: [submit(store, f"r{number}.{each}") for each in range(REQUESTS // NODES)])
    granted: list[tuple[str, str]] = []

    def take(number: int, store: Store) -> None:
        while taken := claim(store, number):
            granted.extend((request.id, request.lease_id or "") for request in taken)

    together(nodes, take)
    assert len(granted) == REQUESTS
    assert Counter(request_id for request_id, _ in granted).most_common(1)[0][1] == 1
    assert {request.attempt for request in nodes[0].requests.list(limit=1000).items} == {1}


def test_a_request_ends_once_however_many_end_it(nodes: list[Store]) -> None:
    for number in range(40):
        submit(nodes[0], f"r{number}")
    taken = claim(nodes[0], 0, limit=40)

    def end(number: int, store: Store) -> list[bool]:
        ended = []
        for request in taken if number % 2 else taken[::-1]:
            if number % 4 < 2:
                ended.append(store.requests.cancel(request.id, now=NOW, code="cancelled_by_user") is not None)
            else:
                ended.append(store.requests.finish(result(request, str(number))).verdict is Verdict.RECORDED)
        return ended

    answers = together(nodes, end)
    assert sum(sum(each) for each in answers) == len(taken), "each was ended by one node"
    for request in taken:
        moves = [move.after for move in nodes[0].requests.history(request.id)]
        assert sum(move in TERMINAL for move in moves) == 1, moves


def test_what_is_overdue_is_moved_by_one_node(nodes: list[Store]) -> None:
    for number in range(60):
        submit(nodes[0], f"r{number}")
    claim(nodes[0], 0, limit=60)
    moved = together(nodes, lambda _, store: store.requests.expire(NOW + 20))
    assert Counter(request.id for each in moved for request in each) == Counter(f"r{number}" for number in range(60))
    assert {request.attempt for request in nodes[0].requests.list(limit=100).items} == {1}


def test_what_is_old_is_forgotten_by_one_node(nodes: list[Store]) -> None:
    for number in range(40):
        submit(nodes[0], f"r{number}")
        nodes[0].requests.cancel(f"r{number}", now=NOW, code="cancelled_by_user")
    purged = together(nodes, lambda _, store: store.requests.purge("s", before=NOW + 1, limit=100))
    assert Counter(name for each in purged for name in each.request_ids) == Counter(f"r{n}" for n in range(40))


def test_a_queue_is_never_longer_than_its_bound(nodes: list[Store]) -> None:
    def send(number: int, store: Store) -> int:
        kept = 0
        for each in range(5):
            try:
                submit(store, f"r{number}.{each}", max_queue=10)
                kept += 1
            except SpacesError:
                continue
        return kept

    assert sum(together(nodes, send)) == 10


def test_a_key_stands_for_one_request(nodes: list[Store]) -> None:
    kept = together(nodes, lambda number, store: submit(store, f"r{number}", key="k", fingerprint="f", key_age_s=60.0))
    assert len({request.id for request in kept}) == 1


def test_somebody_can_always_administer_whoever_removes_whom(nodes: list[Store]) -> None:
    for number in range(NODES):
        nodes[0].accounts.add_user(User(f"a{number}", f"a{number}", "hash", "admin", 1.0))

    def resign(number: int, store: Store) -> bool:
        try:
            return store.accounts.set_role(f"a{number}", "user")
        except LastAdmin:
            return False

    assert sum(together(nodes, resign)) == NODES - 1


def test_a_deadlock_is_nobodys_misfortune(nodes: list[Store], postgres_url: str) -> None:
    """Two transactions that lock two rows crosswise: the one that the server ends is done again."""
    for name in ("a", "b"):
        nodes[0].spaces.add(Space(name, SpaceSettings(name="before"), created_at=1.0))
    lanes = [Lane(make_runtime("threading"), make_engine(postgres_url, writes=True)) for _ in range(2)]
    met = threading.Barrier(2)
    begun: Counter[int] = Counter()

    def cross(number: int) -> None:
        def apply(connection: sa.Connection) -> None:
            begun[number] += 1
            for each in ("ab", "ba")[number]:
                values = schema.spaces.update().where(schema.spaces.c.id == each).values(name=f"by {number}")
                connection.execute(values)
                if begun[number] == 1 and each == "ab"[number]:
                    met.wait(30)

        lanes[number].call(apply)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(cross, range(2)))
    assert sum(begun.values()) == 3, "one of them was done twice"
    assert len({name for (name,) in names(postgres_url)}) == 1
    for lane in lanes:
        lane.close()


def names(url: str) -> list[Any]:
    engine = make_engine(url, writes=False)
    with engine.connect() as connection:
        return list(connection.execute(sa.select(schema.spaces.c.name).where(schema.spaces.c.id != "s")).all())


@pytest.fixture
def behind(postgres: Postgres, postgres_url: str) -> Iterator[tuple[Store, Proxy]]:
    """A store whose way to the server can be cut."""
    with proxy_to(postgres.port) as proxy:
        way = emptied(postgres_url).replace(f":{postgres.port}/", f":{proxy.host.rpartition(':')[2]}/")
        store = open_store(way, make_runtime("threading"))
        store.spaces.add(Space("s", SpaceSettings(name="Space"), created_at=1.0))
        try:
            yield store, proxy
        finally:
            proxy.let_go()
            store.close()


@pytest.mark.parametrize("deaf", ["down", "up"])
def test_a_commit_without_an_answer_is_looked_up(
    behind: tuple[Store, Proxy], monkeypatch: pytest.MonkeyPatch, deaf: str
) -> None:
    """``down``: it was committed, and the answer is lost; ``up``: it never arrived. Neither is lost nor doubled."""
    store, proxy = behind
    write = Receipts.write
    numbers: list[int | None] = []

    def write_and_break(receipts: Receipts, connection: sa.Connection) -> int | None:
        numbers.append(write(receipts, connection))
        if len(numbers) == 1:
            proxy.hold(deaf)
            threading.Timer(0.3, lambda: (proxy.cut(), proxy.let_go())).start()
        return numbers[-1]

    monkeypatch.setattr(Receipts, "write", write_and_break)
    assert submit(store, "r").id == "r"
    assert len(numbers) == (1 if deaf == "down" else 2)
    assert [request.id for request in store.requests.list().items] == ["r"]
    assert [move.after for move in store.requests.history("r")] == [Status.QUEUED]


def test_killed_connections_are_opened_again(nodes: list[Store], postgres: Postgres, postgres_url: str) -> None:
    submit(nodes[0], "before")
    assert all(len(store.requests.list().items) == 1 for store in nodes)
    assert postgres.terminate(postgres_url) >= NODES
    assert submit(nodes[0], "after").seq
    assert {request.id for request in nodes[1].requests.list().items} == {"before", "after"}


@pytest.mark.parametrize("writes", [True, False])
def test_every_connection_is_durable_and_lets_go(postgres: Postgres, writes: bool) -> None:
    url = postgres.database()
    postgres.admin(f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = off")
    engine = make_engine(url.replace("postgresql:", "postgresql+psycopg:"), writes=writes)
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            assert connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "10s"


def test_nodes_that_start_at_once_make_one_schema(postgres: Postgres) -> None:
    url = postgres.database().replace("postgresql:", "postgresql+psycopg:")
    with ThreadPoolExecutor(4) as pool:
        for store in pool.map(lambda _: open_store(url, make_runtime("threading")), range(4)):
            store.close()


def test_what_the_server_cannot_keep_is_kept_as_well_as_it_can(nodes: list[Store]) -> None:
    nodes[0].accounts.add_user(User("u", "a\x00b", "hash", "user", 1.0))
    user = nodes[1].accounts.user("u")
    assert user is not None
    assert user.username == "a�b"
    long = "x" * 5000
    nodes[0].spaces.add(Space("long", SpaceSettings(name=long), created_at=1.0))
    assert nodes[1].spaces.named(long)


def test_an_unreachable_server_is_told_of_without_its_password(postgres: Postgres) -> None:
    url = postgres.url("none").replace("postgresql:", "postgresql+psycopg:")
    with pytest.raises(SpacesError) as refusal:
        open_store(url, make_runtime("threading"))
    assert '"none" does not exist' in refusal.value.message
    assert PASSWORD not in refusal.value.message
