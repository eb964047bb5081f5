"""The rules behind the console, without a site: secrets, parameters, comparison, saturation, limits of a call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from project.core.calls import Outcome, Search, Statistics, verdict
from project.core.model import User
from project.core.runs import LoadRun, LoadTarget, Step, is_saturated, planned_steps, regressions, whole
from project.errors import InvalidParams, RemoteError, SpacesError, StorageUnavailable
from project.rpc import methods
from project.rpc.calls import Calls
from project.rpc.methods import METHODS, Method
from project.rpc.redaction import MASK, is_whole, redacted
from project.rpc.schema import check_json
from project.runtime import make_runtime
from project.storage.memory import memory_store
from project.web.words import METHODS as WORDS

ADMIN = User("u", "admin", "hash", "admin", 0.0)


@pytest.mark.parametrize("name", ["password", "new_passwd", "apiKey", "X-API-Key", "access_token", "Cookie", "secret"])
def test_what_is_named_a_secret_is_masked(name: str) -> None:
    assert redacted({"a": {name: "hunter2"}}) == {"a": {name: MASK}}
    assert redacted({"a": {name: ["x"]}}) == {"a": {name: MASK}}


@pytest.mark.parametrize(
    "text",
    ["wsp_ab12cd_" + "x" * 43, "Bearer abcdefghijkl", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "sk-" + "a" * 24],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    assert redacted({"message": f"use {text} now"}) == {"message": f"use {MASK} now"}


def test_the_rest_is_kept_and_long_texts_are_cut() -> None:
    params = {"user_id": "u", "n": 1, "deep": [{"title": "A token of thanks"}], "none": None}
    assert redacted(params) == params
    assert is_whole(params)
    assert not is_whole(redacted({"password": "x"}))
    long = redacted({"message": "x" * 100_000})
    assert len(long["message"]) < 5000
    assert not is_whole(long)


@pytest.mark.parametrize(
    "params",
    [[], "x", None, {"a": float("nan")}, {"a": "\x00"}, {"\x00": 1}, {"a": "\ud800"}, {"a": "x" * 70_000}],
)
def test_parameters_that_cannot_be_kept_are_refused(params: Any) -> None:
    with pytest.raises(InvalidParams):
        check_json(params)


def test_parameters_nested_too_deep_are_refused() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    with pytest.raises(InvalidParams):
        check_json(deep)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": 5}, "user_id"),
        ({"user_id": "u", "title": "x" * 301}, "title"),
        ({"user_id": "u", "data": []}, "data"),
        ({"user_id": "u", "other": 1}, "other"),
    ],
)
def test_bad_parameters_name_the_field(params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        methods.find("notification.send").check(params)
    assert caught.value.field == field


def test_every_method_takes_its_own_template_and_has_words() -> None:
    for method in METHODS:
        method.check(method.sample("space"))
        assert set(method.schema()["required"]) <= set(method.sample("space"))
    assert set(WORDS) == {method.name for method in METHODS}


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        ((100, 0, 120.0), (100, 0, 100.0), "same"),
        ((100, 0, 126.0), (100, 0, 100.0), "worse"),
        ((100, 0, 70.0), (100, 0, 100.0), "better"),
        ((100, 3, 100.0), (100, 0, 100.0), "worse"),
        ((100, 0, 100.0), (100, 3, 100.0), "better"),
        ((100, 0, 0.5), (100, 0, 0.1), "same"),
        ((100, 0, 0.1), (100, 0, 0.5), "same"),
        ((100, 0, 10.0), (100, 0, 5.0), "worse"),
        ((4, 4, 900.0), (100, 0, 100.0), "unknown"),
        ((100, 0, 100.0), None, "unknown"),
    ],
)
def test_today_against_last_week(now: Any, before: Any, said: str) -> None:
    def made(values: tuple[int, int, float]) -> Statistics:
        return Statistics("m", values[0], values[1], 1.0, values[2], 0.0)

    assert verdict(made(now), made(before) if before is not None else None) == said


BASE = Step(10, 100, 100, 100, 0, avg_ms=10.0, p95_ms=20.0, rps=100.0, elapsed_s=1.0)


@pytest.mark.parametrize(
    ("changed", "worse"),
    [
        ({}, ()),
        ({"p95_ms": 24.0, "rps": 85.0}, ()),
        ({"p95_ms": 26.0}, ("p95",)),
        ({"rps": 79.0}, ("rps",)),
        ({"failed": 2, "success": 98}, ("failures",)),
        ({"p95_ms": 99.0, "rps": 1.0, "failed": 50}, ("p95", "rps", "failures")),
    ],
)
def test_a_run_worse_than_its_baseline(changed: dict[str, Any], worse: tuple[str, ...]) -> None:
    assert regressions(BASE, replace(BASE, **changed)) == worse


def test_a_stress_run_goes_up_until_it_brings_nothing() -> None:
    target = LoadTarget("system.ping", {}, 1000, 30, mode="stress")
    steps = planned_steps(target)
    assert [step.concurrency for step in steps] == [1, 2, 5, 10, 20, 30]
    assert sum(step.total for step in steps) <= 1000
    assert planned_steps(replace(target, mode="load")) == (Step(30, 1000),)
    rising = tuple(replace(BASE, rps=rate) for rate in (100.0, 150.0, 200.0))
    assert not is_saturated(rising)
    assert not is_saturated((*rising, replace(BASE, rps=201.0)))
    assert is_saturated((*rising, replace(BASE, rps=201.0), replace(BASE, rps=199.0)))
    assert is_saturated((replace(BASE, failed=6),))
    assert not is_saturated(())
    both = whole(LoadRun("a", target, "finished", "u", 0.0, steps=rising))
    assert (both.done, both.elapsed_s, both.rps, both.total) == (300, 3.0, 100.0, 1000)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """Calls over methods of the test's own."""
    store = memory_store()
    never = threading.Event()

    def fail(services: Any, params: Any, context: Any) -> Any:
        raise {"remote": RemoteError("no"), "busy": StorageUnavailable()}.get(params["how"], KeyError("surprise"))

    table = {
        "fail": Method("fail", "", 5.0, fail, (replace(METHODS[0].fields[0], name="how"),)),
        "hang": Method("hang", "", 0.1, lambda *_: never.wait()),
        "fine": Method("fine", "", 5.0, lambda *_: {"token": "abc", "n": 1}),
    }
    monkeypatch.setattr(methods, "_BY_NAME", table)
    services: Any = None
    yield Calls(store.calls, services, make_runtime("threading"), lambda: 1000.0)
    never.set()


@pytest.mark.parametrize(
    ("method", "params", "outcome", "code"),
    [
        ("none", {}, Outcome.UNKNOWN_METHOD, "unknown_method"),
        ("fail", {}, Outcome.INVALID_PARAMS, "invalid_params"),
        ("fail", {"how": "remote"}, Outcome.REMOTE_ERROR, "remote_error"),
        ("fail", {"how": "busy"}, Outcome.UNAVAILABLE, "storage_unavailable"),
        ("fail", {"how": "x"}, Outcome.INTERNAL_ERROR, "internal_error"),
        ("hang", {}, Outcome.TIMEOUT, "rpc_timeout"),
        ("fine", {}, Outcome.SUCCESS, None),
    ],
)
def test_every_outcome_is_typed_and_logged(
    calls: Calls, method: str, params: Any, outcome: Outcome, code: str | None
) -> None:
    call = calls.call(method, params, ADMIN)
    assert (call.outcome, call.code) == (outcome, code)
    kept = calls.get(call.id)
    assert (kept.outcome, kept.code, kept.caller) == (outcome, code, "admin")
    asked_wrong = outcome in (Outcome.SUCCESS, Outcome.UNKNOWN_METHOD, Outcome.INVALID_PARAMS)
    assert (kept.trace is None) is asked_wrong
    if outcome is Outcome.INTERNAL_ERROR:
        assert "surprise" in (kept.trace or "")


def test_the_log_masks_what_the_caller_gets(calls: Calls) -> None:
    call = calls.call("fine", {"_test_id": "t1"}, ADMIN)
    assert call.response == {"token": "abc", "n": 1}
    assert calls.get(call.id).response == {"token": MASK, "n": 1}
    assert [one.id for one in calls.find(Search(test_id="t1"))] == [call.id]


def test_a_call_is_repeated_unless_the_log_left_something_out(calls: Calls) -> None:
    first = calls.call("fine", {}, ADMIN)
    again = calls.replay(first.id, ADMIN)
    assert (again.replay_of, again.outcome) == (first.id, Outcome.SUCCESS)
    secret = calls.call("fine", {"password": "x"}, ADMIN)
    with pytest.raises(SpacesError, match="secrets"):
        calls.replay(secret.id, ADMIN)


def test_sources_are_where_processes_are_begun() -> None:
    from project.rpc import process

    assert (process.ROOT / "project" / "load" / "__main__.py").is_file()
    assert Path(process.ROOT, "run.py").is_file()
