"""Where a handler runs: in threads of the worker, or each in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from project.worker.calling import Executor, Handler, InThread, found
from project.worker.isolation import InProcess

Isolation = Literal["thread", "process"]


def executors_of(handler: Handler | str, isolation: Isolation, concurrency: int) -> Sequence[Executor]:
    """As many places to run ``handler`` as it may run at once. Raises ValueError for what cannot be."""
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
    if isolation == "thread":
        return [InThread(found(handler))] * concurrency
    if isolation == "process":
        return [InProcess(handler) for _ in range(concurrency)]
    raise ValueError("isolation must be 'thread' or 'process'")
