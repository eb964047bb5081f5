"""Calls a handler of whatever kind: a function, a generator, and the same two with ``async``."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import operator
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Any, Protocol, TypeVar

from project.worker.job import Job, Result

Handler = Callable[[Job], Any]
Chunk = Callable[[str], None]
T = TypeVar("T")


def found(handler: Handler | str) -> Handler:
    """A handler, or the one that ``"module:name"`` names. Raises ValueError for a text that names none."""
    if not isinstance(handler, str):
        return handler
    module, _, name = handler.partition(":")
    try:
        named: Handler = operator.attrgetter(name)(importlib.import_module(module))
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{handler!r} names no handler, as 'module:name' would: {error}") from error
    return named


class Executor(Protocol):
    """Where a handler runs."""

    def start(self) -> None:
        """Make ready to run; returns when it is. Raises HandlerUnusable."""

    def run(self, job: Job, chunk: Chunk) -> Result:
        """Run the handler, giving pieces of text to ``chunk`` as they come. Raises whatever the handler raises."""

    def close(self) -> None:
        """End, and whatever runs with it."""


class InThread:
    """Runs a handler in the thread that asks; ``async`` ones on a loop of their own, all on the same one.

    An ``async`` handler whose request is cancelled gets ``asyncio.CancelledError`` at its next ``await``.
    """

    def __init__(self, handler: Handler):
        self._handler = handler
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """See the protocol."""

    def close(self) -> None:
        """See the protocol."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def run(self, job: Job, chunk: Chunk) -> Result:
        """See the protocol."""
        returned = self._handler(job)
        pieces = _Pieces(chunk)
        if inspect.isgenerator(returned):
            return pieces.gather(job, returned)
        if inspect.isasyncgen(returned):
            return self._wait(job, pieces.gather_async(returned))
        if inspect.isawaitable(returned):
            returned = self._wait(job, _awaited(returned))
        return _as_result(returned)

    def _wait(self, job: Job, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns; once it has ended for certain, also when the request is cancelled."""
        loop = self._running_loop()

        async def cancellable() -> T:
            task = asyncio.current_task()
            assert task is not None
            job.when_cancelled(lambda: loop.call_soon_threadsafe(task.cancel))
            return await coroutine

        return asyncio.run_coroutine_threadsafe(cancellable(), loop).result()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="handlers", daemon=True).start()
            return self._loop


class _Pieces:
    """What a generator yields: texts, which are shown as they come, and perhaps a Result or a dictionary beside."""

    def __init__(self, chunk: Chunk):
        self._chunk = chunk
        self._texts: list[str] = []
        self._beside = Result()

    def gather(self, job: Job, pieces: Generator[Any, Any, Any]) -> Result:
        try:
            for piece in pieces:
                if job.cancelled:
                    break
                self._take(piece)
        finally:
            pieces.close()
        return self._result()

    async def gather_async(self, pieces: AsyncGenerator[Any, Any]) -> Result:
        try:
            async for piece in pieces:
                self._take(piece)
        finally:
            await pieces.aclose()
        return self._result()

    def _take(self, piece: Any) -> None:
        if isinstance(piece, (Result, Mapping)):
            self._beside = _as_result(piece)
            return
        text = str(piece)
        self._chunk(text)
        self._texts.append(text)

    def _result(self) -> Result:
        return Result({"text_output": "".join(self._texts), **self._beside.values}, self._beside.files)


async def _awaited(value: Awaitable[T]) -> T:
    return await value


def _as_result(value: Any) -> Result:
    if isinstance(value, Result):
        return value
    if isinstance(value, Mapping):
        return Result(value)
    if isinstance(value, str):
        return Result({"text_output": value})
    raise TypeError(f"the handler returned {type(value).__name__}; return a dictionary, a text or a Result")
