"""Spaces and presence in memory, and the whole store."""

from __future__ import annotations

import threading
from dataclasses import replace

from project.core.model import Request, Space, SpaceSettings, Worker, WorkerToken
from project.storage.memory.accounts import MemoryAccounts
from project.storage.memory.batches import MemoryBatches
from project.storage.memory.calls import MemoryCalls
from project.storage.memory.inbox import MemoryInbox
from project.storage.memory.people import MemoryAudit, MemoryFactors, MemoryKeys, MemoryThrottles
from project.storage.memory.requests import MemoryRequests
from project.storage.memory.runs import MemoryRuns
from project.storage.port import Store


class MemorySpaces:
    """``SpaceStore`` in memory."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._spaces: dict[str, Space] = {}
        self._tokens: dict[str, WorkerToken] = {}
        self.requests = MemoryRequests(self._spaces.__contains__, lock)

    def add(self, space: Space) -> None:
        """See the port."""
        with self._lock:
            self._spaces[space.id] = space

    def change(self, space_id: str, settings: SpaceSettings) -> Space | None:
        """See the port."""
        with self._lock:
            if space_id not in self._spaces:
                return None
            self._spaces[space_id] = replace(self._spaces[space_id], settings=settings)
            return self._spaces[space_id]

    def remove(self, space_id: str, *, now: float) -> tuple[Request, ...]:
        """See the port."""
        with self._lock:
            self._spaces.pop(space_id, None)
            self._tokens = {key: token for key, token in self._tokens.items() if token.space_id != space_id}
            return self.requests.cancel_where(lambda r: r.space_id == space_id, now=now, code="space_deleted")

    def get(self, space_id: str) -> Space | None:
        """See the port."""
        return self._spaces.get(space_id)

    def named(self, name: str) -> tuple[Space, ...]:
        """See the port."""
        return tuple(space for space in self.all() if space.name == name)

    def all(self) -> tuple[Space, ...]:
        """See the port."""
        with self._lock:
            return tuple(sorted(self._spaces.values(), key=lambda space: (-space.created_at, space.id)))

    def add_token(self, token: WorkerToken) -> None:
        """See the port."""
        with self._lock:
            self._tokens[token.id] = token

    def tokens(self, space_id: str) -> tuple[WorkerToken, ...]:
        """See the port."""
        with self._lock:
            found = [token for token in self._tokens.values() if token.space_id == space_id]
        return tuple(sorted(found, key=lambda token: (-token.created_at, token.id)))

    def use_token(self, token_hash: str, *, now: float) -> WorkerToken | None:
        """See the port."""
        with self._lock:
            for token in self._tokens.values():
                if token.token_hash == token_hash and token.revoked_at is None:
                    self._tokens[token.id] = replace(token, last_used_at=now)
                    return self._tokens[token.id]
        return None

    def revoke_token(self, token_id: str, *, now: float) -> bool:
        """See the port."""
        with self._lock:
            token = self._tokens.get(token_id)
            if token is None or token.revoked_at is not None:
                return False
            self._tokens[token_id] = replace(token, revoked_at=now)
            return True

    def live_tokens(self) -> frozenset[str]:
        """See the port."""
        with self._lock:
            return frozenset(token.id for token in self._tokens.values() if token.revoked_at is None)


class MemoryPresence:
    """``PresenceStore`` in memory."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._beats: dict[str, float] = {}
        self._workers: dict[str, Worker] = {}
        self._absences: dict[str, float] = {}

    def beat(self, node_id: str, *, now: float) -> None:
        """See the port."""
        with self._lock:
            self._beats[node_id] = now

    def end_node(self, node_id: str, *, now: float) -> None:
        """See the port."""
        with self._lock:
            self._absences |= {w.space_id: now for w in self._workers.values() if w.node_id == node_id}
            self._beats.pop(node_id, None)
            self._workers = {key: worker for key, worker in self._workers.items() if worker.node_id != node_id}

    def nodes(self, *, now: float, stale_after_s: float = 15.0) -> frozenset[str]:
        """See the port."""
        with self._lock:
            return frozenset(node_id for node_id, at in self._beats.items() if at > now - stale_after_s)

    def join(self, worker: Worker, *, most: int | None = None) -> bool:
        """See the port."""
        with self._lock:
            others = {
                key: other
                for key, other in self._workers.items()
                if key != worker.connection_id
                and not (worker.worker_id and (other.worker_id, other.space_id) == (worker.worker_id, worker.space_id))
            }
            there = [other for other in others.values() if other.space_id == worker.space_id]
            if most is not None and sum(not other.draining for other in there) >= most:
                return False
            self._workers = {**others, worker.connection_id: worker}
            return True

    def of_node(self, node_id: str) -> frozenset[str]:
        """See the port."""
        with self._lock:
            return frozenset(key for key, worker in self._workers.items() if worker.node_id == node_id)

    def leave(self, connection_id: str, *, now: float) -> None:
        """See the port."""
        with self._lock:
            worker = self._workers.pop(connection_id, None)
            if worker is not None:
                self._absences[worker.space_id] = now

    def away_since(self, space_id: str) -> float | None:
        """See the port."""
        return self._absences.get(space_id)

    def set_draining(self, connection_id: str) -> None:
        """See the port."""
        with self._lock:
            if connection_id in self._workers:
                self._workers[connection_id] = replace(self._workers[connection_id], draining=True)

    def workers(self, space_id: str | None = None, *, now: float, stale_after_s: float = 15.0) -> tuple[Worker, ...]:
        """See the port."""
        with self._lock:
            found = [
                worker
                for worker in self._workers.values()
                if space_id in (None, worker.space_id)
                and worker.node_id in self._beats
                and self._beats[worker.node_id] > now - stale_after_s
            ]
        return tuple(sorted(found, key=lambda worker: (worker.connected_at, worker.connection_id)))

    def stale(self, *, now: float, stale_after_s: float = 15.0) -> tuple[str, ...]:
        """See the port."""
        with self._lock:
            live = self.nodes(now=now, stale_after_s=stale_after_s)
            return tuple(key for key, worker in self._workers.items() if worker.node_id not in live)

    def clear_stale(self, *, now: float, stale_after_s: float = 15.0) -> None:
        """See the port."""
        with self._lock:
            for key in self.stale(now=now, stale_after_s=stale_after_s):
                worker = self._workers.pop(key)
                self._absences[worker.space_id] = self._beats.get(worker.node_id, now)
            self._beats = {node: at for node, at in self._beats.items() if at > now - stale_after_s}


def memory_store() -> Store:
    """A new, empty store."""
    lock = threading.RLock()
    spaces, accounts = MemorySpaces(lock), MemoryAccounts(lock)
    return Store(
        requests=spaces.requests,
        spaces=spaces,
        accounts=accounts,
        keys=MemoryKeys(lock, accounts.user),
        factors=MemoryFactors(lock),
        throttles=MemoryThrottles(lock),
        audit=MemoryAudit(lock),
        presence=MemoryPresence(lock),
        calls=MemoryCalls(spaces.requests.all, lock),
        inbox=MemoryInbox(lock),
        runs=MemoryRuns(lock),
        batches=MemoryBatches(lock),
    )
