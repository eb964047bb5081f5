"""How long somebody who failed must wait before trying again.

A failure is counted in several buckets at once (the account as seen from one address, the address, the account as a
whole). Each lets some failures pass and then asks for a wait that doubles. Only attempts that were let through are
counted, so hammering on a closed door does not keep it closed for longer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

FORGET_S: Final = 3600.0
"""A bucket that was left alone for so long is empty."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Failures in a bucket, and when the last one was counted."""

    failures: int
    at: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place where failures are counted: ``free`` of them cost nothing, then waits double up to ``most_s``.

    ``only_after`` names another bucket: while that one is empty, this one does not stop anybody. So an attack on an
    account from everywhere does not keep out its owner, who comes from an address where nothing went wrong yet.
    """

    key: str
    free: int
    most_s: float = 300.0
    only_after: str = ""


def wait_s(buckets: Sequence[Bucket], tallies: Mapping[str, Tally], now: float) -> float:
    """Seconds to wait before an attempt may be made; 0 when it may be made now."""
    waits = [_wait(bucket, tallies.get(bucket.key), now) for bucket in buckets if _stops(bucket, tallies, now)]
    return max(waits, default=0.0)


def counted(tally: Tally | None, now: float) -> Tally:
    """The tally after one more failure."""
    before = 0 if tally is None or _is_old(tally, now) else tally.failures
    return Tally(before + 1, now)


def _stops(bucket: Bucket, tallies: Mapping[str, Tally], now: float) -> bool:
    if not bucket.only_after:
        return True
    first = tallies.get(bucket.only_after)
    return first is not None and first.failures > 0 and not _is_old(first, now)


def _wait(bucket: Bucket, tally: Tally | None, now: float) -> float:
    if tally is None or tally.failures < bucket.free or _is_old(tally, now):
        return 0.0
    over = min(tally.failures - bucket.free, 30)
    return max(0.0, tally.at + min(bucket.most_s, 2.0**over) - now)


def _is_old(tally: Tally, now: float) -> bool:
    return tally.at + FORGET_S <= now


def network(address: str) -> str:
    """The part of an address that one person cannot change at will: all of an IPv4 one, half of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
