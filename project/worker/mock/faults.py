"""A worker that misbehaves on purpose, so that what a site makes of it can be seen.

A fault strikes an attempt once, so that the worker, and the site, have a chance to put it right.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from project.wire import events
from project.wire.limits import MAX_PAYLOAD_BYTES
from project.worker.connection import Connection
from project.worker.job import Job, Result
from project.worker.mock.model import MockModel
from project.worker.worker import Worker

FAULTS: Final[Mapping[str, str]] = {
    "drop-before-ack": "cut the connection when a result is sent, before the site can acknowledge it",
    "drop-after-ack": "cut the connection when a result is acknowledged",
    "duplicate": "send each result three times",
    "late": "fall silent about a first attempt, and send its result when its lease is over",
    "oversized": "send a result that is over the site's limit through the socket",
    "wrong-lease": "send each result under a made-up lease first",
    "crash": "end at once in the middle of a request, like a kill -9",
    "freeze": "stop in the middle of the first request, like a laptop that sleeps; kill -CONT wakes it",
}
COPIES: Final = 3
OVER_BYTES: Final = 64 * 1024
MARGIN_S: Final = 1.5
"""After the end of a lease, for the site to notice."""
Answer = Callable[[Any], None]
Say = Callable[[str], None]


class FaultyModel:
    """The mock's handler, in whose middle the process dies or stops."""

    def __init__(self, model: MockModel, fault: str, say: Say):
        self._model = model
        self._fault = fault
        self._say = say
        self._frozen = False

    def __call__(self, job: Job) -> Result:
        """Handle one request, or begin to."""
        if self._fault == "crash":
            self._say(f"crash: the process ends in the middle of {job.id}")
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault == "freeze" and not self._frozen:
            self._frozen = True
            self._say(f"freeze: the process {os.getpid()} stops in the middle of {job.id}")
            os.kill(os.getpid(), signal.SIGSTOP)
        return self._model(job)


class FaultyConnection(Connection):
    """Sends results in the way the fault says, and everything else as it should be."""

    def __init__(self, host: str, on_event: Callable[[str, Mapping[str, Any]], None], fault: str, say: Say):
        super().__init__(host, self._noticing(on_event))
        self._say = say
        self._lease_s = 15.0
        self._struck: set[str] = set()
        self._silent: set[str] = set()
        self._strike: Callable[[Mapping[str, Any], Answer | None], bool] | None = {
            "drop-before-ack": self._drop_before_ack,
            "drop-after-ack": self._drop_after_ack,
            "duplicate": self._duplicate,
            "late": self._late,
            "oversized": self._oversized,
            "wrong-lease": self._wrong_lease,
        }.get(fault)

    def emit(self, event: str, message: Mapping[str, Any], answer: Answer | None = None) -> bool:
        """See the base class."""
        lease_id = str(message.get("lease_id", ""))
        if event == events.RESULT and self._strike is not None and lease_id not in self._struck:
            self._struck.add(lease_id)
            return self._strike(message, answer)
        if "in_flight" in message:
            told = [lease for lease in message["in_flight"] if lease["lease_id"] not in self._silent]
            message = {**message, "in_flight": told}
        return lease_id not in self._silent and super().emit(event, message, answer)

    def _noticing(self, on_event: Callable[[str, Mapping[str, Any]], None]) -> Callable[[str, Mapping[str, Any]], None]:
        def noticed(name: str, data: Mapping[str, Any]) -> None:
            if name == events.REGISTER_RESPONSE:
                self._lease_s = float(data.get("lease_seconds") or self._lease_s)
            if name == events.REQUEST and self._strike == self._late and data.get("attempt") == 1:
                # From the beginning: a heartbeat on the way to the fault would give the lease more time.
                self._silent.add(str(data.get("lease_id")))
            on_event(name, data)

        return noticed

    def _drop_before_ack(self, message: Mapping[str, Any], _answer: Answer | None) -> bool:
        self._say("drop-before-ack: the result is sent, and the connection cut")
        super().emit(events.RESULT, message, lambda _ack: None)
        self.flush()
        self.cut()
        return True

    def _drop_after_ack(self, message: Mapping[str, Any], answer: Answer | None) -> bool:
        def acknowledged(told: Any = None) -> None:
            self._say(f"drop-after-ack: the site said {told}; the connection is cut")
            if answer is not None:
                answer(told)
            self.cut()

        return super().emit(events.RESULT, message, acknowledged)

    def _duplicate(self, message: Mapping[str, Any], answer: Answer | None) -> bool:
        for copy in range(1, COPIES):
            super().emit(events.RESULT, message, self._saying(f"duplicate: to copy {copy} the site said"))
        return super().emit(events.RESULT, message, answer)

    def _late(self, message: Mapping[str, Any], answer: Answer | None) -> bool:
        lease_id = str(message["lease_id"])
        if lease_id not in self._silent:
            return super().emit(events.RESULT, message, answer)
        self._say(f"late: the result waits until {self._lease_s:.0f} s of lease are over")

        def send() -> None:
            self._silent.discard(lease_id)
            told = self._saying("late: the site said", answer)
            super(FaultyConnection, self).emit(events.RESULT, message, told)

        timer = threading.Timer(self._lease_s + MARGIN_S, send)
        timer.daemon = True
        timer.start()
        return True

    def _oversized(self, message: Mapping[str, Any], answer: Answer | None) -> bool:
        text = "x" * (MAX_PAYLOAD_BYTES + OVER_BYTES)
        large = {**message, "result": {"text_output": text}}
        return super().emit(events.RESULT, large, self._saying("oversized: the site said", answer))

    def _wrong_lease(self, message: Mapping[str, Any], answer: Answer | None) -> bool:
        wrong = {**message, "lease_id": "made-up"}
        super().emit(events.RESULT, wrong, self._saying("wrong-lease: the site said"))
        return super().emit(events.RESULT, message, answer)

    def _saying(self, text: str, answer: Answer | None = None) -> Answer:
        def told(ack: Any = None) -> None:
            self._say(f"{text} {ack}")
            if answer is not None:
                answer(ack)

        return told


class FaultyWorker(Worker):
    """A worker over a ``FaultyConnection``."""

    def __init__(self, model: MockModel, fault: str, say: Say, **options: Any):
        self._fault = fault
        self._say = say
        super().__init__(FaultyModel(model, fault, say), **options)

    def _connect(self, host: str) -> Connection:
        return FaultyConnection(host, self._on_event, self._fault, self._say)
