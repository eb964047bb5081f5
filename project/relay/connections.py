"""The workers connected to this node, and the port to their sockets."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from project.core.model import Worker
from project.core.pace import Pace


class Link(Protocol):
    """What the relay asks of the sockets."""

    def send(self, connection_id: str, event: str, message: Mapping[str, Any]) -> None:
        """Send a message, as far as the connection lives; never waits for it."""

    def answers(self, connection_id: str, *, within_s: float) -> bool:
        """Whether the other end answers a ping in time."""

    def disconnect(self, connection_id: str) -> None:
        """Close the connection after what was sent before."""


@dataclass(slots=True)
class Connection:
    """A registered worker on this node. ``in_flight`` are the request ids it was handed and has not answered, in that
    order.

    ``token_id`` is the worker token it registered with, empty if it needed none; ``bound`` how many requests the
    space lets it have at hand (0: as many as it asked for). ``last_try`` is a request that it is to work on alone;
    ``concurrency`` how many it runs at once. ``pace`` is that of a space which others may serve as well: they are
    left what this one would only have waiting.
    """

    worker: Worker
    base_url: str
    in_flight: dict[str, None] = field(default_factory=dict)
    draining: bool = False
    token_id: str = ""
    bound: int = 0
    last_try: str = ""
    concurrency: int = 1
    pace: Pace | None = None

    @property
    def id(self) -> str:
        """The connection id, also Socket.IO's session id."""
        return self.worker.connection_id

    def ahead_of(self, request_id: str) -> int | None:
        """How many requests it was handed before this one and has not answered; None if it does not have this one."""
        held = list(self.in_flight)
        return held.index(request_id) if request_id in held else None

    @property
    def room(self) -> int:
        """How many more requests it takes now."""
        most = min(self.worker.capacity, self.bound or self.worker.capacity)
        if self.pace is not None:
            most = self.pace.window(self.concurrency, most)
        return 0 if self.draining or self.last_try in self.in_flight else max(0, most - len(self.in_flight))


class Connections:
    """The registered workers of this node, by connection and by space."""

    def __init__(self) -> None:
        self._by_id: dict[str, Connection] = {}
        self._by_space: dict[str, dict[str, Connection]] = {}
        self._registering: dict[str, threading.Lock] = {}
        self._paces: dict[str, Pace] = {}

    def add(self, connection: Connection) -> None:
        """A worker has registered."""
        self._by_id[connection.id] = connection
        self._by_space.setdefault(connection.worker.space_id, {})[connection.id] = connection

    def remove(self, connection_id: str) -> Connection | None:
        """The connection is gone; what it was, if it had registered."""
        connection = self._by_id.pop(connection_id, None)
        if connection is not None:
            self._by_space.get(connection.worker.space_id, {}).pop(connection_id, None)
        return connection

    def get(self, connection_id: str) -> Connection | None:
        """A registered connection, or None."""
        return self._by_id.get(connection_id)

    def of_space(self, space_id: str) -> tuple[Connection, ...]:
        """The space's workers on this node, the one with most room first."""
        return tuple(sorted(self._by_space.get(space_id, {}).values(), key=lambda c: -c.room))

    def working(self, space_id: str) -> tuple[Connection, ...]:
        """Those of the space's workers on this node that take work: one that drains does not any more."""
        return tuple(connection for connection in self.of_space(space_id) if not connection.draining)

    def all(self) -> tuple[Connection, ...]:
        """Every registered connection."""
        return tuple(self._by_id.values())

    def registering(self, space_id: str) -> threading.Lock:
        """The lock under which workers of a space register one after another."""
        return self._registering.setdefault(space_id, threading.Lock())

    def pace(self, space_id: str) -> Pace:
        """How long the runs of a space took that ended on this node."""
        return self._paces.setdefault(space_id, Pace())

    def drop_request(self, request_id: str) -> Connection | None:
        """The request is no longer in flight; the connection that had it, if one did."""
        for connection in self._by_id.values():
            if request_id in connection.in_flight:
                connection.in_flight.pop(request_id, None)
                return connection
        return None
