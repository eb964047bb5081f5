"""A run's progress for other programs: one JSON file, replaced as a whole each half second."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from project.load.engine.run import Progress
from project.load.errors import OutputFailed
from project.load.output.folder import write_atomically


class ProgressFile:
    """Writes ``{status, total, done, success, failed, avg_ms, p50, p95, p99, rps, elapsed_s, ...}``.

    ``status`` is ``starting``, ``running``, then ``finished``, ``interrupted``, ``terminated``, ``target_lost`` or
    ``failed`` (with ``error``). Once it is over ``exit_code`` and, where there is one, ``folder`` are added.
    """

    def __init__(self, path: Path):
        self._path = path
        self._latest: dict[str, Any] = {"status": "starting", "done": 0}
        try:
            write_atomically(path, json.dumps(self._latest))
        except OSError as error:
            raise OutputFailed(f"Cannot write {path}: {error.strerror}") from error

    def tell(self, progress: Progress) -> None:
        """Write the run as it stands. A disk that is full meanwhile costs the file, not the run."""
        self._latest = {key: _short(value) for key, value in asdict(progress).items()}
        if progress.status == "running":
            self._write()

    def end(self, status: str, exit_code: int, *, folder: Path | None = None, error: str = "") -> None:
        """Write how it ended."""
        self._latest |= {"status": status, "exit_code": exit_code}
        if folder is not None:
            self._latest["folder"] = str(folder)
        if error:
            self._latest["error"] = error
        self._write()

    def _write(self) -> None:
        try:
            write_atomically(self._path, json.dumps(self._latest))
        except OSError:
            self._latest["progress_not_written"] = True


def _short(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
