"""``make run``: the site, a demo space and a mock worker for it, in one terminal."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import requests

ROOT = Path(__file__).resolve().parent.parent
SPACE = "Demo"
START_S = 30.0
END_S = 15.0
ASK_S = 10.0


def main() -> None:
    """Start everything, say where it is, and end it on Ctrl+C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=5001)
    port = parser.parse_args().port
    insist_on_free(port)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    host = f"http://127.0.0.1:{port}"
    running: list[subprocess.Popen[bytes]] = []
    try:
        # The demo is for this machine alone, whatever SPACES_HOST says.
        running.append(start("run.py", "--host", "127.0.0.1", "--port", str(port)))
        wait_until(lambda: answers(host), running, f"the site did not answer at {host}")
        space_id = make_space(host)
        running.append(start("mock_app.py", "--host", host, "--spaces", SPACE))
        wait_until(lambda: connected(host, space_id), running, "the mock worker did not connect")
        announce(port)
        while all(process.poll() is None for process in running):
            time.sleep(0.2)
        sys.exit("ERROR the site or the worker has ended; see the lines above")
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)
    finally:
        end(running)


def insist_on_free(port: int) -> None:
    """Exit if something listens on the port: it would be taken for our site."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            sys.exit(f"ERROR cannot listen on port {port} ({error.strerror}): choose another with `make run PORT=...`")


def start(*command: str) -> subprocess.Popen[bytes]:
    """Start a part of the demo in a group of its own: Ctrl+C reaches this script alone, which ends them in order."""
    return subprocess.Popen([sys.executable, *command], cwd=ROOT, start_new_session=True)


def stop(_number: int, _frame: FrameType | None) -> None:
    """The terminal was closed, or somebody asked us to end."""
    raise KeyboardInterrupt


def end(running: list[subprocess.Popen[bytes]]) -> None:
    """End what runs, the worker before the site."""
    for process in reversed(running):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(is_true: Callable[[], bool], running: list[subprocess.Popen[bytes]], otherwise: str) -> None:
    """Return when it is true; exit if a part of the demo ends instead, or nothing comes of it."""
    deadline = time.monotonic() + START_S
    while not is_true():
        # A part that ends says why itself.
        for process in running:
            if process.poll() is not None:
                sys.exit(process.returncode or 1)
        if time.monotonic() > deadline:
            sys.exit(f"ERROR {otherwise} within {START_S:.0f} s")
        time.sleep(0.1)


def answers(host: str) -> bool:
    """Whether the site is up."""
    try:
        return requests.get(f"{host}/healthz", timeout=2).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def connected(host: str, space_id: str) -> bool:
    """Whether the space has its worker."""
    try:
        return bool(requests.get(f"{host}/websockets/space/{space_id}/status", timeout=ASK_S).json()["connected"])
    except requests.Timeout:
        return False


def make_space(host: str) -> str:
    """The id of the demo space, which is made unless it is there from last time."""
    spaces = requests.get(host, headers={"Accept": "application/json"}, timeout=ASK_S).json()["spaces"]
    found = [str(space["space_id"]) for space in spaces if space["name"] == SPACE]
    if found:
        return found[0]
    user, password = administrator()
    session = requests.Session()
    login = {"username": user, "password": password}
    if not session.post(f"{host}/login", data=login, timeout=ASK_S).ok:
        sys.exit(f"ERROR cannot log in as {user}: put the password you chose into SPACES_ADMIN_PASSWORD")
    form = {
        "name": SPACE,
        "description": "A mock model. Try a prompt, the word “draw” for a picture, “sing” for a sound, or send a file.",
        "card_type": "websockets",
        "cover": "default.png",
        **{f"ws_enable_{kind}": "on" for kind in ("prompt", "audio", "video", "file_upload")},
    }
    made = session.post(f"{host}/admin/space/add", data=form, timeout=ASK_S, allow_redirects=False)
    if made.status_code != 302:
        sys.exit(f"ERROR the demo space could not be made: the site answered {made.status_code}")
    return made.headers["Location"].rsplit("/", 1)[-1]


def administrator() -> tuple[str, str]:
    """The administrator's name and password."""
    return os.environ.get("SPACES_ADMIN_USER") or "admin", os.environ.get("SPACES_ADMIN_PASSWORD") or "admin123"


def announce(port: int) -> None:
    """Say where it is and how to get in."""
    user, password = administrator()
    # A password of one's own is not for the screen.
    shown = password if password == "admin123" else "the password in SPACES_ADMIN_PASSWORD"
    rule = "=" * 70
    print(
        f"\n{rule}\n"
        f"  WebSocket Spaces runs at  http://localhost:{port}\n"
        f"  Space                     {SPACE}, with a mock worker connected\n"
        f"  Log in as                 {user} / {shown}\n"
        "                            testuser / testpass123\n"
        f"  Stop                      Ctrl+C\n{rule}\n",
        flush=True,
    )


if __name__ == "__main__":
    main()
