"""The folder in which a worker keeps what must outlive it: its name, and results that are not handed in yet."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project.worker import durable, locking
from project.worker.errors import StateUnavailable

log = logging.getLogger("project.worker")
NAME, LOCK = "worker.json", "lock"
MOST_WORKERS = 256
"""Of one space on one machine, each with a folder of its own."""


@dataclass(frozen=True, slots=True)
class State:
    """An opened folder; nobody else uses it until it is closed. ``worker_id`` is the worker's lasting name.

    With ``tidy``, a folder in which nothing waits is removed again when it is closed.
    """

    folder: Path
    worker_id: str
    _lock: int
    tidy: bool = False

    @property
    def results(self) -> Path:
        """Where results are kept."""
        return self.folder / "results"

    def close(self) -> None:
        """Let another worker use the folder."""
        if self.tidy:
            with suppress(OSError):
                self._remove()
        os.close(self._lock)

    def _remove(self) -> None:
        self.results.rmdir()  # not if a result is there
        for name in (NAME, LOCK):
            (self.folder / name).unlink()
        self.folder.rmdir()
        self.folder.parent.rmdir()


def open_state(folder: Path, host: str, space: str) -> State:
    """Open ``folder``, made if needed, for a worker of this space.

    Raises StateUnavailable if it cannot be written, is in use, or belongs to another space.
    """
    state = _open(folder, host, space)
    if state is None:
        raise StateUnavailable(f"another worker uses {folder}; give each a folder of its own")
    return state


def open_default(host: str, space: str) -> State:
    """Open the first free one of this space's folders below ``default_base()``. Raises StateUnavailable."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", space).strip("-")[:40]
    digest = hashlib.sha256(f"{host}\n{space}".encode()).hexdigest()[:10]
    for number in range(1, MOST_WORKERS + 1):
        state = _open(default_base() / f"{readable}-{digest}" / str(number), host, space, tidy=True)
        if state is not None:
            return state
    raise StateUnavailable(f"{MOST_WORKERS} workers of this space run here already; pass each a state_dir")


def default_base() -> Path:
    """``SPACES_WORKER_STATE_DIR``, or a folder for programs' state in the user's home."""
    chosen = os.environ.get("SPACES_WORKER_STATE_DIR")
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(home) if home else Path.home() / ".local" / "state") / "websocket-spaces"


def _open(folder: Path, host: str, space: str, *, tidy: bool = False) -> State | None:
    """The opened folder, or None if it is in use."""
    try:
        (folder / "results").mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = locking.take(folder / LOCK)
        if lock is None:
            return None
        try:
            return State(folder, _worker_id(folder / NAME, host, space), lock, tidy)
        except BaseException:
            os.close(lock)
            raise
    except FileNotFoundError:
        return None  # whoever had it has just removed it
    except (OSError, RuntimeError) as error:
        # RuntimeError: a user without a home.
        raise StateUnavailable(f"{folder} cannot be used: {error}") from error


def _worker_id(path: Path, host: str, space: str) -> str:
    known = _read(path)
    if known is not None:
        if known.get("space") != space:
            raise StateUnavailable(f"{path.parent} belongs to a worker of the space {known.get('space')!r}")
        return str(known["worker_id"])
    made = {"worker_id": f"{socket.gethostname()[:60]}-{secrets.token_hex(8)}", "host": host, "space": space}
    durable.write(path, json.dumps(made, ensure_ascii=False))
    return made["worker_id"]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        known = None
    if isinstance(known, dict) and known.get("worker_id"):
        return known
    log.warning("%s is damaged; the worker takes a new name", path)
    return None
