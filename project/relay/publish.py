"""What this node knows to be fresh: views for polls, and hints to those who watch.

A status poll must not cost a database read each time. A view is kept until something changes the request on this
node, and never longer than ``FRESH_S``, so that a change made elsewhere shows as soon.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from project.clock import Clock
from project.core.model import Request
from project.core.states import Status
from project.relay.signals import Signals, ended_topic, request_topic, space_topic, waiting_topic
from project.relay.views import RequestView
from project.storage.port import RequestStore

FRESH_S = 0.25
DOUBTFUL_S = 0.05
ENDED_FRESH_S = 30.0
"""What has ended does not change any more; only how much is remembered is bounded."""
MOST_KEPT = 4096


class Publisher:
    """Keeps fresh views and tells of changes."""

    def __init__(self, store: RequestStore, signals: Signals, clock: Clock):
        self._store = store
        self._signals = signals
        self._clock = clock
        self._views: OrderedDict[str, tuple[RequestView, float]] = OrderedDict()
        self._keeping = threading.Lock()
        self._sizes: dict[str, tuple[int, float]] = {}
        self._counting: dict[str, bool] = {}
        self._reading: dict[str, object] = {}
        self._on_over: Callable[[Request], None] = lambda request: None

    def on_over(self, listener: Callable[[Request], None]) -> None:
        """Tell ``listener`` of every request that this node sees end; it must not wait. There is one listener."""
        self._on_over = listener

    def publish(self, request: Request, position: int | None = None) -> None:
        """A request is now like this, with its files. One that waits is kept only if its place is known."""
        if request.status is Status.QUEUED and position is None:
            self._views.pop(request.id, None)
        else:
            size = self._resized(request.space_id, -1 if request.is_over else 1 if position is not None else 0)
            self._keep(RequestView(request, position, size))
        # Whoever is reading the store for this request just now may hold what it was: let them not keep it.
        self._reading.pop(request.id, None)
        if request.is_over:
            self._on_over(request)
        topics = [request_topic(request.id), space_topic(request.space_id)]
        if request.is_over:
            topics.append(ended_topic(request.id))
        elif request.status is Status.QUEUED:
            topics.append(waiting_topic(request.space_id))
        self._signals.notify(topics)

    def changed(self, request_id: str) -> None:
        """A request is not as it was; how it is now, the store knows."""
        self._views.pop(request_id, None)
        self._reading.pop(request_id, None)
        self._signals.notify((request_topic(request_id), ended_topic(request_id)))

    def forget(self, request_id: str) -> None:
        """Another node changed a request."""
        self._views.pop(request_id, None)
        self._reading.pop(request_id, None)

    def forget_space(self, space_id: str) -> None:
        """Another node changed a space's queue."""
        self._sizes.pop(space_id, None)
        self._counting.pop(space_id, None)

    def space_changed(self, space_id: str) -> None:
        """A worker came or went, or the queue grew."""
        self._signals.notify((space_topic(space_id),))

    def ended(self, request_id: str) -> RequestView | None:
        """The view of a request that this node saw end just now, without asking the store; else None."""
        kept = self._views.get(request_id)
        return kept[0] if kept is not None and kept[0].request.is_over else None

    def view(self, request_id: str) -> RequestView | None:
        """The view of a request, at most ``FRESH_S`` old; None if there is no such request."""
        kept = self._views.get(request_id)
        if kept is not None and kept[1] > self._clock():
            if not kept[0].request.is_over:
                return kept[0]
            # What has ended is kept for long; how many are open meanwhile goes on changing.
            return replace(kept[0], queue_size=self.queue_size(kept[0].request.space_id))
        reading = self._reading[request_id] = object()
        request = self._store.get(request_id)
        if request is None:
            self._reading.pop(request_id, None)
            return None
        position = None
        if request.status is Status.QUEUED:
            position = self._store.positions([request_id]).get(request_id)
        view = RequestView(request, position, self.queue_size(request.space_id))
        if self._reading.get(request_id) is reading:
            del self._reading[request_id]
            self._keep(view)
        return view

    def queue_size(self, space_id: str) -> int:
        """How many requests are open in a space: counted at most ``FRESH_S`` ago, and what this node did since."""
        kept = self._sizes.get(space_id)
        if kept is not None and kept[1] > self._clock():
            return kept[0]
        self._counting[space_id] = True
        size = self._store.queue_size(space_id)
        if self._counting.pop(space_id, False):
            self._sizes[space_id] = (size, self._clock() + FRESH_S)
            return size
        # Nobody can say whether what came or ended meanwhile is in the count. What this node knew, and did since, is
        # the better guess; it is soon counted again.
        known = self._sizes.get(space_id, (size, 0.0))[0]
        self._sizes[space_id] = (known, self._clock() + DOUBTFUL_S)
        return known

    def _resized(self, space_id: str, change: int) -> int:
        kept = self._sizes.get(space_id)
        if kept is None:
            return max(0, change)
        if not change:
            return kept[0]
        self._counting.pop(space_id, None)
        size = max(0, kept[0] + change)
        self._sizes[space_id] = (size, kept[1])
        return size

    def _keep(self, view: RequestView) -> None:
        fresh_s = ENDED_FRESH_S if view.request.is_over else FRESH_S
        with self._keeping:
            self._views.pop(view.request.id, None)
            while len(self._views) >= MOST_KEPT:
                self._views.popitem(last=False)  # the one kept longest ago
            self._views[view.request.id] = (view, self._clock() + fresh_s)
