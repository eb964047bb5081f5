"""The relay's use cases over the store in memory, with a link that fails as it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from project.clock import steady_clock
from project.core.commands import Submit
from project.core.model import Request, Space, SpaceSettings, Worker
from project.relay.connections import Connection, Connections
from project.relay.dispatch import Dispatcher
from project.relay.links import Links
from project.relay.outlook import Outlook
from project.relay.publish import Publisher
from project.relay.service import Relay
from project.relay.signals import Signals
from project.relay.spaces import Spaces
from project.runtime import make_runtime
from project.storage.memory import memory_store


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
        signals = Signals(runtime.event)
        self.publisher = Publisher(self.store.requests, signals, self.clock)
        self.dispatcher = Dispatcher(
            self.store.requests, self.connections, self.link, self.publisher, links, runtime, self.clock, lease_s=15.0
        )
        self.connection = Connection(Worker("c", "s", "n", "w", "b", 2, 2, 1.0), "http://site")
        self.connections.add(self.connection)
        self.spaces = Spaces(self.store.spaces, self.clock)
        outlook = Outlook(self.store, self.connections, self.clock)
        self.relay = Relay(
            self.store,
            self.connections,
            self.link,
            self.publisher,
            self.dispatcher,
            signals,
            outlook,
            self.spaces,
            self.clock,
            max_attempts=3,
        )

    def submit(self, request_id: str, **payload: Any) -> None:
        body = {"prompt": request_id, **payload}
        self.store.requests.submit(Submit(request_id, "s", "u", "user", body, self.clock(), 60.0, 60.0))

    def get(self, request_id: str) -> Request:
        found = self.store.requests.get(request_id)
        assert found is not None
        return found
