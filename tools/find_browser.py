"""Print the path of a Chromium for the browser tests: from PATH, else Debian's package, else Playwright's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> None:
    """Print the path, or fail with one clear line."""
    path = on_path() or from_debian() or from_playwright()
    if path is None:
        sys.exit("ERROR no Chromium found and none could be installed: install chromium and run again")
    print(path)


def on_path() -> str | None:
    """A browser that is there."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def from_debian() -> str | None:
    """Debian's package, if this is Debian and we may install it."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        if subprocess.run(["apt-get", "-q", *command], env=environment, stdout=sys.stderr, check=False).returncode:
            return None
    return on_path()


def from_playwright() -> str | None:
    """Playwright's own build."""
    if subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"], stdout=sys.stderr, check=False
    ).returncode:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


if __name__ == "__main__":
    main()
