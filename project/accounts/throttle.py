"""Slowing down those who guess. What is counted and how long a wait is: ``core.throttling``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from project.clock import Clock
from project.core.throttling import FORGET_S, Bucket, network
from project.errors import NotAllowed, TooManyAttempts
from project.storage.port import ThrottleStore

FREE_FOR_A_PAIR: Final = 10
FREE_FOR_AN_ADDRESS: Final = 50
FREE_FOR_A_NAME: Final = 50
FREE_SECRETS: Final = 20
FREE_ACCOUNTS: Final = 20


class Throttle:
    """Counts failures; shared by every node, kept over restarts."""

    def __init__(self, store: ThrottleStore, clock: Clock):
        self._store = store
        self._clock = clock

    @contextmanager
    def guessing(self, what: str, name: str, address: str, *, known: bool = False) -> Iterator[None]:
        """Around one attempt to prove to be ``name``: it counts unless the block ends without NotAllowed.

        ``known``: this person has a login from that address already, so what others do there or elsewhere does not
        matter. Raises TooManyAttempts, with the time to wait, without running the block.
        """
        pair = Bucket(_key(what, name.casefold(), network(address)), FREE_FOR_A_PAIR)
        buckets = [pair]
        if not known:
            buckets.append(Bucket(_key(what, network(address)), FREE_FOR_AN_ADDRESS, most_s=60.0))
            buckets.append(Bucket(_key(what, name.casefold()), FREE_FOR_A_NAME, only_after=pair.key))
        self._count(buckets)
        others = [bucket.key for bucket in buckets[1:]]
        try:
            yield
        except NotAllowed:
            raise
        except BaseException:
            # Not a wrong guess: the store was locked, the field was malformed.
            self._store.settle(give_back=[pair.key, *others])
            raise
        self._store.settle(clear=[pair.key], give_back=others)

    def wrong_secret(self, what: str, address: str) -> None:
        """A worker token or an API key was wrong. Raises TooManyAttempts beyond a few of one address.

        A right one is never asked to wait: nobody guesses 256 bits, and a wait would only hit its owner.
        """
        self._count([Bucket(_key(what, network(address)), FREE_SECRETS)])

    def new_account(self, address: str) -> None:
        """Somebody makes an account. Raises TooManyAttempts beyond a few from one address, as each has a quota anew."""
        self._count([Bucket(_key("account", network(address)), FREE_ACCOUNTS)])

    def purge(self) -> None:
        """Forget buckets that are empty by now."""
        self._store.purge(self._clock() - FORGET_S)

    def _count(self, buckets: list[Bucket]) -> None:
        wait = self._store.attempt(buckets, now=self._clock())
        if wait:
            raise TooManyAttempts(retry_after_s=wait)


def _key(what: str, *parts: str) -> str:
    """A bucket's name. People type passwords into the field of the name, so none of it is kept readable."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{what}{len(parts)}:{digest[:40]}"
