"""How the site waits, starts tasks and leaves the event loop, whatever the async mode.

After ``project.bootstrap.patch`` the standard ``threading`` module *is* the mode's own: its threads are tasks of the
loop and its events yield to the loop. What differs is how to get a thread that is really one of the system's, and
how such a thread reaches back; that is all this module adds.
"""

from __future__ import annotations

import _thread
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from project.errors import SpacesError

T = TypeVar("T")


class Completion(Generic[T]):
    """A value that a native thread delivers to the loop. Wait for it, or be called when it is there."""

    __slots__ = ("_error", "_listeners", "_settled", "_value")

    def __init__(self) -> None:
        self._settled = False
        self._value: T | None = None
        self._error: BaseException | None = None
        self._listeners: list[Callable[[Completion[T]], None]] = []

    def wait(self) -> T:
        """The value, or the error raised; yields to the loop meanwhile."""
        if not self._settled:
            # An event is dear under every mode, and most completions are only listened to: make one when it is needed.
            settled = threading.Event()
            self.on_done(lambda _: settled.set())
            settled.wait()
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
    """The async mode's way to wait and to run. One per site, made by ``make_runtime``."""

    def __init__(
        self,
        mode: str,
        start_task: Callable[..., Any],
        start_native: Callable[..., Any],
        run_blocking: Callable[..., Any],
    ):
        self.mode = mode
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
        time.sleep(seconds)

    def event(self) -> threading.Event:
        """An event of the loop."""
        return threading.Event()

    def run_blocking(self, work: Callable[..., T], *arguments: object) -> T:
        """Run ``work`` on a native thread and wait for it without holding up the loop."""
        result: T = self._run_blocking(work, *arguments)
        return result

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


def make_runtime(mode: str) -> Runtime:
    """The runtime of an async mode; raises SpacesError for an unknown one."""
    if mode == "eventlet":
        from eventlet import patcher, spawn_n, tpool

        return Runtime(mode, spawn_n, patcher.original("_thread").start_new_thread, tpool.execute)
    if mode == "gevent":
        import gevent
        from gevent import monkey

        return Runtime(
            mode,
            gevent.spawn,
            monkey.get_original("_thread", "start_new_thread"),
            lambda work, *arguments: gevent.get_hub().threadpool.apply(work, arguments),
        )
    if mode == "threading":
        return Runtime(mode, _start_thread, _thread.start_new_thread, lambda work, *arguments: work(*arguments))
    raise SpacesError(f"unknown async mode: {mode}")


def _start_thread(task: Callable[..., Any], *arguments: object) -> None:
    threading.Thread(target=task, args=arguments, daemon=True).start()
