#!/usr/bin/env python3
"""``verify_load_test_setup.py --url URL``: whether a backend keeps nothing of a load test."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from project.load.cli.main import main

if __name__ == "__main__":
    main(["verify", *sys.argv[1:]])
