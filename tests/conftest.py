"""What the tests share: real sites and workers as processes, a real browser, and waiting for what is true."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec

import hypothesis
import pytest
import requests
from playwright.sync_api import Browser, expect, sync_playwright

if TYPE_CHECKING:
    from tests.services import Postgres, Redis

ROOT = Path(__file__).resolve().parent.parent
OF_PROCESSES = frozenset(
    {
        "site",
        "own_site",
        "start_mock",
        "start_worker",
        "browser",
        "mock",
        "bare",
        "example",
        "program",
        "calibration",
        "echo",
        "load",
        "slow",
        "postgres",
        "redis",
    }
)
"""Fixtures that start processes: whoever uses one is slow."""
TAIL_CHARS = 6000
PATIENCE_S = 60.0
"""How long something that must come is waited for: no claim about speed, only an end for what hangs."""
LONGEST = (
    "suites/test_workers.py",
    "load/test_truth.py",
    "load/test_command.py",
    "faults/test_workers.py",
    "faults/test_kill_rounds.py",
    "suites/test_tool.py",
    "worker/test_faults.py",
    "security/test_row_27_slow_clients.py",
    "security/test_row_13_sockets.py",
    "security/test_fuzz.py",
    "suites/test_lies.py",
    "pages/test_look.py",
    "pages/test_space_page.py",
    "pages/test_live.py",
    "worker/test_outbox.py",
    "faults/test_site.py",
    "load/test_performance.py",
    "load/test_relay.py",
    "console/test_page.py",
    "console/test_load.py",
    "relay/test_kill.py",
    "relay/test_stopping.py",
    "worker/test_handlers.py",
    "worker/test_mock_app.py",
)
TRIALS = 5
ENDED = ("completed", "failed", "cancelled")
P = ParamSpec("P")
# How long an example takes is up to the machine, and says nothing of what is tested.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
# Hundreds of processes are started here: none is to compile the project anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs tests in the background has them ignore Ctrl+C, and with them whatever they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Workers keep results in the user's home unless told otherwise: those of the tests stay out of it.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="state-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow whatever uses a process or a browser, so that `make fast` stays fast; the longest files come first.

    Where several run at once, none of these is then left to one of them while the others have nothing to do. They also
    tell tests by their ids: of those with the same one only one would be run.
    """
    for item in items:
        if OF_PROCESSES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    twice = [name for name, count in Counter(item.nodeid for item in items).items() if count > 1]
    if twice:
        raise pytest.UsageError(f"tests with the same id: {', '.join(twice)}")
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.relative_to(ROOT / "tests").as_posix(), len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Show what the processes said when a test fails."""
    report: Any = yield
    if report.failed:
        for process in Process.running:
            report.sections.append((f"Output of {process.command}", process.output[-TAIL_CHARS:]))
    return report


def eventually(is_true: Callable[[], Any], *, within_s: float = PATIENCE_S, what: str = "") -> Any:
    """The first true value of ``is_true``, asked again and again; fails after ``within_s``."""
    deadline = time.monotonic() + within_s
    while True:
        value = is_true()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {within_s} s: {what or is_true}")
        time.sleep(0.02)


def imported_late(name: str) -> ModuleType:
    """A module that is imported when it is first used: collecting a test need not wait for it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def one_of_trials(test: Callable[P, None]) -> Callable[P, None]:
    """Run a test whose claim is a duration up to ``TRIALS`` times, whole, until it holds once.

    For claims that a busy machine can break by itself (at most so late, so much, so often): what is wrong breaks them
    each time, what is right holds as soon as the machine lets it. Everything a trial makes, it makes anew.
    """

    @functools.wraps(test)
    def tried(*args: P.args, **kwargs: P.kwargs) -> None:
        seen: list[str] = []
        while True:
            try:
                return test(*args, **kwargs)
            except Exception as error:
                if len(seen) == TRIALS - 1:
                    error.add_note("\n".join(["the trials before:", *seen]))
                    raise
                seen.append(f"{len(seen) + 1}: {type(error).__name__}: {error}"[:500])

    return tried


def lasting_port() -> int:
    """A free port that stays free while its server is away: not one of those that the system hands out by itself,
    nor one of another process of this run."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(20_000 + number, 32_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    while True:
        port = secrets.choice(ports)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


class Process:
    """A real process of ours with its output in a file. Only ever ended by its own id."""

    running: ClassVar[list[Process]] = []

    def __init__(self, *command: str, environment: dict[str, str] | None = None):
        # Settings of the one who runs the tests stay out of them, but for the server that is to be tested.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SPACES_") or k == "SPACES_ASYNC_MODE"}
        self.command = " ".join(command)
        self._log = tempfile.NamedTemporaryFile("w+b", suffix=".log", delete=False)  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**inherited, **(environment or {})},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.running.append(self)

    @property
    def output(self) -> str:
        return Path(self._log.name).read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def says(self, text: str, *, within_s: float = PATIENCE_S, times: int = 1) -> None:
        self.until(lambda: self.output.count(text) >= times, within_s=within_s, what=f"it says {text!r}")

    def until(self, is_true: Callable[[], Any], *, within_s: float = PATIENCE_S, what: str = "") -> None:
        """As ``eventually``, but fails at once, with what it said, if the process ends first."""

        def true_or_over() -> bool:
            ended = self.exit_code is not None
            if is_true():
                return True
            if ended:
                raise AssertionError(
                    f"{self.command} ended with {self.exit_code} before {what or is_true}:\n{self.output}"
                )
            return False

        eventually(true_or_over, within_s=within_s, what=what)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, within_s: float = PATIENCE_S) -> int:
        return self._process.wait(within_s)

    def end(self) -> None:
        if self.exit_code is None:
            self._process.kill()
            self._process.wait(60)
        self.running.remove(self)
        self._log.close()
        os.unlink(self._log.name)


@dataclass
class LiveSite:
    """A running site and how to talk to it."""

    data_dir: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: Process | None = None
    port: int = 0
    _logins: dict[str, requests.Session] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again on the same port once it has ended."""
        self.end()
        environment = {
            "SPACES_DATA_DIR": str(self.data_dir),
            "SPACES_LOG_FILE": str(self.data_dir / "error.log"),
            **self.environment,
        }
        self.process = Process("run.py", "--port", str(self.port), environment=environment)
        self.process.says("Running on http://")
        found = re.search(r"Running on http://\S+?:(\d+) ", self.process.output)
        assert found
        self.port = int(found[1])

    def start_afresh(self) -> None:
        """Start it with nothing in its folder, as the first time."""
        self.end()
        self._logins.clear()
        shutil.rmtree(self.data_dir, ignore_errors=True)
        self.start()

    def kill(self) -> None:
        assert self.process
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        assert self.process
        self.process.signal(signal.SIGTERM)
        return self.process.wait()

    def end(self) -> None:
        if self.process is not None:
            self.process.end()
            self.process = None

    def login(self, username: str = "admin", password: str = "admin123") -> requests.Session:
        session = requests.Session()
        answer = session.post(
            f"{self.host}/login", data={"username": username, "password": password}, allow_redirects=False
        )
        assert answer.status_code == 302, answer.text
        return session

    def logged_in(self, username: str = "admin", password: str = "admin123") -> requests.Session:
        """A login that was made before, if it still is one: for what is not about logins, which cost a hash each."""
        session = self._logins.get(username)
        if session is None or session.get(f"{self.host}/account/password", allow_redirects=False).status_code != 200:
            session = self._logins[username] = self.login(username, password)
        return session

    def make_space(self, name: str, **fields: str) -> str:
        form = {"name": name, "card_type": "websockets", "cover": "default.png", "ws_enable_prompt": "on", **fields}
        answer = self.logged_in().post(f"{self.host}/admin/space/add", data=form, allow_redirects=False)
        found = re.fullmatch(r"/admin/space/edit/(\w+)", answer.headers.get("Location", ""))
        assert found, answer.text
        return found[1]

    def submit(self, session: requests.Session, space_id: str, **form: Any) -> dict[str, Any]:
        answer = session.post(f"{self.host}/websockets/submit/{space_id}", data=form)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def status(self, session: requests.Session, request_id: str, wait: float = 0) -> dict[str, Any]:
        """How a request is doing; with ``wait`` (s, for each time that is asked) when it is over."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            query = {"request_id": request_id, "wait": wait or None}
            answer = session.get(f"{self.host}/websockets/status", params=query)
            assert answer.status_code == 200, answer.text
            body: dict[str, Any] = answer.json()
            if not wait or body["status"] in ENDED or time.monotonic() > deadline:
                return body

    def connected(self, space_id: str) -> bool:
        answer = requests.get(f"{self.host}/websockets/space/{space_id}/status")
        return bool(answer.json()["connected"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """One running site for a module."""
    live = LiveSite(tmp_path_factory.mktemp("site"))
    try:
        live.start()
        yield live
    finally:
        live.end()


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[LiveSite]:
    """A site of the test's own, to be killed and started at will. Not started yet."""
    live = LiveSite(tmp_path / "data", port=lasting_port())
    try:
        yield live
    finally:
        live.end()


@pytest.fixture
def start_mock() -> Iterator[Callable[..., Process]]:
    """Start mock workers: ``start_mock(host, space, *flags)``."""
    started: list[Process] = []

    def start(host: str, space: str, *flags: str, ready: bool = True) -> Process:
        mock = Process("mock_app.py", "--host", host, "--spaces", space, *flags)
        started.append(mock)
        if ready:
            mock.says("Request processor started")
        return mock

    yield start
    for mock in started:
        mock.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium; ``make test`` says where it is.

    Not for longer than a module: while it is driven, an event loop runs here, beside which no test can run one.
    """
    path = os.environ.get("SPACES_TEST_BROWSER")
    if not path:
        pytest.fail("SPACES_TEST_BROWSER is not set: run the tests by `make test`, which finds or installs a browser")
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=flags)
        yield started
        started.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One real PostgreSQL for the session. Tests have databases of their own in it, and never end it."""
    from tests.services import Postgres, running

    with running(Postgres()) as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    """A real Redis for a module. Whoever ends it starts it again."""
    from tests.services import Redis, running

    with running(Redis()) as server:
        yield server
