"""Messages as agents' front ends send them. The same seed gives the same messages, but for their timestamps."""

from __future__ import annotations

import random
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from project.load.errors import BadUsage

Message = dict[str, Any]

EVENT_TYPES: Final = (
    "agent:created",
    "agent:started",
    "agent:stopped",
    "agent:updated",
    "agent:deleted",
    "world:updated",
    "simulation:metrics",
    "system:alert",
)
COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "create": ("name", "template"),
    "start": (),
    "stop": ("reason",),
    "configure": ("name", "speed"),
    "move": ("x", "y"),
}
QUERIES: Final = ("agent_status", "system_metrics", "world_state", "active_agents", "event_history")
METRICS: Final = ("cpu_usage", "memory_usage", "message_rate", "agent_count", "response_time", "error_rate")


@cache
def _vocabulary() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """First names and words to choose from: made once, or a thousand users would cost a second of the run."""
    # Here, because its tables of names take longer to load than most commands need in all.
    from faker import Faker

    faker = Faker("en_US")
    faker.seed_instance(0)
    return tuple(faker.first_name() for _ in range(500)), tuple(faker.word() for _ in range(500))


class MessageGenerator(ABC):
    """Makes messages, one at each ``generate``. Derive from it and return ``self._add_metadata(message)``."""

    def __init__(self, seed: int | None = None, clock: Callable[[], float] = time.time):
        self.seed = random.SystemRandom().getrandbits(48) if seed is None else seed
        self.random = random.Random(self.seed)
        self._clock = clock
        self._made = 0

    @abstractmethod
    def generate(self) -> Message:
        """The next message."""

    def generate_batch(self, count: int) -> list[Message]:
        """The next ``count`` messages."""
        return [self.generate() for _ in range(count)]

    def __iter__(self) -> Iterator[Message]:
        while True:
            yield self.generate()

    def _add_metadata(self, message: Message) -> Message:
        """The message with ``metadata``: ``message_id`` (by the seed), ``sequence`` (from 1), ``timestamp`` (s)."""
        self._made += 1
        message_id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        metadata = {"message_id": message_id, "sequence": self._made, "timestamp": self._clock()}
        return {**message, "metadata": {**message.get("metadata", {}), **metadata}}

    def _agent(self) -> str:
        return f"agent-{self.random.randrange(1000):03d}"


class EventMessageGenerator(MessageGenerator):
    """Subscribes to kinds of events, and unsubscribes from some of those it has subscribed to."""

    def __init__(
        self,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
        event_types: Sequence[str] = EVENT_TYPES,
        unsubscribe_share: float = 0.3,
    ):
        super().__init__(seed, clock)
        if not event_types:
            raise BadUsage("there must be at least one kind of events")
        self._types = tuple(event_types)
        self._share = unsubscribe_share
        self._subscribed: list[str] = []

    def generate(self) -> Message:
        """``{type: subscribe | unsubscribe, event_types: [...]}``."""
        if self._subscribed and self.random.random() < self._share:
            gone = self._subscribed.pop(self.random.randrange(len(self._subscribed)))
            return self._add_metadata({"type": "unsubscribe", "event_types": [gone]})
        count = self.random.randint(1, min(3, len(self._types)))
        chosen = self.random.sample(self._types, count)
        self._subscribed += [name for name in chosen if name not in self._subscribed]
        return self._add_metadata({"type": "subscribe", "event_types": chosen})


class CommandMessageGenerator(MessageGenerator):
    """Commands to agents, with their parameters."""

    def __init__(self, seed: int | None = None, clock: Callable[[], float] = time.time):
        super().__init__(seed, clock)
        self._names, self._words = _vocabulary()

    def generate(self) -> Message:
        """``{type: agent_command, data: {command, agent_id, params}}``."""
        command = self.random.choice(tuple(COMMANDS))
        params = {name: self._parameter(name) for name in COMMANDS[command]}
        data = {"command": command, "agent_id": self._agent(), "params": params}
        return self._add_metadata({"type": "agent_command", "data": data})

    def _parameter(self, name: str) -> Any:
        if name in ("x", "y"):
            return self.random.randint(0, 100)
        if name == "speed":
            return round(self.random.uniform(0.1, 2.0), 2)
        return self.random.choice(self._names if name == "name" else self._words)


class QueryMessageGenerator(MessageGenerator):
    """Questions about the system's state."""

    def generate(self) -> Message:
        """``{type: query, data: {query_type, filters, limit}}``."""
        query = self.random.choice(QUERIES)
        filters: dict[str, Any] = {"agent_id": self._agent()} if query in ("agent_status", "event_history") else {}
        data = {"query_type": query, "filters": filters, "limit": self.random.choice((10, 25, 50, 100))}
        return self._add_metadata({"type": "query", "data": data})


class MonitoringMessageGenerator(MessageGenerator):
    """Begins, changes and ends the watching of metrics."""

    def generate(self) -> Message:
        """``{type: start_monitoring | update_monitoring | stop_monitoring, config: {metrics, sample_rate}}``."""
        kind = self.random.choice(("start_monitoring", "update_monitoring", "stop_monitoring"))
        if kind == "stop_monitoring":
            return self._add_metadata({"type": kind})
        chosen = self.random.sample(METRICS, self.random.randint(1, 4))
        config = {"metrics": chosen, "sample_rate": self.random.choice((0.5, 1.0, 2.0, 5.0))}
        return self._add_metadata({"type": kind, "config": config})


class MixedMessageGenerator(MessageGenerator):
    """A weighted mix of others; ``weights`` by the words ``event``, ``command``, ``query``, ``monitoring``."""

    DEFAULT_WEIGHTS: Final[Mapping[str, float]] = {"event": 0.3, "command": 0.25, "query": 0.3, "monitoring": 0.15}

    def __init__(
        self,
        weights: Mapping[str, float] | None = None,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
    ):
        super().__init__(seed, clock)
        chosen = dict(self.DEFAULT_WEIGHTS if weights is None else weights)
        unknown = set(chosen) - set(BASIC)
        if unknown or not chosen or min(chosen.values()) < 0 or not sum(chosen.values()):
            raise BadUsage(f"weights are numbers from 0, not all 0, by the words {', '.join(BASIC)}")
        self._parts = [BASIC[name](self.seed + place, clock) for place, name in enumerate(chosen, start=1)]
        self._weights = list(chosen.values())

    def generate(self) -> Message:
        """The next message of a generator chosen by weight."""
        return self.random.choices(self._parts, self._weights)[0].generate()


class RealisticScenarioGenerator(MessageGenerator):
    """A person at work: logs on, looks around, works for a while by their ``profile``, looks at what came of it."""

    PROFILES: Final[Mapping[str, Mapping[str, float]]] = {
        "active": {"event": 0.15, "command": 0.5, "query": 0.3, "monitoring": 0.05},
        "regular": {"event": 0.25, "command": 0.25, "query": 0.4, "monitoring": 0.1},
        "passive": {"event": 0.4, "command": 0.05, "query": 0.25, "monitoring": 0.3},
    }
    THINK_S: Final[Mapping[str, float]] = {"active": 1.0, "regular": 5.0, "passive": 15.0}
    """Seconds such a person pauses between two messages, on average."""
    OPENING: Final = ("event", "query", "monitoring")
    SESSION: Final = (20, 60)
    """Messages between two openings."""

    def __init__(self, profile: str = "regular", seed: int | None = None, clock: Callable[[], float] = time.time):
        super().__init__(seed, clock)
        if profile not in self.PROFILES:
            raise BadUsage(f"a user is {', '.join(self.PROFILES)}, not {profile!r}")
        self.profile = profile
        self._parts = {name: make(self.seed + place, clock) for place, (name, make) in enumerate(BASIC.items(), 1)}
        self._ahead: list[str] = []

    def generate(self) -> Message:
        """The next message of the session."""
        if not self._ahead:
            weights = self.PROFILES[self.profile]
            length = self.random.randint(*self.SESSION)
            work = self.random.choices(tuple(weights), tuple(weights.values()), k=length)
            self._ahead = [*self.OPENING, *work, "query"][::-1]
        return self._parts[self._ahead.pop()].generate()


BASIC: Final[dict[str, Callable[[int | None, Callable[[], float]], MessageGenerator]]] = {
    "event": EventMessageGenerator,
    "command": CommandMessageGenerator,
    "query": QueryMessageGenerator,
    "monitoring": MonitoringMessageGenerator,
}


class PingGenerator(MessageGenerator):
    """The least message there is, the same again and again: for measuring, not for pretending."""

    _MESSAGE: Final[Message] = {"type": "ping"}

    def generate(self) -> Message:
        """``{type: ping}``."""
        return self._MESSAGE


GENERATORS: Final[dict[str, Callable[[int], MessageGenerator]]] = {
    "ping": lambda seed: PingGenerator(seed),
    "event": lambda seed: EventMessageGenerator(seed),
    "command": lambda seed: CommandMessageGenerator(seed),
    "query": lambda seed: QueryMessageGenerator(seed),
    "monitoring": lambda seed: MonitoringMessageGenerator(seed),
    "mixed": lambda seed: MixedMessageGenerator(seed=seed),
    "realistic": lambda seed: RealisticScenarioGenerator(seed=seed),
}
"""By the word of ``--messages``."""
