"""The load generator as a process of its own, which outlives the page and the site that began it.

What belongs to one step of a run is in a folder: what to call, how far it is, what was measured. The process holds a
lock on a file of that folder for as long as it lives; so whoever reads the folder knows whether it still runs, whatever
has become of process ids meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from project.core.runs import Step

ROOT: Final = Path(__file__).resolve().parent.parent.parent
MODULE: Final = "project.load"
MOST_S: Final = 6 * 3600.0
"""No step takes longer: 10,000 calls of a minute each, 28 at once."""
GONE_S: Final = 60.0
"""How long the site may be away, as while it is restarted, before a run is given up."""


@dataclass(frozen=True, slots=True)
class LoadProcess:
    """One step's process, running or over. ``folder`` need not exist."""

    folder: Path

    @property
    def is_here(self) -> bool:
        """Whether it was begun on this machine."""
        return self.folder.is_dir()

    def start(self, url: str, header: str, step: Step, timeout_s: float) -> int:
        """Begin to POST to ``url`` with one header more; the process's id. Raises OSError if it cannot be started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write("headers", f"{header}\n")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SPACES_")}
        with open(self.folder / "lock", "w", encoding="ascii") as lock, open(self.folder / "log", "wb") as log:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The child inherits the locked file and keeps the lock when we close ours.
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, *self._arguments(url, step, timeout_s)],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(lock.fileno(),),
            )
        _children[process.pid] = process
        return process.pid

    def _arguments(self, url: str, step: Step, timeout_s: float) -> list[str]:
        return [
            "load",
            f"--url={url}",
            "--target=http",
            "--method=POST",
            "--body={}",
            f"--headers-file={self.folder / 'headers'}",
            f"--users={step.concurrency}",
            f"--requests={step.total}",
            f"--duration={MOST_S:g}",
            f"--timeout={timeout_s:g}",
            f"--progress-json={self.folder / 'progress.json'}",
            f"--output={self.folder / 'report'}",
            f"--give-up={GONE_S:g}",
            "--no-results",
            "--allow-invalid",
            "--quiet",
        ]

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        for pid, child in list(_children.items()):
            if child.poll() is not None:
                del _children[pid]
        try:
            with open(self.folder / "lock", "a", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def end(self, pid: int, *, at_once: bool = False) -> None:
        """Ask it to stop, or make it. Only while it holds its lock, so that the id is certainly its own."""
        if self.is_alive:
            os.kill(pid, signal.SIGKILL if at_once else signal.SIGTERM)

    def measured(self, step: Step) -> Step:
        """How far it is."""
        found = self._read("progress.json")
        return Step(
            concurrency=step.concurrency,
            total=step.total,
            done=int(found.get("done", 0)),
            success=int(found.get("success", 0)),
            failed=int(found.get("failed", 0)),
            avg_ms=float(found.get("avg_ms", 0.0)),
            p50_ms=float(found.get("p50", 0.0)),
            p95_ms=float(found.get("p95", 0.0)),
            p99_ms=float(found.get("p99", 0.0)),
            rps=float(found.get("rps", 0.0)),
            elapsed_s=float(found.get("elapsed_s", 0.0)),
            errors={str(kind): int(count) for kind, count in found.get("errors", {}).items()},
        )

    @property
    def outcome(self) -> str:
        """What the process said of its end: ``finished``, ``terminated``, ...; empty if it did not get to say it."""
        found = self._read("progress.json")
        return str(found.get("status", "")) if "exit_code" in found else ""

    def last_words(self) -> str:
        """The end of what the process printed."""
        try:
            return (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:].strip()
        except FileNotFoundError:
            return ""

    def _read(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}  # it has only just begun
        return found if isinstance(found, dict) else {}

    def _write(self, name: str, text: str) -> None:
        # The headers carry the run's own key: nobody else on the machine may read them.
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


_children: dict[int, subprocess.Popen[bytes]] = {}
"""Those of this process, to be asked for their end: a child that nobody asks for stays a zombie."""
