"""``python -m project.load``: the command line."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from project.load.cli.main import main
    except KeyboardInterrupt:  # Ctrl+C before it has even begun: nothing was measured
        sys.exit(130)
    main()
