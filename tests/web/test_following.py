"""What a stream tells of a request: all of it, each piece once, whenever the connection breaks."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from project.web.following import ESTIMATE_S, Following


def status(partial: str = "", attempt: int = 1, over: bool = False, **more: Any) -> dict[str, Any]:
    finished_at = "2026-01-01T00:00:00.000Z" if over else None
    known = {"request_id": "r", "status": "processing", "attempt": attempt, "finished_at": finished_at}
    return {**known, "partial": partial, "eta_seconds": None, **more}


def told(following: Following, now: dict[str, Any], at_s: float = 0.0) -> list[tuple[str, Any]]:
    return [(name, body.get("text", body.get("partial"))) for name, body in following.news(now, at_s)]


def test_the_whole_at_first_then_what_is_new() -> None:
    following = Following()
    assert told(following, status("one ")) == [("request", "one ")]
    assert told(following, status("one ")) == []
    assert told(following, status("one two ")) == [("chunk", "two ")]
    assert told(following, status("one two three", progress=50)) == [("request", None), ("chunk", "three")]
    assert following.cursor == "1.13"
    assert told(following, status("one two three", over=True)) == [("request", "one two three")]
    assert following.over
    assert told(following, status("one two three", over=True), 100.0) == []


def test_another_attempt_begins_anew() -> None:
    following = Following()
    told(following, status("lost text"))
    assert told(following, status("", attempt=2)) == [("request", "")]
    assert told(following, status("new", attempt=2)) == [("chunk", "new")]


def test_whoever_comes_back_gets_the_rest() -> None:
    assert told(Following("1.4"), status("one two")) == [("request", None), ("chunk", "two")]
    assert told(Following("1.4"), status("one two", attempt=2)) == [("request", "one two")]
    assert told(Following("1.9"), status("one two")) == [("request", "one two")], "it cannot have had that much"
    assert told(Following("1.7.end"), status("one two", over=True)) == [("request", "one two")]
    for nonsense in ("x", "1", "1.", "-1.2", "1.2.3", "9" * 30 + ".1"):
        assert told(Following(nonsense), status("one")) == [("request", "one")]


def test_an_estimate_alone_is_told_now_and_then() -> None:
    following = Following()
    told(following, status(eta_seconds=[9, 10]))
    assert told(following, status(eta_seconds=[8, 9]), ESTIMATE_S - 1) == []
    assert told(following, status(eta_seconds=[4, 5]), ESTIMATE_S) == [("request", None)]


class Page:
    """The other end: puts the text together as the page does, and remembers the last id."""

    def __init__(self) -> None:
        self.partial, self.cursor, self.pieces = "", "", 0

    def hear(self, name: str, body: Any, cursor: str) -> None:
        if name == "chunk":
            assert body["from"] == len(self.partial)
            self.partial += body["text"]
        elif "partial" in body:
            self.partial = body["partial"]
        self.cursor = cursor


@given(st.data())
def test_each_piece_arrives_once_whenever_the_connection_breaks(data: st.DataObject) -> None:
    page, following = Page(), Following()
    partial, attempt = "", 1
    for step in range(data.draw(st.integers(1, 12))):
        if data.draw(st.integers(0, 5)) == 0:
            partial, attempt = "", attempt + 1
        partial += data.draw(st.text("ab", max_size=3))
        for name, body in following.news(status(partial, attempt, progress=data.draw(st.integers(0, 2))), float(step)):
            if data.draw(st.integers(0, 3)) == 0:
                following = Following(page.cursor)  # this event was lost with the connection
                break
            page.hear(name, body, following.cursor)
    for name, body in following.news(status(partial, attempt), 99.0):
        page.hear(name, body, following.cursor)
    assert page.partial == partial
