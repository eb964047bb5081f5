"""The worker under test: a command that is started, signalled and ended by its own id."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from project.errors import SpacesError
from project.suites.expect import Unmet

LAST_WORDS_CHARS: Final = 300


class CommandUnusable(SpacesError):
    """The worker's command cannot be started."""

    code = "command_unusable"


def arguments_of(command: str, values: Mapping[str, str]) -> list[str]:
    """The command's parts with ``{name}`` replaced in each, so that a value may have blanks. Raises CommandUnusable."""
    try:
        parts = shlex.split(command)
    except ValueError as error:
        raise CommandUnusable(f"The worker's command is not one: {error}") from None
    if not parts:
        raise CommandUnusable("The worker's command is empty")
    for name, value in values.items():
        parts = [part.replace(f"{{{name}}}", value) for part in parts]
    return parts


class Subject:
    """A running worker, with its output in a file. What it keeps between its runs goes to ``state_dir``."""

    def __init__(self, arguments: list[str], state_dir: str):
        self._is_swept = False
        self._log = tempfile.NamedTemporaryFile("w+b", suffix=".log")  # noqa: SIM115
        try:
            # A session of its own: Ctrl+C in the terminal reaches only the tool, which then ends this.
            self._process = subprocess.Popen(
                arguments,
                env={**os.environ, "XDG_STATE_HOME": state_dir},
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise CommandUnusable(f"The worker's command cannot be started: {arguments[0]}: {error.strerror}") from None

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._sweep()
        return code

    @property
    def last_words(self) -> str:
        """The last line it printed."""
        lines = Path(self._log.name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:LAST_WORDS_CHARS] if lines else "nothing"

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, within_s: float, after: str) -> int:
        """Wait for its end; its exit code. Raises Unmet if it does not come."""
        try:
            code = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise Unmet(f"expected the worker's end {after} within {within_s:g} s, got none") from None
        self._sweep()
        return code

    def end(self) -> None:
        """End it and what it started, however they are."""
        self._sweep()
        self._process.wait()
        self._log.close()

    def _sweep(self) -> None:
        """End what is left of its process group: once, and no later than its end is known, while its id is its own."""
        if not self._is_swept:
            self._is_swept = True
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
