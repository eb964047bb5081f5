"""The cable is pulled at every point of a request's way, at every stage: the right page and the right result come.

A table: where the cable is pulled, and when. `make test` takes the rows that differ most, `make test-faults` all.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from project.worker import Job, Worker
from tests.conftest import LiveSite, eventually
from tests.faults.proxy import Proxy, proxy_to
from tests.pages.conftest import OpenPage, log_in
from tests.worker.conftest import Running

pytestmark = pytest.mark.slow
SPACE = "Cables"
BACK_MS = 30_000
QUICK = {"SPACES_PING_INTERVAL_S": "1", "SPACES_PING_TIMEOUT_S": "1", "SPACES_HEARTBEAT_S": "1"}
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
STAGES = ("before", "queued", "running", "streaming", "unseen", "hidden")
PLACES = ("browser", "site", "worker", "half open")
QUICKEST = {
    "browser": STAGES,
    "site": ("streaming", "unseen"),
    "worker": ("streaming", "hidden"),
    "half open": ("running",),
}
BEHIND_THE_SITE = ("worker", "half open")
SENT = "Sent."
UNSURE = "No answer came. Send again: what arrived is not taken twice."
ALL = int(os.environ.get("SPACES_FAULT_ROUNDS", "0")) > 15
ROWS = [(place, stage) for place in PLACES for stage in (STAGES if ALL else QUICKEST[place])]


@dataclass
class Turn:
    """What a test lets the model do for one prompt."""

    begun: threading.Event = field(default_factory=threading.Event)
    streams: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)


class Model:
    """Begins, says "one ", then "two " when it may stream, and ends with "three" when it may go on."""

    def __init__(self) -> None:
        self.turns: dict[str, Turn] = {}

    def turn(self, prompt: str) -> Turn:
        return self.turns.setdefault(prompt, Turn())

    def __call__(self, job: Job) -> Iterator[str]:
        turn = self.turn(job.prompt)
        job.progress(0.4, "reading")
        turn.begun.set()
        self._wait(turn.streams, job)
        yield "one "
        self._wait(turn.goes_on, job)
        yield "two "
        yield "three"

    @staticmethod
    def _wait(event: threading.Event, job: Job) -> None:
        while not event.wait(0.02) and not job.cancelled:
            pass


@dataclass
class Stage:
    """A site with one space, a model behind a cable that can be pulled, and a page before it."""

    site: LiveSite
    proxy: Proxy
    model: Model
    space_id: str
    page: Page

    def pull(self, place: str) -> None:
        if place == "browser":
            self.page.context.set_offline(True)
        elif place == "site":
            self.site.kill()
        elif place == "half open":
            self.proxy.hold("up", "down")
        else:
            self.proxy.hold("up", "down")
            self.proxy.cut()

    def mend(self, place: str) -> None:
        if place == "browser":
            self.page.context.set_offline(False)
        elif place == "site":
            self.site.start()
        else:
            if place == "half open":
                # Nobody can tell it but by its silence.
                eventually(lambda: not self.site.connected(self.space_id), within_s=20)
                self.proxy.cut()
            self.proxy.let_go()

    def ask(self, prompt: str) -> None:
        self.page.fill("#prompt", prompt)
        self.page.click("#send")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Callable[[OpenPage], Stage]]:
    """The site and the worker, for all rows; ``live(open_page)`` opens a page of a row's own."""
    site, model = LiveSite(tmp_path_factory.mktemp("site"), QUICK), Model()
    try:
        site.start()
        space_id = site.make_space(SPACE, ws_queue_while_offline="on")
        with proxy_to(site.port) as proxy:
            worker = Running(Worker(model, host=proxy.host, space=SPACE, capacity=1))
            try:
                yield lambda open_page: _staged(site, proxy, model, space_id, open_page())
            finally:
                proxy.let_go()
                worker.worker.stop()
                worker.ends()
    finally:
        site.end()


def _staged(site: LiveSite, proxy: Proxy, model: Model, space_id: str, page: Page) -> Stage:
    eventually(lambda: site.connected(space_id), within_s=30, what="the worker is there")
    log_in(page, site)
    page.goto(f"{site.host}/ai_project/{space_id}")
    expect(page.locator("#badge")).to_have_text("✓ Connected")
    return Stage(site, proxy, model, space_id, page)


@dataclass
class Row:
    """One row of the table under way."""

    stage: Stage
    place: str
    when: str
    request_id: str = ""

    @property
    def prompt(self) -> str:
        return f"{self.place}, {self.when}"

    @property
    def card(self) -> Locator:
        prompt = self.stage.page.locator(".request-prompt", has_text=self.prompt)
        return self.stage.page.locator(".request", has=prompt)

    @property
    def turns(self) -> tuple[Turn, Turn]:
        """The model's turn for what is ahead in the queue, and for the row's own request."""
        return self.stage.model.turn(f"ahead of {self.prompt}"), self.stage.model.turn(self.prompt)

    def reach(self) -> None:
        """Bring the request to where the cable is pulled."""
        ahead, turn = self.turns
        if self.when == "before":
            return
        if self.when == "queued":
            user = self.stage.site.login("testuser", "testpass123")
            self.stage.site.submit(user, self.stage.space_id, prompt=f"ahead of {self.prompt}")
            assert ahead.begun.wait(20)
        if self.when in ("streaming", "unseen", "hidden"):
            turn.streams.set()
        self.stage.ask(self.prompt)
        expect(self.card.locator(".state")).to_have_text("Queued" if self.when == "queued" else "Running")
        if turn.streams.is_set():
            expect(self.card.locator(".answer")).to_have_text("one")
        self.request_id = (self.card.locator(".link").get_attribute("href") or "").rsplit("/", 1)[-1]
        if self.when == "hidden":
            self.stage.page.evaluate(HIDE, True)

    def go_on_without(self) -> None:
        """What happens while the cable is out."""
        if self.when == "before":
            self.stage.ask(self.prompt)
            expect(self.stage.page.locator("#ask-note")).to_have_text(SENT if self.place in BEHIND_THE_SITE else UNSURE)
        if self.when in ("unseen", "hidden"):
            self.turns[1].goes_on.set()
        if self.when in ("unseen", "hidden") and self.place == "browser":
            user = self.stage.site.login("testuser", "testpass123")
            eventually(lambda: self.stage.site.status(user, self.request_id)["status"] == "completed")

    def come_back(self) -> None:
        """What the person, and the model, do when it is in again."""
        page = self.stage.page
        if self.when == "before" and self.place not in BEHIND_THE_SITE:
            expect(page.locator("#prompt")).to_have_value(self.prompt)
            page.click("#send")
        for turn in self.turns:
            turn.streams.set()
            turn.goes_on.set()
        if self.when == "hidden":
            page.evaluate(HIDE, False)


@pytest.mark.parametrize(("place", "when"), ROWS)
def test_a_pulled_cable_costs_nothing(
    live: Callable[[OpenPage], Stage], open_page: OpenPage, place: str, when: str
) -> None:
    stage = live(open_page)
    row = Row(stage, place, when)
    row.reach()
    stage.pull(place)
    row.go_on_without()
    stage.mend(place)
    row.come_back()
    card = row.card
    expect(card.locator(".state")).to_have_text("Done", timeout=BACK_MS)
    expect(card.locator(".answer")).to_have_text("one two three")
    expect(card.locator(".request-progress")).to_be_hidden()
    expect(card).to_have_count(1)
    expect(stage.page.locator("#badge")).to_have_text("✓ Connected", timeout=BACK_MS)
    stage.page.goto(f"{stage.site.host}{card.locator('.link').get_attribute('href')}")
    expect(stage.page.locator(".request .state")).to_have_text("Done")
    expect(stage.page.locator(".request .answer")).to_have_text("one two three")
