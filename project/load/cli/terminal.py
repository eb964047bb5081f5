"""Where the commands print to."""

from __future__ import annotations

import os
import sys
from typing import Final

from rich.console import Console

_STANDARD: Final = (0, 1, 2)


class _Terminal(Console):
    """A console whose reader may leave: what is measured and kept does not depend on who looks on."""

    def on_broken_pipe(self) -> None:
        """Print no more."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def terminal(width: int | None = None) -> Console:
    """A console for results: long lines left whole, and brackets, which others may have put there, what they are."""
    return _Terminal(highlight=False, markup=False, soft_wrap=True, width=width)


def fail(text: str) -> None:
    """One line that says what went wrong."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"✗ {text}", style="red", markup=False)


def open_standard_files() -> None:
    """See that input, output and errors are something: what is opened later would otherwise take their places."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
