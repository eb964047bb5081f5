"""Print the path of a Chromium for the browser tests: from PATH, else Debian's package, else Playwright's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ANSWER_S = 60
WHERE = "import playwright.sync_api as p\nwith p.sync_playwright() as run: print(run.chromium.executable_path)"


def main() -> None:
    """Print the path, or fail with one clear line."""
    path = on_path() or from_debian() or from_playwright()
    if path is None:
        sys.exit("ERROR no Chromium that runs was found, and none could be installed: install chromium and run again")
    print(path)


def on_path() -> str | None:
    """A browser that is there, and runs: some distributions put a stub in its place."""
    return next((path for name in NAMES if (path := shutil.which(name)) and runs(path)), None)


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
    """Playwright's own build; installing it again when it is there does nothing."""
    install = [sys.executable, "-m", "playwright", "install", "chromium"]
    if subprocess.run(install, stdout=sys.stderr, check=False).returncode:
        return None
    path = subprocess.run([sys.executable, "-c", WHERE], capture_output=True, text=True, check=False).stdout.strip()
    return path if path and runs(path) else None


def runs(path: str) -> bool:
    """Whether the program starts at all: its libraries may be missing."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


if __name__ == "__main__":
    main()
