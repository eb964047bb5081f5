"""What those who wait may expect: how long it takes, and since when nobody is there to do it."""

from __future__ import annotations

import statistics
from dataclasses import replace

from project.clock import Clock
from project.core.estimate import eta_of
from project.core.model import Request
from project.core.states import Status
from project.relay.connections import Connections
from project.relay.node import ALONE, Node
from project.relay.views import RequestView
from project.storage.port import Store

RUNS = 50
LEARN_S = 5.0
BUSY_S = (1.0, 60.0)
UNKNOWN_BUSY_S = 5.0
MOST_KEPT = 10_000
ELSEWHERE_S = 0.25


class Outlook:
    """Estimates from a space's recent runs and from who is connected; at most a few seconds old."""

    def __init__(self, store: Store, connections: Connections, clock: Clock, node: Node = ALONE):
        self._store = store
        self._connections = connections
        self._clock = clock
        self._node = node
        self._elsewhere: dict[str, tuple[int, float]] = {}
        self._learnt: dict[str, tuple[tuple[float, ...], float]] = {}

    def workers(self, space_id: str) -> int:
        """How many workers serve a space, on this node and on others. Those that drain take nothing any more."""
        return len(self._connections.working(space_id)) + self._workers_elsewhere(space_id)

    def forget(self, space_id: str) -> None:
        """Another node's workers have changed."""
        self._elsewhere.pop(space_id, None)

    def _workers_elsewhere(self, space_id: str) -> int:
        """Those of other nodes, as they were at most ``ELSEWHERE_S`` ago."""
        if self._node.alone:
            return 0
        now = self._clock()
        kept = self._elsewhere.get(space_id)
        if kept is not None and kept[1] > now:
            return kept[0]
        found = self._store.presence.workers(space_id, now=now, stale_after_s=self._node.stale_after_s)
        count = sum(worker.node_id != self._node.id and not worker.draining for worker in found)
        if len(self._elsewhere) >= MOST_KEPT:
            self._elsewhere.clear()
        self._elsewhere[space_id] = (count, now + ELSEWHERE_S)
        return count

    def away_since(self, space_id: str, workers: int) -> float | None:
        """Since when a space has no worker; None if it has some, or never had."""
        return None if workers else self._store.presence.away_since(space_id)

    def busy_s(self, space_id: str) -> float:
        """How long until there is room again in a full queue: about one run."""
        runs = self._runs(space_id)
        if not runs:
            return UNKNOWN_BUSY_S
        least, most = BUSY_S
        return min(most, max(least, statistics.median(runs) / max(1, self.workers(space_id))))

    def of(self, view: RequestView) -> RequestView:
        """The view of an open request with its estimate, and since when its worker is away."""
        request = view.request
        workers = self.workers(request.space_id)
        away = self.away_since(request.space_id, workers) if request.status is Status.QUEUED else None
        return replace(view, eta_s=self._eta_s(view, workers), away_since=away, ahead=self._ahead(request))

    def _ahead(self, request: Request) -> int | None:
        """How many others its worker has before a request that was handed out and has not begun, where it is known."""
        if request.status is not Status.PROCESSING or request.started_at is not None:
            return None
        connection = self._connections.get(request.connection_id or "")
        return connection.ahead_of(request.id) if connection is not None else None

    def _eta_s(self, view: RequestView, workers: int) -> tuple[float, float] | None:
        request = view.request
        runs = self._runs(request.space_id) if workers else ()
        connection = self._connections.get(request.connection_id or "")
        in_hand = len(connection.in_flight) if connection is not None else self._in_hand(request.space_id, workers)
        return eta_of(request, view.position, runs, workers=workers, in_hand=in_hand, now=self._clock())

    def _in_hand(self, space_id: str, workers: int) -> int:
        """How many requests the space's workers have at hand; of workers on other nodes, one each is assumed."""
        here = self._connections.of_space(space_id)
        return sum(len(connection.in_flight) for connection in here) + workers - len(here) if here else workers

    def _runs(self, space_id: str) -> tuple[float, ...]:
        kept = self._learnt.get(space_id)
        now = self._clock()
        if kept is not None and kept[1] > now:
            return kept[0]
        runs = self._store.requests.recent_runs(space_id, limit=RUNS)
        if len(self._learnt) >= MOST_KEPT:
            self._learnt.clear()
        self._learnt[space_id] = (runs, now + LEARN_S)
        return runs
