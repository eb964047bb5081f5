"""What every server does at its door, whatever the async mode: count connections, and read requests against time.

A server's own timeout is for one wait. Whoever sends a byte now and then never meets it, so a request's head has a
deadline as a whole, and a body a least pace. Nothing here may make a lock or a socket when it is imported: the
bootstrap imports it.
"""

from __future__ import annotations

import errno
import io
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

MOST_HEAD_BYTES: Final = 128 * 1024
"""Far above the 64 KB of headers that the servers take; here a head without an end stops."""
SPARE_DESCRIPTORS: Final = 200
"""For the database, files that are read and written, and what libraries open: without them nobody can be served."""
PAUSE_S: Final = 0.1
MOST_LINE_BYTES: Final = 64 * 1024
LEAST_BODY_BYTES_PER_S: Final = 1024
"""Slower than any network people use, fast enough that a held connection costs whoever holds it."""


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """``idle_s``: how long the next byte, and a whole head, may take. Zero connections per address: no such cap."""

    idle_s: float = 15.0
    most_connections: int = 5000
    most_per_address: int = 2000


class PatientListener:
    """A listening socket whose ``accept`` outlives a moment without descriptors or memory, and a caller who hung up.

    eventlet's server ends with the first error of ``accept``, and one visitor with many connections can cause it.
    """

    def __init__(self, listener: socket.socket, sleep: Callable[[float], None] | None = None):
        self._listener = listener
        # This module is imported before the patch: what ``time.sleep`` is by then would hold up everybody.
        self._sleep = sleep or time.sleep

    def accept(self) -> Any:
        """The next connection and its address. Raises OSError only when the listener itself is closed."""
        while True:
            try:
                return self._listener.accept()
            except OSError as error:
                if error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                    raise
                self._sleep(PAUSE_S)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)


def places(wanted: int) -> int:
    """How many connections can be open at once: as many as wanted, if the system gives this process the descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - SPARE_DESCRIPTORS))


class Doorman:
    """Counts the open connections, in all and by address."""

    def __init__(self, settings: DoorSettings):
        self._most = settings.most_connections
        self._most_per_address = settings.most_per_address
        self._open: Counter[str] = Counter()
        self._total = 0
        self._lock = threading.Lock()

    def enter(self, address: str) -> bool:
        """Whether one more connection of that address is taken; if so, ``leave`` must follow."""
        with self._lock:
            full = self._total >= self._most
            if full or (self._most_per_address and self._open[address] >= self._most_per_address):
                return False
            self._open[address] += 1
            self._total += 1
            return True

    def leave(self, address: str) -> None:
        """A connection that had entered is closed."""
        with self._lock:
            self._total -= 1
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


class TimedReader(io.RawIOBase):
    """The reading side of a connection. Raises TimeoutError when the other end takes too long or says too much.

    ``begin_head`` before each request, ``begin_body`` once its head is read; ``clock`` is monotonic, in seconds.
    """

    def __init__(self, sock: Any, idle_s: float, clock: Callable[[], float] = time.monotonic):
        self._sock = sock
        self._idle_s = idle_s
        self._clock = clock
        self._deadline: float | None = None
        self._bytes = 0
        self._waited_s = 0.0
        self.begin_head()

    def readable(self) -> bool:
        """Always."""
        return True

    def begin_head(self) -> None:
        """A request may come now: all of its head before the deadline."""
        self._deadline = self._clock() + self._idle_s
        self._bytes = 0

    def begin_body(self) -> None:
        """The head is read: what follows must keep a pace, not counting the time the site takes to read it."""
        self._deadline = None
        self._bytes, self._waited_s = 0, 0.0

    def readinto(self, buffer: Any) -> int:
        """Read what is there, waiting no longer than the request has left."""
        left_s = self._left_s()
        if left_s <= 0:
            raise TimeoutError("the request took too long")
        self._sock.settimeout(min(left_s, self._idle_s))
        began = self._clock()
        try:
            count: int = self._sock.recv_into(buffer)
        finally:
            self._waited_s += self._clock() - began
            self._sock.settimeout(self._idle_s)
        self._bytes += count
        if self._deadline is not None and self._bytes > MOST_HEAD_BYTES:
            raise TimeoutError("the head of the request has no end")
        return count

    def _left_s(self) -> float:
        if self._deadline is not None:
            return self._deadline - self._clock()
        return self._idle_s + self._bytes / LEAST_BODY_BYTES_PER_S - self._waited_s


class RequestFile(io.BufferedReader):
    """What a server reads requests from: a line without an end does not fill the memory."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line, or its first 64 KB."""
        return super().readline(size if size is not None and 0 <= size < MOST_LINE_BYTES else MOST_LINE_BYTES)
