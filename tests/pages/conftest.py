"""Browsers of every kind in front of a real site, and workers that answer as a test needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import PATIENCE_S, ROOT, LiveSite, Process

OpenPage = Callable[..., Page]
StartWorker = Callable[..., Process]
SIZES = {"phone": {"width": 360, "height": 740}, "desktop": {"width": 1280, "height": 860}}
WORKER = """
import sys
from project.worker import Result, Worker
{body}
Worker(handler, host=sys.argv[1], space=sys.argv[2], capacity=globals().get("CAPACITY", 1)).run()
"""


def log_in(page: Page, site: LiveSite, username: str = "testuser", password: str = "testpass123") -> None:
    """Be on the first page, logged in; how that is done by hand is a test of its own."""
    for name, value in site.logged_in(username, password).cookies.items():
        page.context.add_cookies([{"name": name, "value": value, "url": site.host}])
    page.goto(f"{site.host}/")


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """``open_page(locale, theme, size)``: a browser of its own. Script errors and broken policies fail the test."""
    troubles: list[str] = []
    with ExitStack() as stack:

        def make(locale: str = "en-US", theme: str = "light", size: str = "desktop", **options: Any) -> Page:
            context = stack.enter_context(
                browser.new_context(locale=locale, color_scheme=theme, viewport=SIZES[size], **options)  # type: ignore[arg-type]
            )
            context.set_default_timeout(PATIENCE_S * 1000)
            page = context.new_page()
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("console", lambda line: troubles.append(line.text) if "Content Security" in line.text else None)
            return page

        yield make
    assert troubles == []


@pytest.fixture
def page(open_page: OpenPage, site: LiveSite) -> Page:
    """An English browser, logged in as the test user."""
    made = open_page()
    log_in(made, site)
    return made


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """``start_worker(site, space, body)``: a worker whose ``body`` defines ``handler(job)``, and may set CAPACITY."""
    started: list[Process] = []

    def start(site: LiveSite, space_id: str, name: str, body: str) -> Process:
        code = tmp_path / f"worker{len(started)}.py"
        code.write_text(WORKER.format(body=body), encoding="utf-8")
        process = Process(str(code), site.host, name, environment={"PYTHONPATH": str(ROOT)})
        started.append(process)
        return process

    yield start
    for process in started:
        process.end()
