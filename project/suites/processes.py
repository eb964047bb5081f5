"""Mock workers as processes of the suite's own, ended by it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from project.suites.check import Unmet, until

ROOT = Path(__file__).resolve().parent.parent.parent


class Mock:
    """A running ``mock_app.py``."""

    def __init__(self, host: str, space: str, *flags: str):
        self._log = tempfile.NamedTemporaryFile("w+b", suffix=".log")  # noqa: SIM115
        command = [sys.executable, str(ROOT / "mock_app.py"), "--host", host, "--spaces", space, *flags]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def output(self) -> str:
        """What it printed so far."""
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def says(self, text: str, *, within_s: float = 15.0) -> None:
        """Wait for a line; raise Unmet if it does not come."""
        until(lambda: text in self.output, within_s=within_s, what=f"the mock app says {text!r}")

    def interrupt(self) -> int:
        """Ctrl+C; its exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.exit_code()

    def exit_code(self, within_s: float = 15.0) -> int:
        """Wait for its end; raise Unmet if it does not come."""
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise Unmet(f"the mock app ends: not within {within_s:g} s") from None

    def end(self) -> None:
        """End it, however it is."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()


@contextmanager
def mock_app(host: str, space: str, *flags: str, ready: bool = True) -> Iterator[Mock]:
    """A mock worker for the length of a block; ``ready`` waits until it serves."""
    mock = Mock(host, space, *flags)
    try:
        if ready:
            mock.says("Request processor started")
        yield mock
    finally:
        mock.end()
