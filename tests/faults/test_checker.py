"""The checker finds each kind of broken promise when it is planted, and nothing where nothing is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.checker import Cancelled, Execution, Kept, Sent, Told, violations


def row(request_id: str, seq: int, **more: Any) -> dict[str, Any]:
    return {
        "id": request_id,
        "seq": seq,
        "space_id": "s",
        "status": "completed",
        "code": None,
        "lease_id": f"lease-{request_id}",
        "attempt": 1,
        "max_attempts": 3,
        "payload": {"prompt": f"prompt-{request_id}"},
        "result": {"lease": f"lease-{request_id}"},
        **more,
    }


IDS = ("a", "b", "c")
TOLD = Told(
    sent=(*(Sent(f"prompt-{name}", "ok", name) for name in IDS), Sent("prompt-x", "unknown")),
    executions=tuple(Execution(name, f"lease-{name}", 1, at) for at, name in enumerate(IDS)),
)
KEPT = Kept(
    {name: row(name, number) for number, name in enumerate(IDS, start=1)},
    tuple((name, after) for name in IDS for after in ("queued", "processing", "completed")),
    {"f": "hash"},
    {"f": "hash"},
)


def kept(**changes: Any) -> Kept:
    """The good store, with some rows changed."""
    rows = {name: {**KEPT.requests[name], **changes.get(name, {})} for name in IDS}
    return replace(KEPT, requests=rows)


def test_nothing_is_found_where_nothing_is() -> None:
    assert violations(TOLD, KEPT) == []


def test_a_submission_without_an_answer_may_be_there_or_not() -> None:
    rows = {**KEPT.requests, "x": row("x", 4, status="cancelled", code="cancelled_by_user")}
    moves = (*KEPT.moves, ("x", "queued"), ("x", "cancelled"))
    assert violations(TOLD, replace(KEPT, requests=rows, moves=moves)) == []


WITHOUT_B = {name: found for name, found in KEPT.requests.items() if name != "b"}
PLANTED: dict[str, tuple[Told, Kept]] = {
    "lost: prompt-b": (TOLD, replace(KEPT, requests=WITHOUT_B)),
    "phantom: nobody": (TOLD, kept(b={"payload": {"prompt": "nobody"}})),
    "phantom: prompt-b was refused": (
        replace(TOLD, sent=(TOLD.sent[0], Sent("prompt-b", "fail"), TOLD.sent[2])),
        KEPT,
    ),
    "doubled: prompt-a": (TOLD, kept(b={"payload": {"prompt": "prompt-a"}})),
    "unfinished: b": (TOLD, kept(b={"status": "processing"})),
    "unexplained: b": (TOLD, kept(b={"status": "failed"})),
    "ended twice: b": (TOLD, replace(KEPT, moves=(*KEPT.moves, ("b", "failed")))),
    "no end: b": (TOLD, replace(KEPT, moves=tuple(move for move in KEPT.moves if move != ("b", "completed")))),
    "foreign result: b": (TOLD, kept(b={"result": {"lease": "lease-of-another"}})),
    "never run: b": (replace(TOLD, executions=(TOLD.executions[0], TOLD.executions[2])), KEPT),
    "out of order: a": (replace(TOLD, executions=TOLD.executions[1:] + TOLD.executions[:1]), KEPT),
    "after cancel: b": (
        replace(TOLD, cancelled=(Cancelled("b", 0.5),)),
        kept(b={"status": "cancelled", "code": "cancelled_by_user"}),
    ),
    "not cancelled: b": (replace(TOLD, cancelled=(Cancelled("b", 9.0),)), KEPT),
    "too many attempts: b": (TOLD, kept(b={"attempt": 4})),
    "file lost: f": (TOLD, replace(KEPT, on_disk={})),
    "file changed: f": (TOLD, replace(KEPT, on_disk={"f": "other"})),
    "the database is damaged": (TOLD, replace(KEPT, integrity="row 3 missing")),
}


@pytest.mark.parametrize("what", PLANTED)
def test_what_is_planted_is_found(what: str) -> None:
    told, store = PLANTED[what]
    found = violations(told, store)
    assert any(problem.startswith(what) for problem in found), found
