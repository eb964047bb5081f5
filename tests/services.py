"""A real PostgreSQL and a real Redis for the tests: started on free ports, in folders of their own, ended by their ids.

The server of a test session has ``fsync`` off: it is killed here, never its machine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest
import redis

from tests.conftest import eventually
from tools.find_services import POSTGRES, REDIS, demotion, find, servant

STARTED_S = 60
USER = "spaces"
QUIET = ("fsync=off", "full_page_writes=off", "max_connections=60", "shared_buffers=32MB", "unix_socket_directories=")


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A service's process, in a folder that goes with it. It stays on its port when it is started again."""

    def __init__(self, name: str) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            user = servant()
            os.chown(self.folder, user.pw_uid, user.pw_gid)

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text(errors="replace")

    def run(self, *command: str) -> None:
        """Run a program to its end, in the name the server runs in."""
        done = subprocess.run(command, cwd=self.folder, preexec_fn=demotion(), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")

    def begin(self, *command: str) -> None:
        """Start the server's process."""
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, preexec_fn=demotion(), stdout=log, stderr=log, start_new_session=True
            )

    def end(self, number: int = signal.SIGQUIT) -> None:
        """End it by a signal and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """End it and take its folder away."""
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def alive(self) -> None:
        """Fail with what it said if it has ended."""
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"the service ended:\n{self.log}")


S = TypeVar("S", "Postgres", "Redis")


@contextlib.contextmanager
def running(server: S) -> Iterator[S]:
    """Start a server; take it away in the end."""
    try:
        server.start()
        yield server
    finally:
        server.remove()


class Postgres(Server):
    """A PostgreSQL. ``end()`` is its immediate shutdown: nothing is finished, and its log is replayed at the start."""

    def __init__(self) -> None:
        super().__init__("postgres")
        self._program = find(POSTGRES)
        initdb = str(self._program.with_name("initdb"))
        self.data = self.folder / "data"
        self.run(initdb, "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")

    def start(self) -> None:
        """Start it, and return when it answers."""
        settings = [part for setting in QUIET for part in ("-c", setting)]
        self.begin(str(self._program), "-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), *settings)
        eventually(self._answers, within_s=STARTED_S, what="PostgreSQL answers")

    def _answers(self) -> bool:
        self.alive()
        try:
            self.admin("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def admin(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement outside any transaction; its rows."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname=database, autocommit=True, connect_timeout=10
        ) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def database(self) -> str:
        """A new empty database; its URL, with a password that nobody may repeat."""
        name = f"d{secrets.token_hex(6)}"
        self.admin(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def terminate(self, url: str) -> int:
        """Kill every backend of a database; how many."""
        name = url.rpartition("/")[2]
        gone = self.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        return len(gone)


PASSWORD = "never-to-be-logged"


class Redis(Server):
    """A Redis with a password. ``end()`` kills it."""

    def __init__(self) -> None:
        super().__init__("redis")
        self._program = find(REDIS)

    @property
    def url(self) -> str:
        """Where it is, password and all."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and return when it answers."""
        flags = ("--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD, "--save", "")
        self.begin(str(self._program), *flags, "--dir", str(self.folder))
        eventually(self._answers, within_s=STARTED_S, what="Redis answers")

    def _answers(self) -> bool:
        self.alive()
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def client(self) -> redis.Redis:
        """A client of it."""
        return redis.Redis.from_url(self.url, socket_timeout=10)

    def end(self, number: int = signal.SIGKILL) -> None:
        """Kill it."""
        super().end(number)
