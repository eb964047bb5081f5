"""``make run``: the site, a demo space and a mock worker for it, in one terminal."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parent.parent
SPACE = "Demo"
START_S = 30.0


def main() -> None:
    """Start everything, say where it is, and end it on Ctrl+C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=5001)
    port = parser.parse_args().port
    # As a group of their own, so that Ctrl+C reaches this script alone and it can end them in order.
    site = subprocess.Popen([sys.executable, "run.py", "--port", str(port)], cwd=ROOT, start_new_session=True)
    running = [site]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        host = f"http://localhost:{port}"
        wait_for_site(host, site)
        make_space(host)
        mock = [sys.executable, "mock_app.py", "--host", host, "--spaces", SPACE]
        running.append(subprocess.Popen(mock, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL))
        announce(host)
        while all(process.poll() is None for process in running):
            time.sleep(0.2)
        sys.exit("ERROR the site or the worker has ended; see the lines above")
    except KeyboardInterrupt:
        print("\nStopping.")
    finally:
        for process in reversed(running):
            if process.poll() is None:
                os.kill(process.pid, signal.SIGINT)
                process.wait(timeout=15)


def wait_for_site(host: str, site: subprocess.Popen[bytes]) -> None:
    """Return when the site answers; exit if it ends instead."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if site.poll() is not None:
            sys.exit(site.returncode or 1)
        try:
            if requests.get(f"{host}/healthz", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    sys.exit(f"ERROR the site did not answer at {host} within {START_S:.0f} s")


def make_space(host: str) -> None:
    """Make the demo space, unless it is there from last time."""
    session = requests.Session()
    password = os.environ.get("SPACES_ADMIN_PASSWORD") or "admin123"
    user = os.environ.get("SPACES_ADMIN_USER") or "admin"
    session.post(f"{host}/login", data={"username": user, "password": password}, timeout=10).raise_for_status()
    if f"<strong>{SPACE}</strong>" in session.get(host, timeout=10).text:
        return
    form = {
        "name": SPACE,
        "description": "A mock model. Try a prompt, the word “draw” for a picture, “sing” for a sound, or send a file.",
        "card_type": "websockets",
        "cover": "default.png",
        **{f"ws_enable_{kind}": "on" for kind in ("prompt", "audio", "video", "file_upload")},
    }
    session.post(f"{host}/admin/space/add", data=form, timeout=10).raise_for_status()


def announce(host: str) -> None:
    """Say where it is and how to get in."""
    print(
        f"\n  WebSocket Spaces runs at  {host}\n"
        f"  Space                     {SPACE}, with a mock worker connected\n"
        "  Log in as                 admin / admin123, or testuser / testpass123\n"
        "  Stop                      Ctrl+C\n",
        flush=True,
    )


if __name__ == "__main__":
    main()
