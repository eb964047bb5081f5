"""Time as the engine sees it, and sleeping to the tenth of a millisecond.

An event loop's own timers are rounded up to whole milliseconds, which is more than many a target takes to answer.
Where the system has timer descriptors (Linux) one of them wakes the loop instead; elsewhere the loop's timers do.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import heapq
import os
import sys
import time
from types import TracebackType
from typing import Final

_MONOTONIC: Final = 1
_FLAGS: Final = 0o4000 | 0o2000000  # not blocking, closed on exec
LOOP_RESOLUTION_S: Final = 0.001


def now_us() -> int:
    """Microseconds of a clock that never jumps."""
    return time.perf_counter_ns() // 1000


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Timerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


class Sleeper:
    """Sleeps of many tasks on one timer descriptor. An asynchronous context manager of the running loop."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._heap: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = 0
        self._armed_us = 0
        self._libc: ctypes.CDLL | None = None

    async def __aenter__(self) -> Sleeper:
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._descriptor = self._libc.timerfd_create(_MONOTONIC, _FLAGS)
        if self._descriptor >= 0:
            asyncio.get_running_loop().add_reader(self._descriptor, self._wake)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        for _, _, future in self._heap:
            future.cancel()
        self._heap.clear()

    @property
    def is_precise(self) -> bool:
        """Whether sleeps end within a tenth of a millisecond on an idle machine."""
        return self._descriptor >= 0

    async def until(self, at_us: int) -> None:
        """Sleep until a time of ``now_us``; one in the past lets other tasks run once."""
        left_us = at_us - now_us()
        if left_us <= 0:
            await asyncio.sleep(0)
        elif self._descriptor < 0:
            await asyncio.sleep(left_us / 1e6)
        else:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._order += 1
            heapq.heappush(self._heap, (at_us, self._order, future))
            if not self._armed_us or at_us < self._armed_us:
                self._arm(at_us)
            await future

    async def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds."""
        await self.until(now_us() + int(seconds * 1e6))

    def _arm(self, at_us: int) -> None:
        assert self._libc is not None
        left_ns = max(1000, (at_us - now_us()) * 1000)
        spec = _Timerspec(_Timespec(0, 0), _Timespec(left_ns // 1_000_000_000, left_ns % 1_000_000_000))
        self._libc.timerfd_settime(self._descriptor, 0, ctypes.byref(spec), None)
        self._armed_us = at_us

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 8)
        self._armed_us = 0
        now = now_us()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].done()):
            _, _, future = heapq.heappop(self._heap)
            if not future.done():
                future.set_result(None)
        if self._heap:
            self._arm(self._heap[0][0])
