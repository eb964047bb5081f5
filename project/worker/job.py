"""A request as a handler sees it, and what a handler may return."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of a request. ``path`` is its checked local copy, there for as long as the handler runs."""

    field: str
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    url: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a handler may return when a dictionary is not enough: values, and files to hand back."""

    values: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str | Path] = ()


class Job:
    """One attempt at a request. ``report`` is the worker's way to send progress."""

    def __init__(self, message: Mapping[str, Any], report: Callable[[Job, float, str], None]):
        self.message = message
        self.id = str(message["request_id"])
        self.username = str(message.get("username", ""))
        self.payload: Mapping[str, Any] = message.get("payload") or {}
        self.queue_size = int(message.get("queue_size") or 0)
        self.attempt = int(message.get("attempt") or 1)
        self.lease_id = str(message.get("lease_id") or "")
        self.upload_url = str(message.get("upload_url") or "")
        self.files: tuple[InputFile, ...] = tuple(_input_file(entry) for entry in self.payload.get("files") or ())
        self._root: Path | None = None
        self._folder: Path | None = None
        self.started = False
        self.hurried = False
        self.cancelled_at: float | None = None
        self._report = report
        self._cancelled = threading.Event()
        self._listeners: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """A folder of this attempt's own for whatever the handler writes; it goes when the handler's files have.

        Made when it is first asked for: most handlers never do.
        """
        if self._folder is None:
            self._folder = self._made("out")
        return self._folder

    @folder.setter
    def folder(self, path: Path) -> None:
        self._folder = path

    def inputs(self) -> Path:
        """Where the request's files are kept."""
        return self._made("in")

    def clear(self) -> None:
        """Remove what was kept of its files."""
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)

    @property
    def prompt(self) -> str:
        """What the person wrote."""
        return str(self.payload.get("prompt") or "")

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The conversation, oldest message first, each with ``role`` and ``content``; a prompt is one of a message."""
        told = self.params.get("messages")
        return told if isinstance(told, list) and told else [{"role": "user", "content": self.prompt}]

    @property
    def params(self) -> Mapping[str, Any]:
        """Parameters sent along, if any."""
        return self.payload.get("params") or {}

    @property
    def audio_url(self) -> str:
        """The address of a sound, if the person gave one instead of a file."""
        audio = self.payload.get("audio") or {}
        return str(audio.get("url") or "") if audio.get("field") == "audio_url" else ""

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the result any more: a good moment to stop."""
        return self._cancelled.is_set()

    def progress(self, fraction: float, message: str = "") -> None:
        """Tell the person how far it is: ``fraction`` from 0 to 1."""
        self._report(self, min(1.0, max(0.0, fraction)) * 100, message)

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until the request is cancelled."""
        self._cancelled.wait(seconds)

    def wait_cancelled(self, timeout_s: float | None = None) -> bool:
        """Wait until the request is cancelled, at most ``timeout_s``; whether it is."""
        return self._cancelled.wait(timeout_s)

    def when_cancelled(self, listener: Callable[[], object]) -> None:
        """Call ``listener`` when the request is cancelled, from another thread; at once if it is already."""
        with self._lock:
            if not self._cancelled.is_set():
                self._listeners.append(listener)
                return
        listener()

    def cancel(self) -> None:
        """Nobody wants the result any more."""
        with self._lock:
            self.cancelled_at = self.cancelled_at or time.monotonic()
            self._cancelled.set()
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def _made(self, name: str) -> Path:
        if self._root is None:
            self._root = Path(tempfile.mkdtemp(prefix="worker-"))
        path = self._root / name
        path.mkdir(exist_ok=True)
        return path

    def hurry(self) -> None:
        """The worker is to end: a site that is not there is not waited for."""
        self.hurried = True


def _input_file(entry: Mapping[str, Any]) -> InputFile:
    return InputFile(
        field=str(entry.get("field", "")),
        name=str(entry.get("name", "file")),
        content_type=str(entry.get("content_type", "application/octet-stream")),
        size_bytes=int(entry.get("size", 0)),
        sha256=str(entry.get("sha256", "")),
        url=str(entry.get("url", "")),
    )
