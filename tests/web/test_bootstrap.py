"""What happens before anything else: the patched standard library, and what is imported and what is not."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

# The system's answer comes only once another task of the loop has run, and on a thread of its own at once.
SCRIPT = """
import _socket, os, select
ask, tell = os.pipe()
system, write, wait = _socket.getaddrinfo, os.write, select.select

def look_up(host, port, family=0, type=0, proto=0, flags=0):
    if host == "late.example" and not flags & _socket.AI_NUMERICHOST:
        if not wait([ask], [], [], 20)[0]:
            raise SystemExit("nobody else has run")
        host = "127.0.0.1"
    return system(host, port, family, type, proto, flags)

_socket.getaddrinfo = look_up
from project.bootstrap import patch
patch("eventlet")

import socket
import eventlet
from eventlet import tpool

server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
eventlet.spawn(write, tell, b"!")
socket.create_connection(("late.example", port)).close()
assert tpool.execute(socket.getaddrinfo, "late.example", port)[0][4] == ("127.0.0.1", port)
assert socket.getaddrinfo("127.0.0.1", "80", type=socket.SOCK_STREAM)[0][4] == ("127.0.0.1", 80)
try:
    socket.getaddrinfo("no.such.invalid.", 80)
except socket.gaierror:
    print("all is well")
"""


def test_a_name_server_that_does_not_answer_holds_nobody_up() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "all is well\n", done.stderr


def test_a_start_imports_nothing_that_a_plain_site_never_uses() -> None:
    """Each start would wait for it, and a worker for the site."""
    seldom = ("openpyxl", "psycopg", "redis", "pygal", "aiohttp", "requests", "pygments", "dns")
    script = f"import run, sys; print([name for name in {seldom!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
