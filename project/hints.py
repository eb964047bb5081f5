"""Hints between nodes over Redis: "these topics have news", and nothing else.

The store is the truth, and every node looks into it about once a second anyway; a hint spares the wait. So nothing is
lost when Redis is down, restarts, or drops a message, and nothing that comes from it is believed: a hint is JSON of one
known shape, whatever else is on the channel is passed over, and a hint that is made up costs one look.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

import redis

from project.runtime import Runtime

log = logging.getLogger(__name__)
CHANNEL: Final = "websocket-spaces:hints"
VERSION: Final = 1
MOST_BYTES: Final = 64 * 1024
MOST_TOPICS: Final = 500
"""In one message."""
MOST_PENDING: Final = 20_000
GATHER_S: Final = 0.005
"""So long hints wait for company."""
ANSWER_S: Final = 2.0
LISTEN_S: Final = 1.0
FIRST_PAUSE_S: Final = 0.25
MOST_PAUSE_S: Final = 5.0
_TOPIC: Final = re.compile(r"[a-z]{1,20}:[^\x00-\x20]{1,200}")


def read_hint(data: object, own: str) -> tuple[str, ...]:
    """The topics of another node's message; none of one's own message, or of what is no hint."""
    if not isinstance(data, bytes) or len(data) > MOST_BYTES:
        return ()
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(found, dict) or found.get("v") != VERSION or found.get("from") == own:
        return ()
    topics = found.get("topics")
    if not isinstance(topics, list) or len(topics) > MOST_TOPICS:
        return ()
    return tuple(topic for topic in topics if isinstance(topic, str) and _TOPIC.fullmatch(topic))


class RedisHints:
    """Carries this node's hints to the others, and theirs to ``heard``. Both are tasks of the loop."""

    def __init__(self, url: str, node_id: str, heard: Callable[[Iterable[str]], None], runtime: Runtime):
        self._client = redis.Redis.from_url(
            url,
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            socket_keepalive=True,
            health_check_interval=5,
        )
        self._node_id = node_id
        self._heard = heard
        self._runtime = runtime
        self._pending: dict[str, None] = {}
        self._lock = threading.Lock()
        self._news = runtime.event()
        self._stopped = False
        self.connected: bool | None = None
        """None before the first try."""

    def start(self) -> None:
        """Begin. A Redis that is not there is looked for again and again."""
        self._runtime.spawn(self._keep, self._listen)
        self._runtime.spawn(self._keep, self._send)

    def stop(self) -> None:
        """End; hints that wait are lost, which costs the others a look."""
        self._stopped = True
        self._news.set()

    def carry(self, topics: Iterable[str]) -> None:
        """Tell the other nodes, soon. Does not wait."""
        with self._lock:
            if len(self._pending) < MOST_PENDING:
                self._pending.update(dict.fromkeys(topics))
        self._news.set()

    def _keep(self, work: Callable[[], None]) -> None:
        """Do ``work`` until told to stop, with a pause after each failure."""
        pause_s = FIRST_PAUSE_S
        while not self._stopped:
            try:
                work()
                pause_s = FIRST_PAUSE_S
            except (redis.RedisError, OSError) as error:
                self._lost(error)
                self._runtime.sleep(pause_s)
                pause_s = min(MOST_PAUSE_S, pause_s * 2)
            except Exception:
                log.exception("hints between nodes failed")
                self._runtime.sleep(MOST_PAUSE_S)

    def _lost(self, error: Exception) -> None:
        if self.connected is not False:
            # Only the kind: what Redis or the system says may repeat the address, password and all.
            log.warning("Redis does not answer (%s): nodes look into the database meanwhile", type(error).__name__)
        self.connected = False

    def _listen(self) -> None:
        pubsub: Any = self._client.pubsub
        with pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(CHANNEL)
            while not self._stopped:
                message: Any = channel.get_message(timeout=LISTEN_S)
                if channel.subscribed and not self.connected:
                    self.connected = True
                    log.info("hints between nodes go over Redis")
                topics = read_hint(message["data"], self._node_id) if message else ()
                if topics:
                    self._heard(topics)

    def _send(self) -> None:
        while not self._stopped:
            self._news.wait()
            self._news.clear()
            self._runtime.sleep(GATHER_S)
            with self._lock:
                topics, self._pending = list(self._pending), {}
            for start in range(0, len(topics), MOST_TOPICS):
                part = topics[start : start + MOST_TOPICS]
                self._client.publish(CHANNEL, json.dumps({"v": VERSION, "from": self._node_id, "topics": part}))
