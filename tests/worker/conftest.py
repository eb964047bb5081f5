"""A site of the tests' own, and workers of the SDK beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from project.worker import Worker
from tests.conftest import LiveSite, Process, eventually
from tests.worker.site import FakeSite


class Running:
    """A worker that runs on a thread, and what came of it."""

    def __init__(self, worker: Worker):
        self.worker = worker
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:
            self.error = error

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def ends(self, within_s: float = 30.0) -> BaseException | None:
        self._thread.join(within_s)
        assert self.over, f"the worker still runs after {within_s} s"
        return self.error


Serve = Callable[..., Running]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """One running site for a module, that notices soon what happens to its workers."""
    soon = {"SPACES_PING_INTERVAL_S": "1", "SPACES_PING_TIMEOUT_S": "1", "SPACES_LEASE_S": "2"}
    live = LiveSite(tmp_path_factory.mktemp("site"), {**soon, "SPACES_HEARTBEAT_S": "0.5"})
    try:
        live.start()
        yield live
    finally:
        live.end()


@pytest.fixture
def fake() -> Iterator[FakeSite]:
    site = FakeSite()
    site.start()
    yield site
    site.stop()


@pytest.fixture
def serve(fake: FakeSite) -> Iterator[Serve]:
    """``serve(handler, **options)``: a worker, registered unless ``ready=False``."""
    running: list[Running] = []

    def start(handler: Callable[[Any], Any] | str, *, ready: bool = True, **options: Any) -> Running:
        before = len(fake.of("register"))
        running.append(Running(Worker(handler, host=fake.host, space="Test", **options)))
        if ready:
            eventually(lambda: len(fake.of("register")) > before, what="registered")
        return running[-1]

    yield start
    for each in running:
        each.worker.stop()
        each.ends()


@pytest.fixture
def mock(fake: FakeSite) -> Iterator[Callable[..., Process]]:
    """``mock(*flags)``: the mock app as a process, connected unless ``ready=False``."""
    started: list[Process] = []

    def start(*flags: str, ready: bool = True, space: str = "TestSpace_1") -> Process:
        process = Process("mock_app.py", "--host", fake.host, "--spaces", space, *flags)
        started.append(process)
        if ready:
            process.says("Request processor started")
        return process

    yield start
    for process in started:
        process.end()
