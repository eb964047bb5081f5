"""What other nodes did: heard of by hints, and looked up in the store about once a second all the same.

The store is the truth. A hint only says where it pays to look; one that was lost costs the time until the next look.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from project.core.states import Status
from project.relay.connections import Connections, Link
from project.relay.dispatch import Dispatcher
from project.relay.service import Relay
from project.relay.signals import Signals
from project.runtime import Runtime
from project.storage.port import Store
from project.wire import events

log = logging.getLogger(__name__)
Forget = Callable[[str], None]


class Neighbours:
    """Keeps this node's workers, queues and watchers up with the other nodes. ``forget`` has, for each kind of topic,
    who remembers something that is not true any more."""

    def __init__(
        self,
        store: Store,
        connections: Connections,
        link: Link,
        dispatcher: Dispatcher,
        relay: Relay,
        signals: Signals,
        runtime: Runtime,
        forget: Mapping[str, Sequence[Forget]],
        *,
        node_id: str,
    ):
        self._store = store
        self._connections = connections
        self._link = link
        self._dispatcher = dispatcher
        self._relay = relay
        self._signals = signals
        self._runtime = runtime
        self._forget = forget
        self._node_id = node_id

    def heard(self, topics: Iterable[str]) -> None:
        """Another node told that these topics have news. Does not wait."""
        topics = tuple(topics)
        parted = [(kind, name) for kind, _, name in (topic.partition(":") for topic in topics)]
        for kind, name in parted:
            for forget in self._forget.get(kind, ()):
                forget(name)
        self._signals.wake(topics)
        for kind, name in parted:
            if kind == "waiting":
                self._dispatcher.kick(name)
        ended = {name for kind, name in parted if kind == "ended"}
        if any(kind == "spaces" for kind, _ in parted):
            self._runtime.spawn(self._try, self._relay.keep_up_with_spaces)
        if any(not ended.isdisjoint(connection.in_flight) for connection in self._connections.all()):
            self._runtime.spawn(self._try, self._reconcile)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            # It is looked at again within a second.
            log.warning("could not follow up a hint: %s", type(error).__name__)

    def look(self) -> None:
        """See what other nodes did since the last look."""
        self._let_go()
        self._relay.keep_up_with_spaces()
        self._reconcile()
        for space_id in self._store.requests.waiting_spaces():
            self._dispatcher.kick(space_id)

    def _let_go(self) -> None:
        """Close the connections of workers that have gone to another node, or that others took for dead with this one:
        they come back by themselves, and are settled anew."""
        here = self._connections.all()
        if not here:
            return
        known = self._store.presence.of_node(self._node_id)
        for connection in here:
            if connection.id not in known and self._connections.get(connection.id) is connection:
                log.warning("a worker of space %s has no place here any more", connection.worker.space_id)
                self._link.disconnect(connection.id)

    def _reconcile(self) -> None:
        """Take from the workers here what another node ended or gave to somebody else."""
        # As it was before the store is asked: what is claimed meanwhile is not in question.
        here = {connection.id: set(connection.in_flight) for connection in self._connections.all()}
        here = {connection_id: ids for connection_id, ids in here.items() if ids}
        if not here:
            return
        held = self._store.requests.held(list(here))
        for connection_id, ids in here.items():
            for request_id in ids - held.get(connection_id, frozenset()):
                self._take_back(connection_id, request_id)

    def _take_back(self, connection_id: str, request_id: str) -> None:
        request = self._store.requests.get(request_id)
        connection = self._connections.get(connection_id)
        if connection is None or request_id not in connection.in_flight:
            return
        if request is not None and request.status is Status.PROCESSING and request.connection_id == connection_id:
            return
        connection.in_flight.pop(request_id, None)
        # A result that is being recorded just now needs no cancelling; a lost lease, the worker's heartbeat tells of.
        if request is not None and request.is_over and request.result is None:
            message = {"request_id": request_id, "lease_id": request.lease_id, "reason": request.code or ""}
            self._link.send(connection_id, events.CANCEL, message)
        self._dispatcher.kick(connection.worker.space_id)
