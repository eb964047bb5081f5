"""The site's log: warnings and errors to a file, all to the console. One line an entry, control characters escaped."""

from __future__ import annotations

import logging
import logging.handlers
from pathlib import Path


class OneLine(logging.Formatter):
    """Escapes control characters of a message, so that nobody's input can forge a line. Tracebacks stay readable."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The formatted line, without its traceback."""
        line = super().formatMessage(record)
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in line)


def set_up_logging(path: Path) -> None:
    """Send the log of ``project`` to the console and, from warnings up, to ``path`` (rotated at 10 MB, 3 kept)."""
    form = OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = logging.handlers.RotatingFileHandler(path, maxBytes=10_000_000, backupCount=3, encoding="utf-8")
    file.setLevel(logging.WARNING)
    console = logging.StreamHandler()
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    for handler in (file, console):
        handler.setFormatter(form)
        root.addHandler(handler)
    logging.getLogger("project").setLevel(logging.INFO)
