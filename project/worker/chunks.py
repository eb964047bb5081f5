"""Pieces of text on their way to the site: the first at once, then what has come together, some times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from project.worker.job import Job

BETWEEN_S = 0.1
MOST_CHARS = 16_000
"""Of one message: a frame over 1 MB costs the connection."""


@dataclass(slots=True)
class _Stream:
    job: Job
    seq: int = 0
    sent_at: float = field(default=float("-inf"))
    waiting: list[str] = field(default_factory=list)


class Chunks:
    """Gathers what running jobs say, and sends it in time and in order. ``send(job, seq, text)``.

    A model may yield hundreds of pieces a second; each message costs the site a write.
    """

    def __init__(self, send: Callable[[Job, int, str], None], clock: Callable[[], float] = time.monotonic):
        self._send = send
        self._clock = clock
        self._streams: dict[str, _Stream] = {}
        # Held while sending, too, so that nothing overtakes.
        self._lock = threading.Lock()

    def put(self, job: Job, text: str) -> None:
        """The handler has said this."""
        with self._lock:
            stream = self._streams.get(job.id)
            if stream is None or stream.job is not job:
                stream = self._streams[job.id] = _Stream(job)
            stream.waiting.append(text)
            self._send_due(stream)

    def flush(self) -> None:
        """Send what may be sent by now. Called often."""
        with self._lock:
            for stream in self._streams.values():
                self._send_due(stream)

    def end(self, job: Job) -> None:
        """The handler is done: what is left goes out, before its result does."""
        with self._lock:
            stream = self._streams.get(job.id)
            if stream is not None and stream.job is job:
                del self._streams[job.id]
                self._send_all(stream)

    def _send_due(self, stream: _Stream) -> None:
        if stream.waiting and self._clock() - stream.sent_at >= BETWEEN_S:
            self._send_all(stream)

    def _send_all(self, stream: _Stream) -> None:
        text = "".join(stream.waiting)
        stream.waiting.clear()
        stream.sent_at = self._clock()
        if stream.job.cancelled:
            return
        for start in range(0, len(text), MOST_CHARS):
            stream.seq += 1
            self._send(stream.job, stream.seq, text[start : start + MOST_CHARS])
