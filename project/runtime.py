"""How the site waits, starts tasks and leaves the event loop, whatever the async mode.

After ``project.bootstrap.patch`` the standard ``threading`` module *is* the mode's own: its threads are tasks of the
loop and its events yield to the loop. What differs is how to get a thread that is really one of the system's, and
how such a thread reaches back; that is all this module adds.
"""

from __future__ import annotations

import _socket
import _thread
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

import greenlet

from project.errors import SpacesError

T = TypeVar("T")


class Event(Protocol):
    """What the site uses of an event, in whatever mode."""

    def set(self) -> None:
        """It has happened: wake who waits."""

    def clear(self) -> None:
        """It may happen again."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has happened, at most ``timeout`` seconds; whether it has."""


class Bit(Protocol):
    """What runs between two waits, for whoever counts its time (``project.shares``)."""

    def stop(self, *, resting: bool) -> None:
        """It begins to wait: for the site's own work, or ``resting``, for somebody else to do something."""

    def go_on(self) -> None:
        """It has waited, and may have to wait for its turn now."""

    def charge(self, used_s: float) -> None:
        """So much was done for it elsewhere."""


current_bit: Final[ContextVar[Bit | None]] = ContextVar("current_bit", default=None)
"""The bit that runs here, if anybody counts."""


def waited(wait: Callable[[], T], *, resting: bool = False) -> T:
    """What ``wait`` returns, whose time is nobody's."""
    bit = current_bit.get()
    if bit is None:
        return wait()
    bit.stop(resting=resting)
    try:
        return wait()
    finally:
        bit.go_on()


def give_way() -> None:
    """In the midst of long work: let others go first, if what runs here has had its share."""
    waited(lambda: None)


class Completion(Generic[T]):
    """A value that a native thread delivers to the loop. Wait for it, or be called when it is there."""

    __slots__ = ("_error", "_listeners", "_new_event", "_settled", "_value")

    def __init__(self, new_event: Callable[[], Event]) -> None:
        self._new_event = new_event
        self._settled = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._listeners: list[Callable[[Completion[T]], None]] = []

    def wait(self) -> T:
        """The value, or the error raised; yields to the loop meanwhile."""
        if not self._settled:
            # Most completions are only listened to: an event is made when it is needed.
            settled = self._new_event()
            self.on_done(lambda _: settled.set())
            waited(settled.wait)
        return self.result()

    def result(self) -> T:
        """The value of a completion that is done."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def on_done(self, listener: Callable[[Completion[T]], None]) -> None:
        """Call ``listener`` on the loop when done (at once if it is); it must be short and must not wait."""
        self._listeners.append(listener)
        if self._settled:
            self._notify()

    def deliver(self, value: T | None, error: BaseException | None = None) -> None:
        """Settle it. To be called on the loop: see ``Runtime.post``."""
        self._value, self._error = value, error
        self._settled = True
        self._notify()

    def _notify(self) -> None:
        while self._listeners:
            self._listeners.pop(0)(self)


class Runtime:
    """The async mode's way to wait and to run. One per site, made by ``make_runtime``.

    ``event`` makes an event of the loop: set and awaited by its tasks only.
    """

    def __init__(
        self,
        mode: str,
        start_task: Callable[..., Any],
        start_native: Callable[..., Any],
        run_blocking: Callable[..., Any],
        new_event: Callable[[], Event],
    ):
        self.mode = mode
        self.event = new_event
        self._start_task = start_task
        self._start_native = start_native
        self._run_blocking = run_blocking
        self._posted: deque[Callable[[], None]] = deque()
        # A socket pair, not a pipe: every mode patches sockets, not every mode patches os.read.
        self._wake, self._signal = socket.socketpair()
        self._signalled = False
        self._reading = False

    def spawn(self, task: Callable[..., Any], *arguments: object) -> None:
        """Start a task of the loop."""
        self._start_task(task, *arguments)

    def sleep(self, seconds: float) -> None:
        """Let others run for ``seconds``."""
        waited(partial(time.sleep, seconds), resting=True)

    def run_blocking(self, work: Callable[..., T], *arguments: object) -> T:
        """Run ``work`` on a native thread and wait for it without holding up the loop."""
        bit = current_bit.get()
        result: T
        if bit is None or self.mode == "threading":
            result = self._run_blocking(work, *arguments)
            return result
        used: list[float] = []
        try:
            result = waited(partial(self._run_blocking, _timed, used, work, *arguments))
            return result
        finally:
            bit.charge(sum(used))

    def start_native(self, work: Callable[[], None]) -> None:
        """Start a thread of the system. It must touch nothing that the loop owns; ``post`` is its way back."""
        if not self._reading:
            self._reading = True
            self.spawn(self._read_posts)
        self._start_native(work, ())

    def post(self, call: Callable[[], None]) -> None:
        """From a native thread: have ``call`` run on the loop, soon, in the order of posting."""
        self._posted.append(call)
        if not self._signalled:
            self._signalled = True
            os.write(self._signal.fileno(), b"!")

    def _read_posts(self) -> None:
        while True:
            self._wake.recv(1)
            self._signalled = False
            while self._posted:
                self._posted.popleft()()


def _timed(used: list[float], work: Callable[..., T], *arguments: object) -> T:
    """Run ``work``, and note the processor's time it took on this thread."""
    began = time.thread_time()
    try:
        return work(*arguments)
    finally:
        used.append(time.thread_time() - began)


class _HubEvent:
    """An event of eventlet's hub. The patched ``threading.Event`` is four objects, each with locks of its own."""

    __slots__ = ("_get_hub", "_happened", "_waiting")

    def __init__(self, get_hub: Callable[[], Any]) -> None:
        self._get_hub = get_hub
        self._happened = False
        self._waiting: list[Any] = []

    def set(self) -> None:
        self._happened = True
        if self._waiting:
            hub = self._get_hub()
            for waiting in self._waiting:
                hub.schedule_call_global(0, self._resume, waiting)

    def clear(self) -> None:
        self._happened = False

    def wait(self, timeout: float | None = None) -> bool:
        if self._happened:
            return True
        hub, waiting = self._get_hub(), greenlet.getcurrent()
        self._waiting.append(waiting)
        timer = hub.schedule_call_global(timeout, self._resume, waiting) if timeout is not None else None
        try:
            hub.switch()
        finally:
            if timer is not None:
                timer.cancel()
            if waiting in self._waiting:
                self._waiting.remove(waiting)
        return self._happened

    def _resume(self, waiting: Any) -> None:
        # It may have been woken by the other of the two, time or event, a moment ago, and be waiting elsewhere.
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            waiting.switch()


def is_gone(connection: Any) -> bool:
    """Whether the other end of a connection has closed it; nothing that it sent is taken.

    The C library's own socket is asked, which no async mode patches: nothing waits. What is no socket is not gone.
    """
    if connection is None:
        return False
    try:
        asked = _socket.socket(fileno=os.dup(connection.fileno()))
    except (OSError, ValueError):
        return True
    try:
        return not asked.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        asked.close()


def make_runtime(mode: str) -> Runtime:
    """The runtime of an async mode; raises SpacesError for an unknown one."""
    if mode == "eventlet":
        from eventlet import hubs, patcher, spawn_n, tpool

        start_native = patcher.original("_thread").start_new_thread
        return Runtime(mode, spawn_n, start_native, tpool.execute, partial(_HubEvent, hubs.get_hub))
    if mode == "gevent":
        import gevent
        import gevent.event
        from gevent import monkey

        return Runtime(
            mode,
            partial(gevent.spawn, _uncounted),
            monkey.get_original("_thread", "start_new_thread"),
            lambda work, *arguments: gevent.get_hub().threadpool.apply(work, arguments),
            gevent.event.Event,
        )
    if mode == "threading":
        return Runtime(
            mode,
            _start_thread,
            _thread.start_new_thread,
            lambda work, *arguments: work(*arguments),
            threading.Event,
        )
    raise SpacesError(f"unknown async mode: {mode}")


def _uncounted(task: Callable[..., Any], *arguments: object) -> None:
    """gevent's tasks inherit the context of who starts them: what they do is their own."""
    current_bit.set(None)
    task(*arguments)


def _start_thread(task: Callable[..., Any], *arguments: object) -> None:
    threading.Thread(target=task, args=arguments, daemon=True).start()
