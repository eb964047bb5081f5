"""Handing out, when a message cannot be sent: no attempt, no lease and no place of a worker is lost by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from project.clock import steady_clock
from project.core.commands import Submit
from project.core.model import Request, Space, SpaceSettings, Worker
from project.core.states import Status
from project.errors import MessageTooLarge, StorageUnavailable
from project.relay.connections import Connection, Connections
from project.relay.dispatch import Dispatcher
from project.relay.links import Links
from project.relay.publish import Publisher
from project.relay.signals import Signals
from project.runtime import make_runtime
from project.storage.memory import memory_store
from tests.conftest import eventually


class FailingLink:
    """Sends nothing; fails as told for the prompts it is told."""

    def __init__(self) -> None:
        self.fails: dict[str, Exception] = {}
        self.sent: list[str] = []
        self.on_disconnect: Callable[[str], Any] = lambda connection_id: None

    def send(self, connection_id: str, event: str, message: Mapping[str, Any]) -> None:
        if message["payload"]["prompt"] in self.fails:
            raise self.fails[message["payload"]["prompt"]]
        self.sent.append(message["request_id"])

    def answers(self, connection_id: str, *, within_s: float) -> bool:
        return True

    def disconnect(self, connection_id: str) -> None:
        self.on_disconnect(connection_id)


class Relaying:
    """A dispatcher over the store in memory, with one worker of capacity two."""

    def __init__(self) -> None:
        self.store, self.clock, self.link = memory_store(), steady_clock(), FailingLink()
        self.store.spaces.add(Space("s", SpaceSettings(name="Space"), created_at=1.0))
        self.connections = Connections()
        runtime, links = make_runtime("threading"), Links("secret", lifetime_s=60.0)
        self.publisher = Publisher(self.store.requests, Signals(runtime.event), self.clock)
        self.dispatcher = Dispatcher(
            self.store.requests, self.connections, self.link, self.publisher, links, runtime, self.clock, lease_s=15.0
        )
        self.connection = Connection(Worker("c", "s", "n", "w", "b", 2, 2, 1.0), "http://site")
        self.connections.add(self.connection)

    def submit(self, request_id: str, **payload: Any) -> None:
        body = {"prompt": request_id, **payload}
        self.store.requests.submit(Submit(request_id, "s", "u", "user", body, self.clock(), 60.0, 60.0))

    def get(self, request_id: str) -> Request:
        found = self.store.requests.get(request_id)
        assert found is not None
        return found


@pytest.fixture
def relaying() -> Relaying:
    return Relaying()


@pytest.mark.parametrize(
    ("error", "payload"),
    [
        (TypeError("not JSON"), {"params": {"a": object()}}),
        (ValueError("not JSON"), {"params": {"a": float("nan")}}),
        (MessageTooLarge(), {}),
    ],
)
def test_what_cannot_be_sent_ends_and_the_next_proceeds(
    relaying: Relaying, error: Exception, payload: dict[str, Any]
) -> None:
    relaying.link.fails["bad"] = error
    relaying.submit("bad", **payload)
    for name in ("one", "two", "three"):
        relaying.submit(name)
    relaying.dispatcher.kick("s")
    eventually(lambda: relaying.link.sent == ["one", "two"])
    ended = relaying.get("bad")
    assert (ended.status, ended.code, ended.result) == (Status.FAILED, "undeliverable", None)
    assert ended.error
    assert relaying.connection.in_flight == {"one", "two"}
    assert relaying.get("three").status is Status.QUEUED


def test_a_connection_that_cannot_be_sent_to_is_closed_and_keeps_nothing(relaying: Relaying) -> None:
    def lost(connection_id: str) -> None:
        relaying.connections.remove(connection_id)
        relaying.store.requests.release(connection_id, keep_lease=True, now=relaying.clock())

    relaying.link.on_disconnect = lost
    relaying.link.fails["one"] = OSError("broken")
    relaying.submit("one")
    relaying.dispatcher.kick("s")
    eventually(lambda: relaying.connections.get("c") is None)
    back = relaying.get("one")
    assert (back.status, back.attempt, back.retry_reason) == (Status.QUEUED, 1, "connection_lost")


def test_nothing_is_claimed_while_the_store_cannot_be_asked(
    relaying: Relaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = [True]
    asked = relaying.store.requests.queue_size

    def queue_size(space_id: str) -> int:
        if busy:
            raise StorageUnavailable
        return asked(space_id)

    monkeypatch.setattr(relaying.store.requests, "queue_size", queue_size)
    relaying.submit("one")
    relaying.dispatcher.kick("s")
    assert relaying.get("one").status is Status.QUEUED
    assert relaying.connection.in_flight == set()
    busy.clear()
    eventually(lambda: relaying.link.sent == ["one"], what="it is tried again")
