"""Commands of the SDK: ``python -m project.worker doctor --host ... --space ...``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final

from project.worker.doctor.cli import main as doctor

COMMANDS: Final[Mapping[str, Callable[[list[str]], int]]] = {"doctor": doctor}


def main() -> int:
    """Run the command that is named first."""
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(f"usage: python -m project.worker {{{','.join(COMMANDS)}}} ...", file=sys.stderr)
        return 2
    return COMMANDS[sys.argv[1]](sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
