"""Pieces of text on their way to the site: the first at once, then what has come together, some times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from project.wire import limits
from project.worker.errors import FINAL, UNUSABLE
from project.worker.job import Job

BETWEEN_S = 0.1
MOST_CHARS = 16_000
"""Of one message: a frame over 1 MB costs the connection."""
RESEND_S = 10.0
REFUSED_S = 1.0
"""When to send again what the site could not take for the moment."""
MOST_ENDED = 50
"""Texts of runs that are over, kept for a site that is away; the results have them all."""
Answer = Callable[[Any], None]
Send = Callable[[Job, int, str, Answer], object]


@dataclass(slots=True)
class _Stream:
    """One attempt's text. ``sent`` waits for its acknowledgement, ``waiting`` for its turn."""

    job: Job
    seq: int = 0
    chars: int = 0
    sent: dict[int, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    sent_at: float = field(default=float("-inf"))
    again_at: float = field(default=float("inf"))
    refused: bool = False
    ended: bool = False


class Chunks:
    """Gathers what running jobs say, and sends it in time, in order, and again until it is acknowledged.

    ``send(job, seq, text, answer)`` sends one piece. A model may yield hundreds of pieces a second, and each message
    costs the site a write. So the next one goes out when the last is acknowledged: what is lost with a line is sent
    again before anything newer, and the site, which goes by ``seq``, has each piece once. Only what is left at the end
    of a run does not wait: the result follows at once.
    """

    def __init__(self, send: Send, clock: Callable[[], float] = time.monotonic):
        self._send = send
        self._clock = clock
        self._streams: dict[Job, _Stream] = {}
        self._open = False
        # Held while sending, too, so that nothing overtakes.
        self._lock = threading.Lock()

    def put(self, job: Job, text: str) -> None:
        """The handler has said this. What goes beyond what a page is shown is left out."""
        with self._lock:
            if job.cancelled:
                return
            stream = self._streams.setdefault(job, _Stream(job))
            text = text[: limits.LIVE_TEXT_CHARS + 1 - stream.chars]
            if text:
                stream.chars += len(text)
                stream.waiting.append(text)
                self._send_due(stream)

    def flush(self) -> None:
        """Send what may be sent by now. Called often."""
        with self._lock:
            for stream in list(self._streams.values()):
                self._send_due(stream)

    def end(self, job: Job) -> None:
        """The handler is done: what is left goes out, before its result does, and is kept until ``forget``."""
        with self._lock:
            stream = self._streams.get(job)
            if stream is None:
                return
            stream.ended = True
            if job.cancelled:
                del self._streams[job]
            elif self._open:
                self._send_all(stream)
            ended = [each.job for each in self._streams.values() if each.ended]
            for oldest in ended[:-MOST_ENDED]:
                del self._streams[oldest]

    def forget(self, request_id: str) -> None:
        """The site has the result, or does not want it: nobody waits for the text of that run."""
        with self._lock:
            for job in [job for job, stream in self._streams.items() if job.id == request_id and stream.ended]:
                del self._streams[job]

    def pause(self) -> None:
        """There is no line, or nobody registered on it yet: everything waits."""
        with self._lock:
            self._open = False

    def resume(self) -> None:
        """The worker is registered: send first, in order, what was not acknowledged on the line before."""
        with self._lock:
            self._open = True
            for stream in list(self._streams.values()):
                self._repeat(stream)
                if stream.ended:
                    self._send_all(stream)

    def _send_due(self, stream: _Stream) -> None:
        now = self._clock()
        if stream.job.cancelled:
            self._streams.pop(stream.job, None)
        elif not self._open or stream.job not in self._streams:
            return
        elif stream.sent:
            if now >= stream.again_at:
                self._repeat(stream)
        elif stream.waiting and now - stream.sent_at >= BETWEEN_S:
            self._send_next(stream)

    def _send_all(self, stream: _Stream) -> None:
        if stream.refused:
            self._repeat(stream)
        while stream.waiting:
            self._send_next(stream)

    def _send_next(self, stream: _Stream) -> None:
        text = "".join(stream.waiting)
        stream.waiting[:] = [text[MOST_CHARS:]] if len(text) > MOST_CHARS else []
        stream.seq += 1
        stream.sent[stream.seq] = text[:MOST_CHARS]
        stream.sent_at = self._clock()
        stream.again_at = stream.sent_at + RESEND_S
        self._send_one(stream, stream.seq)

    def _repeat(self, stream: _Stream) -> None:
        stream.refused = False
        stream.again_at = self._clock() + RESEND_S
        for seq in list(stream.sent):
            self._send_one(stream, seq)

    def _send_one(self, stream: _Stream, seq: int) -> None:
        def answered(answer: Any = None) -> None:
            self._answered(stream, seq, answer if isinstance(answer, dict) else {})

        self._send(stream.job, seq, stream.sent[seq], answered)

    def _answered(self, stream: _Stream, seq: int, answer: dict[str, Any]) -> None:
        with self._lock:
            code = answer.get("code")
            if answer.get("ok") or code in UNUSABLE:
                stream.sent.pop(seq, None)
            elif code in FINAL:
                stream.sent.clear()
            else:
                stream.refused = True
                stream.again_at = self._clock() + REFUSED_S
            self._send_due(stream)
