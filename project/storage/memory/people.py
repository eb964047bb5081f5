"""API keys, second factors, throttles and the audit log in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from project.core.model import User
from project.core.people import ApiKey, AuditEntry, AuditFilter, SecondFactor
from project.core.throttling import Bucket, Tally, counted, wait_s


class MemoryKeys:
    """``KeyStore`` in memory; ``user`` finds a key's owner."""

    def __init__(self, lock: threading.RLock, user: Callable[[str], User | None]) -> None:
        self._lock = lock
        self._user = user
        self._keys: dict[str, ApiKey] = {}

    def add(self, key: ApiKey) -> None:
        """See the port."""
        with self._lock:
            self._keys[key.id] = key

    def of_user(self, user_id: str) -> tuple[ApiKey, ...]:
        """See the port."""
        with self._lock:
            found = [key for key in self._keys.values() if key.user_id == user_id]
        return tuple(sorted(found, key=lambda key: (-key.created_at, key.id)))

    def find(self, key_hash: str, *, now: float) -> tuple[ApiKey, User] | None:
        """See the port."""
        with self._lock:
            key = next((key for key in self._keys.values() if key.key_hash == key_hash), None)
            user = self._user(key.user_id) if key is not None else None
            if key is None or user is None or user.disabled or not key.is_live(now):
                return None
            return key, user

    def touch(self, key_id: str, *, now: float) -> None:
        """See the port."""
        with self._lock:
            if key_id in self._keys:
                self._keys[key_id] = replace(self._keys[key_id], last_used_at=now)

    def revoke(self, user_id: str, key_id: str, *, now: float) -> bool:
        """See the port."""
        return bool(self._revoke(lambda key: key.user_id == user_id and key.id == key_id, now))

    def revoke_all(self, user_id: str, *, now: float) -> int:
        """See the port."""
        return self._revoke(lambda key: key.user_id == user_id, now)

    def _revoke(self, chosen: Callable[[ApiKey], bool], now: float) -> int:
        with self._lock:
            live = [key for key in self._keys.values() if chosen(key) and key.revoked_at is None]
            for key in live:
                self._keys[key.id] = replace(key, revoked_at=now)
            return len(live)


class MemoryFactors:
    """``FactorStore`` in memory."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._factors: dict[str, SecondFactor] = {}

    def get(self, user_id: str) -> SecondFactor | None:
        """See the port."""
        return self._factors.get(user_id)

    def put(self, factor: SecondFactor) -> None:
        """See the port."""
        with self._lock:
            self._factors[factor.user_id] = factor

    def remove(self, user_id: str) -> bool:
        """See the port."""
        with self._lock:
            return self._factors.pop(user_id, None) is not None

    def use_step(self, user_id: str, step: int) -> bool:
        """See the port."""
        with self._lock:
            factor = self._factors.get(user_id)
            if factor is None or factor.last_step >= step:
                return False
            self._factors[user_id] = replace(factor, last_step=step)
            return True

    def use_recovery(self, user_id: str, code_hash: str) -> bool:
        """See the port."""
        with self._lock:
            factor = self._factors.get(user_id)
            if factor is None or code_hash not in factor.recovery:
                return False
            rest = tuple(code for code in factor.recovery if code != code_hash)
            self._factors[user_id] = replace(factor, recovery=rest)
            return True


class MemoryThrottles:
    """``ThrottleStore`` in memory."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._tallies: dict[str, Tally] = {}

    def attempt(self, buckets: Sequence[Bucket], *, now: float) -> float:
        """See the port."""
        with self._lock:
            wait = wait_s(buckets, self._tallies, now)
            if not wait:
                for bucket in buckets:
                    self._tallies[bucket.key] = counted(self._tallies.get(bucket.key), now)
            return wait

    def settle(self, *, clear: Collection[str] = (), give_back: Collection[str] = ()) -> None:
        """See the port."""
        with self._lock:
            for key in clear:
                self._tallies.pop(key, None)
            for key in give_back:
                tally = self._tallies.get(key)
                if tally is not None and tally.failures > 0:
                    self._tallies[key] = replace(tally, failures=tally.failures - 1)

    def purge(self, before: float) -> int:
        """See the port."""
        with self._lock:
            count = len(self._tallies)
            self._tallies = {key: tally for key, tally in self._tallies.items() if tally.at >= before}
            return count - len(self._tallies)


class MemoryAudit:
    """``AuditStore`` in memory."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._entries: list[AuditEntry] = []
        self._last = 0

    def add(self, entry: AuditEntry) -> None:
        """See the port."""
        with self._lock:
            self._last += 1
            self._entries.append(replace(entry, id=self._last))

    def page(self, chosen: AuditFilter, *, limit: int, before_id: int | None = None) -> tuple[AuditEntry, ...]:
        """See the port."""
        with self._lock:
            found = [
                entry
                for entry in reversed(self._entries)
                if (before_id is None or entry.id < before_id) and _is_chosen(entry, chosen)
            ]
        return tuple(found[:limit])

    def purge(self, *, before: float, most: int) -> int:
        """See the port."""
        with self._lock:
            kept = [entry for entry in self._entries[-most:] if entry.at >= before]
            count = len(self._entries) - len(kept)
            self._entries = kept
            return count


def _is_chosen(entry: AuditEntry, chosen: AuditFilter) -> bool:
    return (
        chosen.kind in ("", entry.kind)
        and chosen.actor.casefold() in ("", entry.actor.casefold())
        and chosen.subject.casefold() in ("", entry.subject.casefold())
        and (chosen.since is None or entry.at >= chosen.since)
        and (chosen.until is None or entry.at < chosen.until)
    )
