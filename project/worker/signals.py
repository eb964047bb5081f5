"""Ctrl+C and SIGTERM, obeyed on a thread of their own."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

OBEYED = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """While entered from the main thread, ``obey(number)`` is called for each signal; elsewhere it does nothing.

    A signal's handler may interrupt the main thread while that holds a lock, so it only puts the number into a queue
    that allows this. The second Ctrl+C does not wait for anybody: it raises KeyboardInterrupt.
    """

    def __init__(self, obey: Callable[[int], None]):
        self._obey = obey
        self._numbers: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._previous: dict[int, Any] = {}
        self._interrupted = False

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            threading.Thread(target=self._run, daemon=True).start()
            self._previous = {number: signal.signal(number, self._handle) for number in OBEYED}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._numbers.put(None)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = self._interrupted or number == signal.SIGINT
        self._numbers.put(number)

    def _run(self) -> None:
        while (number := self._numbers.get()) is not None:
            self._obey(number)
