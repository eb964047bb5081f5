"""Mock workers as processes of the suite's own, ended by it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from project.suites.bench import Bench
from project.suites.expect import Unmet, until

ROOT: Final = Path(__file__).resolve().parent.parent.parent
READY: Final = "Request processor started"
WITHIN_S: Final = 15.0


class Mock:
    """A running ``mock_app.py``, with its output in a file. Only ever ended by its own id."""

    def __init__(self, host: str, space: str, *flags: str, token: str = ""):
        self._log = tempfile.NamedTemporaryFile("w+b", suffix=".log")  # noqa: SIM115
        command = [sys.executable, "mock_app.py", "--host", host, "--spaces", space, *flags]
        # A session of its own: Ctrl+C in the terminal reaches only the tool, which then ends this and tidies up.
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            # By the environment: a command line is there for everybody on the machine to read.
            env={**os.environ, "SPACES_WORKER_TOKEN": token},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What it printed so far."""
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    def says(self, text: str, *, but_not: str = "", within_s: float = WITHIN_S) -> None:
        """Wait for a text; raise Unmet if it does not come, at once if its end or ``but_not`` comes first."""

        def said() -> bool:
            code = self._process.poll()
            output = self.output
            if text in output:
                return True
            if but_not and but_not in output:
                raise Unmet(f"expected {text!r} of the mock app, got {but_not!r}")
            if code is not None:
                last = (output.strip().splitlines() or ["nothing"])[-1]
                raise Unmet(f"expected {text!r} of the mock app, got its end with exit code {code}: {last}")
            return False

        until(said, within_s=within_s, what=f"{text!r} of the mock app")

    def interrupt(self) -> int:
        """Ctrl+C; its exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for its end; raise Unmet if it does not come."""
        try:
            return self._process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            raise Unmet(f"expected the end of the mock app within {WITHIN_S:g} s, got none") from None

    def end(self) -> None:
        """End it, however it is."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()


@contextmanager
def mock_app(bench: Bench, space_id: str, name: str, *flags: str, ready: bool = True) -> Iterator[Mock]:
    """A mock worker for the length of a block; ``ready`` waits until it serves."""
    mock = Mock(bench.host, name, *flags, token=bench.worker_token(space_id))
    try:
        if ready:
            mock.says(READY)
        yield mock
    finally:
        mock.end()
