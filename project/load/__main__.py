"""``python -m project.load``: the command line."""

from __future__ import annotations

from project.load.cli.main import main

if __name__ == "__main__":
    main()
