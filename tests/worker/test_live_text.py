"""Live text: what is lost with a line, or not taken for a moment, is sent again, in order, before anything newer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from project.core.moves import MOST_PARTIAL_CHARS
from project.wire.limits import LIVE_TEXT_CHARS
from project.worker import Job, Worker
from project.worker.chunks import BETWEEN_S, REFUSED_S, Chunks
from tests.conftest import LiveSite, eventually
from tests.faults.proxy import proxy_to
from tests.relay.streaming import open_stream, put
from tests.worker.conftest import Running, Serve
from tests.worker.site import HELD, FakeSite


class Said:
    """A handler that says what a test puts, and ends when it is told."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._changed = threading.Condition()
        self._over = False

    def say(self, *texts: str, end: bool = False) -> None:
        with self._changed:
            self._texts += texts
            self._over = end
            self._changed.notify()

    def __call__(self, request: Job) -> Iterator[str]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._texts or self._over, timeout=20)
                texts, self._texts = self._texts, []
            yield from texts
            if self._over:
                return


def text_of(fake: FakeSite) -> str:
    """The text as a site has it that goes by ``seq``, with a mark where something is missing."""
    text, last = "", 0
    for chunk in fake.of("inference_chunk"):
        if chunk["seq"] > last:
            text += ("" if chunk["seq"] == last + 1 else "[gap]") + chunk["text"]
            last = chunk["seq"]
    return text


def test_what_was_lost_with_the_line_comes_first_on_the_next(fake: FakeSite, serve: Serve) -> None:
    model = Said()
    serve(model)
    fake.give("r1")
    model.say("one ")
    eventually(lambda: text_of(fake) == "one ")
    fake.answers["inference_chunk"] = lambda _message: HELD
    model.say("two ")
    eventually(lambda: text_of(fake) == "one two ")
    # The site has it, and dies before it can say so or keep it; meanwhile the model goes on.
    fake.frames[:] = [frame for frame in fake.frames if frame[1].get("text") != "two "]
    fake.answers.pop("inference_chunk")
    fake.stop()
    model.say("three ", "four ")
    fake.start()
    eventually(lambda: text_of(fake) == "one two three four ", within_s=20)
    model.say(end=True)
    eventually(lambda: "r1" in fake.results())


def test_a_run_that_ends_without_a_line_has_its_text_sent_before_its_result(fake: FakeSite, serve: Serve) -> None:
    model = Said()
    serve(model)
    fake.give("r1")
    model.say("one ")
    eventually(lambda: text_of(fake) == "one ")
    fake.stop()
    model.say("two ", "three ", end=True)
    fake.start()
    eventually(lambda: "r1" in fake.results(), within_s=20)
    assert text_of(fake) == "one two three "
    names = [name for name, _ in fake.frames]
    assert names.index("inference_result") > len(names) - 1 - names[::-1].index("inference_chunk")


class Sending:
    """``Chunks`` by hand: a clock that stands still, a line that notes, answers when asked."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[tuple[int, str]] = []
        self.answers: list[Any] = []
        self.chunks = Chunks(self._send, lambda: self.now)
        self.chunks.resume()

    def _send(self, job: Job, seq: int, text: str, answer: Any) -> None:
        self.sent.append((seq, text))
        self.answers.append(answer)

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.chunks.flush()


def job(request_id: str = "r1") -> Job:
    return Job({"request_id": request_id, "lease_id": "l"}, lambda *_: None)


OK = {"ok": True}


def test_one_is_under_way_at_a_time_and_the_rest_comes_together() -> None:
    line, work = Sending(), job()
    for text in "abc":
        line.chunks.put(work, text)
    line.after(BETWEEN_S * 5)
    assert line.sent == [(1, "a")]
    line.answers[0](OK)
    assert line.sent == [(1, "a"), (2, "bc")]


def test_what_is_refused_for_the_moment_is_sent_again_before_anything_newer() -> None:
    line, work = Sending(), job()
    line.chunks.put(work, "a")
    line.answers[0]({"ok": False, "code": "storage_unavailable"})
    line.chunks.put(work, "b")
    line.after(REFUSED_S / 2)
    assert line.sent == [(1, "a")]
    line.after(REFUSED_S)
    line.answers[1](OK)
    assert line.sent == [(1, "a"), (1, "a"), (2, "b")]
    line.answers[2]({"ok": False, "code": "storage_unavailable"})
    line.chunks.put(work, "c")
    line.chunks.end(work)
    assert line.sent[3:] == [(2, "b"), (3, "c")], "also when the run ends meanwhile"


def test_what_can_never_be_taken_holds_up_nothing() -> None:
    line, work = Sending(), job()
    line.chunks.put(work, "a")
    line.chunks.put(work, "b")
    line.after(BETWEEN_S)
    line.answers[0]({"ok": False, "code": "invalid_message"})
    assert line.sent == [(1, "a"), (2, "b")]


def test_nothing_is_said_for_a_request_that_nobody_waits_for() -> None:
    line, cancelled, done = Sending(), job("r1"), job("r2")
    line.chunks.put(cancelled, "a")
    line.chunks.put(done, "b")
    line.chunks.pause()
    cancelled.cancel()
    line.chunks.put(cancelled, "more")
    line.chunks.end(cancelled)
    line.chunks.end(done)
    line.chunks.forget("r2")
    line.chunks.resume()
    assert line.sent == [(1, "a"), (1, "b")]


def test_no_more_is_kept_than_a_page_is_shown() -> None:
    line, work = Sending(), job()
    line.chunks.pause()
    for _ in range(3):
        line.chunks.put(work, "x" * (LIVE_TEXT_CHARS // 2))
    line.chunks.end(work)
    line.chunks.resume()
    assert sum(len(text) for _, text in line.sent) == LIVE_TEXT_CHARS + 1, "one more, so that the site marks the end"
    assert LIVE_TEXT_CHARS == MOST_PARTIAL_CHARS


@pytest.mark.parametrize("held", [(), ("up",), ("down",), ("up", "down")], ids=["cut", "lost", "unheard", "silent"])
def test_a_page_has_each_piece_once_through_a_line_that_breaks(site: LiveSite, held: tuple[str, ...]) -> None:
    name = f"Live {len(held)} {''.join(held)}."
    space_id, user, model = site.make_space(name), site.login("testuser", "testpass123"), Said()
    with proxy_to(site.port) as proxy:
        running = Running(Worker(model, host=proxy.host, space=name))
        try:
            eventually(lambda: site.connected(space_id))
            request_id = site.submit(user, space_id, prompt="x")["request_id"]
            model.say("before ")
            eventually(lambda: site.status(user, request_id)["partial"] == "before ")
            # What is said now is on its way, or waits behind it, when the line breaks.
            proxy.hold(*held)
            model.say("while ", "it ")
            if held == ("down",):
                eventually(lambda: "while " in site.status(user, request_id)["partial"])
            proxy.cut()
            model.say("was ", "away ")
            proxy.let_go()
            text, whole = "", "before while it was away "
            for event in open_stream(site, user, request_id=request_id).events():
                text = put(text, event)
                if text == whole:
                    break
                assert whole.startswith(text)
            model.say("end", end=True)
            done = eventually(lambda: (s := site.status(user, request_id))["status"] == "completed" and s, within_s=20)
        finally:
            model.say(end=True)
            running.worker.stop()
            running.ends()
    assert (done["partial"], done["result"]["text_output"], done["attempt"]) == (whole + "end", whole + "end", 1)
