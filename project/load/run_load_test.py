"""``python -m project.load.run_load_test``: the command line by the name of the WebSocket framework's document."""

from __future__ import annotations

from project.load.cli.main import main

if __name__ == "__main__":
    main()
