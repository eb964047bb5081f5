"""Row 17: one stranger, or one account, uses its share and no more: what is counted, what waits, what is refused."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from werkzeug.wsgi import LimitedStream

from project.config import Settings
from project.errors import HeadTooLarge, TooManyAtOnce
from project.runtime import Completion, Runtime, current_bit, make_runtime, waited
from project.shares import ALONE_S, MOST_DEBT_S, MOST_INSIDE, MOST_THREADS, ROUND_S, STAYS_S, Line, Share, Shares
from project.sockets.gate import MOST_BYTES_BEFORE, Gate, Verdict
from project.web import heads
from project.web.guard import REFUSALS_PER_S, Guard
from project.web.pace import BURST_S
from project.web.turns import ADDRESS, READ_S, SHARE, Turns
from tests.conftest import LiveSite, eventually


@pytest.fixture
def runtime() -> Runtime:
    return make_runtime("threading")


def begin(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


class Desk:
    """An app whose answers wait until they may go on, and that knows how many are being made."""

    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.go_on = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        # As the database's answer is waited for: the request is under way, and nothing of it runs.
        completion: Completion[None] = Completion(threading.Event)
        begin(lambda: (self.go_on.wait(), completion.deliver(None)))  # type: ignore[func-returns-value]
        completion.wait()
        with self._lock:
            self.inside -= 1
        return [b"done"]


def asked(address: str, path: str = "/", **more: str) -> dict[str, Any]:
    return {ADDRESS: address, "PATH_INFO": path, "REQUEST_METHOD": "GET", **more}


def test_no_more_of_one_address_are_under_way_than_agreed_and_others_pass(runtime: Runtime) -> None:
    desk = Desk()
    turns = Turns(desk, Shares(runtime))
    flood = [begin(lambda: list(turns(asked("192.0.2.1"), None))) for _ in range(MOST_INSIDE * 4)]  # type: ignore[arg-type,return-value]
    eventually(lambda: desk.inside == MOST_INSIDE)
    other = begin(lambda: list(turns(asked("192.0.2.2"), None)))  # type: ignore[arg-type,return-value]
    health = begin(lambda: list(turns(asked("192.0.2.1", "/healthz"), None)))  # type: ignore[arg-type,return-value]
    eventually(lambda: desk.inside == MOST_INSIDE + 2, what="somebody else, and /healthz, are let in")
    desk.go_on.set()
    for thread in [*flood, other, health]:
        thread.join(20)
        assert not thread.is_alive()
    assert desk.most == MOST_INSIDE + 2


def test_a_body_is_waited_for_in_nobodys_time_however_it_is_read(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = Shares(runtime)
    seen: list[int] = []
    charged: list[float] = []
    monkeypatch.setattr(shares, "charge", lambda line, used_s: charged.append(used_s))

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            seen.append(shares.line("address 192.0.2.1").running)
            return super().read(size)

        def readinto(self, buffer: Any) -> int:
            seen.append(shares.line("address 192.0.2.1").running)
            return super().readinto(buffer)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return [LimitedStream(environ["wsgi.input"], 5).read()]

    environ = {**asked("192.0.2.1"), "wsgi.input": Slow(b"hello")}
    assert b"".join(Turns(app, shares)(environ, None)) == b"hello"
    assert set(seen) == {0}
    assert charged == [READ_S] * len(seen), "and what taking it in costs is its own"


def test_a_short_body_is_there_before_its_request_asks_for_a_turn(runtime: Runtime) -> None:
    shares = Shares(runtime, most_inside=1, most_waiting=1)
    line = shares.line("address 192.0.2.1")
    shares.enter(line)
    body = io.BytesIO(b"hello and the next request")
    environ = {**asked("192.0.2.1"), "wsgi.input": body, "CONTENT_LENGTH": "5"}
    begin(lambda: Turns(lambda *_: [], shares)(environ, lambda *_: None))
    eventually(lambda: line.doors)
    assert body.tell() == 5
    shares.leave(line)


def test_a_body_that_waits_to_be_asked_for_is_asked_for_by_whoever_reads_it(runtime: Runtime) -> None:
    body = io.BytesIO(b"hello")
    environ = {**asked("192.0.2.1"), "wsgi.input": body, "CONTENT_LENGTH": "5", "HTTP_EXPECT": "100-continue"}
    assert list(Turns(lambda *_: [], Shares(runtime))(environ, lambda *_: None)) == []
    assert body.tell() == 0


def test_a_short_answer_is_made_in_the_turn_of_its_request_and_a_stream_in_its_own(runtime: Runtime) -> None:
    shares = Shares(runtime)
    line = shares.line("address 192.0.2.1")
    closed: list[str] = []

    class Pieces:
        def __init__(self) -> None:
            self.running: list[int] = []

        def __iter__(self) -> Iterator[bytes]:
            for piece in (b"he", b"llo"):
                self.running.append(line.running)
                yield piece

        def close(self) -> None:
            closed.append("closed")

    for headers, made in (([("Content-Length", "2")], 1), ([("Content-Length", "5")], 1), ([], 0)):
        pieces = Pieces()

        def app(
            environ: dict[str, Any], start: Any, headers: Any = headers, pieces: Pieces = pieces
        ) -> Iterable[bytes]:
            start("200 OK", headers)
            return pieces

        answer = Turns(app, shares)(asked("192.0.2.1"), lambda *_: None)
        assert len(pieces.running) == made
        assert b"".join(answer) == (b"he" if headers == [("Content-Length", "2")] else b"hello")
        assert set(pieces.running) == {1}
        answer.close()  # type: ignore[attr-defined]
    assert len(closed) == 3
    assert line.is_idle


def test_an_answer_that_fails_at_its_first_piece_is_closed(runtime: Runtime) -> None:
    closed: list[str] = []

    class Failing:
        def __iter__(self) -> Iterator[bytes]:
            raise ValueError("no")
            yield b""

        def close(self) -> None:
            closed.append("closed")

    def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        start("200 OK", [("Content-Length", "2")])
        return Failing()

    shares = Shares(runtime)
    with pytest.raises(ValueError, match="no"):
        Turns(app, shares)(asked("192.0.2.1"), lambda *_: None)
    assert closed == ["closed"]
    assert shares.line("address 192.0.2.1").is_idle


def test_too_many_waiting_are_refused(runtime: Runtime) -> None:
    shares = Shares(runtime, most_inside=1, most_waiting=2)
    line = shares.line("a")
    shares.enter(line)
    for _ in range(2):
        begin(lambda: shares.enter(line))
    eventually(lambda: len(line.doors) == 2)
    with pytest.raises(TooManyAtOnce) as refused:
        shares.enter(line)
    assert refused.value.status == 429
    assert refused.value.retry_after_s
    for _ in range(3):
        shares.leave(line)
    assert line.is_idle


def test_refusal_of_a_turn_is_an_answer(tmp_path: Path) -> None:
    def full(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise TooManyAtOnce(retry_after_s=1.0)

    told: list[Any] = []
    guard = Guard(full, Settings(data_dir=tmp_path))
    body = b"".join(guard(request_of("192.0.2.1"), lambda status, headers: told.append((status, dict(headers)))))
    assert told[0][0].startswith("429")
    assert told[0][1]["Retry-After"] == "1"
    assert b"too_many_at_once" in body


def request_of(address: str, **more: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "HTTP_HOST": "127.0.0.1",
        "REMOTE_ADDR": address,
        "wsgi.url_scheme": "http",
        **more,
    }


def test_who_used_much_sits_out_while_others_go_on(runtime: Runtime) -> None:
    shares = Shares(runtime)
    greedy, modest = shares.line("greedy"), shares.line("modest")
    shares.begin(greedy)
    shares.end(greedy, MOST_DEBT_S * 4)
    assert greedy.used_s == MOST_DEBT_S, "a debt is bounded, or nobody would come back from it"
    order: list[str] = []
    waiting = begin(lambda: (shares.begin(greedy), order.append("greedy")))  # type: ignore[func-returns-value]
    eventually(lambda: greedy.waits or order)
    shares.begin(modest)
    order.append("modest")
    shares.end(modest, 0.0)
    waiting.join(10)
    assert order == ["modest", "greedy"]


def held_back(runtime: Runtime) -> tuple[Shares, list[Callable[[], None]]]:
    """Shares whose rounds do not begin by themselves, and the rounds."""
    rounds: list[Callable[[], None]] = []
    held = Runtime("threading", rounds.append, runtime._start_native, runtime._run_blocking, threading.Event)
    return Shares(held), rounds


def test_who_is_alone_may_use_more_of_a_round(runtime: Runtime) -> None:
    shares, rounds = held_back(runtime)
    line, other = shares.line("a"), shares.line("b")
    shares.enter(line)
    shares.begin(line)
    shares.end(line, ROUND_S * 2)
    shares.begin(line)
    shares.end(line, 0.0)
    assert not rounds, "nobody else is there"
    shares.enter(other)
    waiting = begin(lambda: shares.begin(line))
    eventually(lambda: rounds, what="it waits for the next round")
    assert line.running == 0
    begin(rounds.pop())
    waiting.join(10)
    assert line.running == 1


def test_who_was_there_a_moment_ago_is_somebody_else(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person whose request waits for its result has nothing under way, and is not gone."""
    now = [100.0]
    monkeypatch.setattr("project.shares.time", SimpleNamespace(monotonic=lambda: now[0]))
    shares, rounds = held_back(runtime)
    busy, other = shares.line("a"), shares.line("b")
    shares.enter(other)
    shares.leave(other)
    shares.enter(busy)

    def may_use(used_s: float) -> bool:
        shares.begin(busy)
        shares.end(busy, used_s)
        waiting = begin(lambda: (shares.begin(busy), shares.end(busy, 0.0)))  # type: ignore[func-returns-value]
        eventually(lambda: rounds or not waiting.is_alive())
        turning = [begin(turn) for turn in rounds]
        rounds.clear()
        for thread in (waiting, *turning):
            thread.join(10)
        return not turning

    assert not may_use(ROUND_S * 2), "two milliseconds of a round are its own"
    now[0] += STAYS_S * 2
    assert not may_use(ALONE_S), "this one began before anybody looked who is there"
    assert may_use(ROUND_S * 2)


def test_one_long_bit_makes_the_next_round_a_short_one(runtime: Runtime) -> None:
    """Bits that read are short, and the one that answers is long: not many of a round may turn out to be such."""
    shares = Shares(runtime)
    line = shares.line("a")
    for _ in range(50):
        shares.begin(line)
        shares.end(line, 0.00001)
    shares.begin(line)
    shares.end(line, ROUND_S * 2)
    assert line.usual_s > ROUND_S / 2


def test_what_has_begun_passes_the_bound_on_threads(runtime: Runtime) -> None:
    """Those that run may wait for a lock that it holds."""
    shares = Shares(runtime)
    line = shares.line("a")
    for _ in range(MOST_THREADS):
        shares.begin(line)
    fresh = begin(lambda: shares.begin(line))
    eventually(lambda: line.fresh)
    shares.begin(line, fresh=False)
    assert (line.running, len(line.fresh)) == (MOST_THREADS + 1, 1)
    shares.end(line, 0.0)
    shares.end(line, 0.0)
    fresh.join(10)
    assert (line.running, len(line.fresh)) == (MOST_THREADS, 0)


def test_what_waited_a_moment_has_begun_and_what_rested_has_not(runtime: Runtime) -> None:
    asked_for: list[bool] = []

    class Told(Shares):
        def begin(self, line: Line, *, fresh: bool = True) -> None:
            asked_for.append(fresh)
            super().begin(line, fresh=fresh)

    shares = Told(runtime)
    share = Share(shares, shares.line("a"))
    with share.admitted():
        for resting in (False, True):
            waited(lambda: None, resting=resting)
    assert asked_for == [True, False, True]


def test_what_runs_is_counted_and_what_waits_is_not(runtime: Runtime) -> None:
    shares = Shares(runtime)
    line = shares.line("a")
    share = Share(shares, line)
    with share.admitted():
        assert current_bit.get() is share
        end = time.thread_time() + ROUND_S * 2
        while time.thread_time() < end:
            pass
        completion: Completion[str] = Completion(threading.Event)
        seen: list[tuple[int, int]] = []

        def deliver() -> None:
            eventually(lambda: line.running == 0)
            seen.append((line.running, line.inside))
            completion.deliver("value")

        begin(deliver)
        assert completion.wait() == "value"
        assert seen == [(0, 1)], "while it waits it is under way, and does not run"
        runtime.sleep(0)
    assert current_bit.get() is None
    assert line.is_idle


def test_work_of_another_thread_is_charged(runtime: Runtime) -> None:
    def elsewhere(work: Callable[..., Any], *arguments: object) -> Any:
        found: list[Any] = []
        thread = begin(lambda: found.append(work(*arguments)))
        thread.join()
        return found[0]

    looping = Runtime("eventlet", runtime._start_task, runtime._start_native, elsewhere, threading.Event)
    shares = Shares(runtime)
    line = shares.line("a")

    def burn() -> None:
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass

    with Share(shares, line).admitted():
        looping.run_blocking(burn)
        assert line.used_s > 0.01


def test_share_is_the_persons_once_they_are_known(runtime: Runtime) -> None:
    shares = Shares(runtime)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        before = shares.line("address 192.0.2.1").inside, shares.line("user u").inside
        environ[SHARE].belongs_to("u")
        return [json.dumps([before, (shares.line("address 192.0.2.1").inside, shares.line("user u").inside)]).encode()]

    turns = Turns(app, shares)
    cookie = {"HTTP_COOKIE": "a=b; spaces_session=secret"}
    first = json.loads(b"".join(turns(asked("192.0.2.1", **cookie), None)))
    assert first == [[1, 0], [0, 1]]
    second = json.loads(b"".join(turns(asked("192.0.2.1", **cookie), None)))
    assert second == [[0, 1], [0, 1]], "known from the start"
    assert shares.line("user u").is_idle
    assert shares.line("address 192.0.2.1").is_idle


def test_refused_again_and_again_waits_for_it(tmp_path: Path) -> None:
    pauses: list[float] = []
    settings = Settings(host="0.0.0.0", admin_password="quiet-lantern-42", data_dir=tmp_path)
    guard = Guard(lambda environ, start: [b""], settings, pauses.append)
    for _ in range(int(REFUSALS_PER_S * BURST_S) + 5):
        list(guard(request_of("192.0.2.1", HTTP_HOST="evil.example"), lambda *answer: None))
    assert 1 <= len(pauses) <= 5
    list(guard(request_of("192.0.2.2", HTTP_HOST="evil.example"), lambda *answer: None))
    assert len(pauses) <= 5


@pytest.mark.parametrize("bound", heads.BOUNDS, ids=lambda bound: bound.name)
def test_what_is_taken_apart_is_bounded_before(bound: heads.Bound) -> None:
    assert heads.refusal({bound.name: "a" * bound.most_bytes}) is None
    assert isinstance(heads.refusal({bound.name: "a" * (bound.most_bytes + 1)}), HeadTooLarge)
    assert heads.refusal({bound.name: bound.sign * bound.most_signs}) is None
    refused = heads.refusal({bound.name: bound.sign * (bound.most_signs + 1)})
    assert refused is not None
    assert refused.status == 431
    assert bound.shown in refused.message


def test_stranger_says_little_before_it_registers(runtime: Runtime) -> None:
    gate = Gate(runtime, Settings())
    gate.opened("a")
    assert gate.judge("a", MOST_BYTES_BEFORE) is Verdict.HEARD
    assert gate.judge("a", 1) is Verdict.TOO_MANY
    gate.opened("b")
    gate.registered("b")
    assert [gate.judge("b", MOST_BYTES_BEFORE) for _ in range(3)] == [Verdict.HEARD] * 3


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"Accept-Language": "a," * 500}, None, 431, "head_too_large"),
        ({"Cookie": "a=b; " * 300}, None, 431, "head_too_large"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "a&" * 2000, 413, "too_large"),
        (
            {"Content-Type": "application/json"},
            '{"prompt":"x","params":{"a":[' + "1," * 160_000 + "1]}}",
            413,
            "too_large",
        ),
        ({"Content-Type": "application/json"}, '{"prompt":' + "[" * 40_000, 400, "invalid_field"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "prompt=" + "%41" * 500_000, 413, "too_large"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "prompt=%FF", 400, "invalid_field"),
    ],
    ids=["languages", "cookies", "fields", "values", "depth", "field", "no-text"],
)
def test_site_says_what_is_too_much(
    site: LiveSite, headers: dict[str, str], body: str | None, status: int, code: str
) -> None:
    session = site.login("testuser", "testpass123")
    space_id = site.make_space(f"Floods {time.monotonic_ns()}", ws_queue_while_offline="on")
    answer = session.post(f"{site.host}/websockets/submit/{space_id}", data=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_calls_that_wait_do_not_keep_their_person_from_working(site: LiveSite) -> None:
    session = site.login("testuser", "testpass123")
    space_id = site.make_space("Waiting", ws_queue_while_offline="on")
    request_id = site.submit(session, space_id, prompt="x")["request_id"]
    answers: list[str] = []

    def wait() -> None:
        with suppress(requests.RequestException):
            found = site.status(requests_as(session), request_id, wait=20)
            answers.append(found["status"])

    waiting = [begin(wait) for _ in range(MOST_INSIDE * 3)]
    stream = requests_as(session).get(f"{site.host}/websockets/stream?request_id={request_id}", stream=True)
    assert stream.status_code == 200, "streams are let in beside them"
    assert not answers
    session.post(f"{site.host}/websockets/cancel/{request_id}")
    for thread in waiting:
        thread.join(20)
    assert answers == ["cancelled"] * len(waiting)
    stream.close()


def requests_as(session: requests.Session) -> requests.Session:
    """The same login on a connection of its own."""
    other = requests.Session()
    other.cookies.update(session.cookies)
    return other
