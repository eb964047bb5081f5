"""Handing out, when a message cannot be sent: no attempt, no lease and no place of a worker is lost by it."""

from __future__ import annotations

from typing import Any

import pytest

from project.core.states import Status
from project.errors import MessageTooLarge, StorageUnavailable
from tests.conftest import eventually
from tests.relay.assembly import Relaying


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
    assert list(relaying.connection.in_flight) == ["one", "two"]
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
    assert not relaying.connection.in_flight
    busy.clear()
    eventually(lambda: relaying.link.sent == ["one"], what="it is tried again")
