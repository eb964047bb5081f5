"""What a node tells of a request without asking the store each time is never old for long."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from project.core.commands import Submit
from project.core.model import Request, Space, SpaceSettings
from project.core.states import Status
from project.relay.publish import FRESH_S, Publisher
from project.relay.signals import Signals
from project.storage.memory import memory_store
from project.storage.port import Store


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    made = memory_store()
    made.spaces.add(Space("s", SpaceSettings(name="Space"), created_at=1.0))
    return made


@pytest.fixture
def publisher(store: Store, clock: Clock) -> Publisher:
    return Publisher(store.requests, Signals(threading.Event), clock)


def submit(store: Store, publisher: Publisher, request_id: str) -> Request:
    command = Submit(
        id=request_id,
        space_id="s",
        user_id="u",
        username="user",
        payload={"prompt": "p"},
        now=1000.0,
        queue_timeout_s=100.0,
        run_timeout_s=50.0,
    )
    submitted = store.requests.submit(command)
    publisher.publish(submitted.request, submitted.position)
    return submitted.request


def end(store: Store, publisher: Publisher, request: Request) -> None:
    store.requests.cancel(request.id, now=1001.0, code="cancelled_by_user")
    publisher.publish(replace(request, status=Status.CANCELLED, finished_at=1001.0))


def queue_size(publisher: Publisher, request: Request) -> int:
    view = publisher.view(request.id)
    assert view is not None
    return view.queue_size


def test_ended_request_does_not_count_itself(store: Store, publisher: Publisher) -> None:
    only = submit(store, publisher, "only")
    assert publisher.queue_size("s") == 1
    end(store, publisher, only)
    assert queue_size(publisher, only) == 0


def test_queue_of_an_ended_request_goes_on_changing(store: Store, publisher: Publisher, clock: Clock) -> None:
    first = submit(store, publisher, "first")
    end(store, publisher, first)
    assert queue_size(publisher, first) == 0
    submit(store, publisher, "second")
    clock.now += 2 * FRESH_S
    assert queue_size(publisher, first) == 1
