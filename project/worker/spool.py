"""An outbox on disk: a result outlives the worker that computed it, until the site has it."""

from __future__ import annotations

import hashlib
import json
import logging
import queue
import threading
import time
from pathlib import Path
from typing import Any

from project.worker import durable
from project.worker.outbox import Message, Outbox

log = logging.getLogger("project.worker")
DAMAGED = ".damaged"
FLUSH_S = 5.0
GRACE_S = 0.1
"""A result is written when it has waited this long for its acknowledgement: most never are, and the disk is the
model's. A worker killed within it loses a result that the site then asks for again."""


class DiskOutbox(Outbox):
    """Keeps results in memory and, one file each, in ``folder``, which nobody else uses.

    Writing is a thread's work and holds up no result on its way to the site: one that is acknowledged within
    ``GRACE_S`` is never written. A file is whole or not there, and durable once written. What cannot be read is put
    aside and logged; what cannot be written (a full disk) is logged, kept in memory, and tried again with the next
    result.
    """

    lasting = True

    def __init__(self, folder: Path, **options: Any):
        super().__init__(**options)
        self._folder = folder
        self._written: dict[str, Message] = {}
        self._unwritten: set[str] = set()
        self._dirty: queue.SimpleQueue[tuple[float, str | threading.Event | None]] = queue.SimpleQueue()
        self.restored = self._load()
        self._thread = threading.Thread(target=self._write_all, name="outbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is to be written, and end the thread."""
        self._dirty.put((self._clock(), None))
        self._thread.join(FLUSH_S)

    def flush(self, within_s: float = FLUSH_S) -> bool:
        """Wait until the disk has what is here; whether it has."""
        done = threading.Event()
        self._dirty.put((self._clock(), done))
        return done.wait(within_s) and not self._unwritten

    def _changed(self, *request_ids: str) -> None:
        for request_id in request_ids:
            self._dirty.put((self._clock() + GRACE_S, request_id))

    def _write_all(self) -> None:
        while True:
            due, item = self._dirty.get()
            # What was put later is due later, so that nobody waits for more than one grace.
            time.sleep(max(0.0, due - self._clock()))
            if item is None:
                return
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._bring_up_to_date(item)

    def _bring_up_to_date(self, request_id: str) -> None:
        """Make the file of one request what the memory says, and those that could not be written before."""
        for each in {request_id, *self._unwritten}:
            try:
                self._bring_one(each)
            except OSError as error:
                if not self._unwritten:
                    log.error(
                        "results cannot be kept in %s: %s; until they can, they are in memory only", self._folder, error
                    )
                self._unwritten.add(each)
            else:
                self._unwritten.discard(each)

    def _bring_one(self, request_id: str) -> None:
        path, message = self._path(request_id), self._kept(request_id)
        if message is None:
            if request_id in self._written:
                path.unlink(missing_ok=True)
                del self._written[request_id]
        elif self._written.get(request_id) is not message:
            durable.write(path, _sealed(message))
            self._written[request_id] = message

    def _path(self, request_id: str) -> Path:
        # An id is data, never a path.
        return self._folder / f"{hashlib.sha256(request_id.encode()).hexdigest()[:32]}.json"

    def _load(self) -> tuple[str, ...]:
        """Take up what an earlier run left, oldest first; the request ids."""
        for part in self._folder.glob(f"*{durable.PART}"):
            part.unlink(missing_ok=True)
        found = []
        for path in sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
            message = _opened(path)
            if message is None:
                log.error("%s is damaged and put aside: that result is lost, the site asks for it again", path)
                path.replace(path.with_name(path.name + DAMAGED))
                continue
            found.append(message)
            self._written[str(message["request_id"])] = message
        for message in found:
            super().put(message)
        return tuple(self.leases())


def _sealed(message: Message) -> str:
    text = json.dumps(message)
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "message": message})


def _opened(path: Path) -> dict[str, Any] | None:
    """The message of a file, or None if it is not as it was written."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        message = kept["message"]
        text = json.dumps(message)
        if kept["sha256"] != hashlib.sha256(text.encode()).hexdigest():
            return None
        return message if {"request_id", "status", "result"} <= message.keys() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
