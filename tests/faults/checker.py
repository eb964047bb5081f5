"""Compares what clients were told and what workers did with what the store holds, and names every broken promise."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

TERMINAL = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Sent:
    """One submission: its prompt, which no other has, and what the client knows of it.

    ``outcome``: ``ok`` accepted under ``request_id``, ``fail`` refused, ``unknown`` no answer came.
    """

    prompt: str
    outcome: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """A worker began an attempt. ``at``: s since the epoch."""

    request_id: str
    lease_id: str
    attempt: int
    at: float
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A client was told that a request is cancelled, at ``at``."""

    request_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that clients and workers know."""

    sent: tuple[Sent, ...] = ()
    executions: tuple[Execution, ...] = ()
    cancelled: tuple[Cancelled, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store holds: rows of requests by id, moves in their order, files, and what its own check says."""

    requests: Mapping[str, Mapping[str, Any]]
    moves: tuple[tuple[str, str], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    on_disk: Mapping[str, str] = field(default_factory=dict)
    integrity: str = "ok"


def read(data: Path, url: str = "") -> Kept:
    """The store of a site that has stopped, or stands still: SQLite in its data folder, or a PostgreSQL at ``url``."""
    rows, moves, files, integrity = _read_postgres(url) if url else _read_sqlite(data / "spaces.db")
    on_disk = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (data / "files").rglob("*")
        if path.is_file() and path.parent.name != "incoming"
    }
    by_id = {str(row["id"]): row for row in rows}
    return Kept(by_id, tuple((str(one), str(after)) for one, after in moves), dict(files), on_disk, integrity)


_MOVES = "SELECT request_id, after FROM history ORDER BY id"
_FILES = "SELECT id, sha256 FROM files"
_REQUESTS = "SELECT * FROM requests"
Read = tuple[list[dict[str, Any]], list[tuple[Any, Any]], list[tuple[Any, Any]], str]


def _read_sqlite(path: Path) -> Read:
    with sqlite3.connect(path) as database:
        moves, files = database.execute(_MOVES).fetchall(), database.execute(_FILES).fetchall()
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute(_REQUESTS)]
        (integrity,) = database.execute("PRAGMA integrity_check").fetchone()
    for row in rows:
        row["payload"], row["result"] = json.loads(row["payload"]), json.loads(row["result"] or "null")
    return rows, moves, files, str(integrity)


def _read_postgres(url: str) -> Read:
    with psycopg.connect(url) as database:
        rows = database.cursor(row_factory=dict_row).execute(_REQUESTS).fetchall()
        return rows, database.execute(_MOVES).fetchall(), database.execute(_FILES).fetchall(), "ok"


def violations(told: Told, kept: Kept) -> list[str]:
    """Every promise that is broken; none if the list is empty."""
    checks = (_lost, _phantoms, _unfinished, _doubled, _foreign, _disorder, _after_cancel, _attempts, _files)
    found = [problem for check in checks for problem in check(told, kept)]
    return found + ([] if kept.integrity == "ok" else [f"the database is damaged: {kept.integrity}"])


def _lost(told: Told, kept: Kept) -> Iterator[str]:
    for sent in told.sent:
        if sent.outcome == "ok" and sent.request_id not in kept.requests:
            yield f"lost: {sent.prompt} was accepted as {sent.request_id} and is not there"


def _phantoms(told: Told, kept: Kept) -> Iterator[str]:
    refused = {sent.prompt for sent in told.sent if sent.outcome == "fail"}
    known = {sent.prompt for sent in told.sent} - refused
    prompts = Counter(row["payload"]["prompt"] for row in kept.requests.values())
    for prompt, count in prompts.items():
        if prompt not in known:
            yield f"phantom: {prompt} was {'refused' if prompt in refused else 'never sent'} and is there"
        if count > 1:
            yield f"doubled: {prompt} is there {count} times"


def _unfinished(_told: Told, kept: Kept) -> Iterator[str]:
    for row in kept.requests.values():
        if row["status"] not in TERMINAL:
            yield f"unfinished: {row['id']} is {row['status']}"
        elif row["status"] != "completed" and not row["code"]:
            yield f"unexplained: {row['id']} {row['status']} without a code"


def _doubled(_told: Told, kept: Kept) -> Iterator[str]:
    ends = Counter(request_id for request_id, after in kept.moves if after in TERMINAL)
    for request_id, count in ends.items():
        if count > 1:
            yield f"ended twice: {request_id} has {count} ends"
    for row in kept.requests.values():
        if row["status"] in TERMINAL and ends[row["id"]] == 0:
            yield f"no end: {row['id']} is {row['status']} by no move"


def _foreign(told: Told, kept: Kept) -> Iterator[str]:
    """The result is that of the last lease's holder: the workers of the tests put their lease into it."""
    ran = {(execution.request_id, execution.lease_id) for execution in told.executions}
    for row in kept.requests.values():
        if row["status"] != "completed":
            continue
        if (row["id"], row["lease_id"]) not in ran:
            yield f"never run: {row['id']} completed under {row['lease_id']}, which no worker began"
        if row["result"].get("lease") != row["lease_id"]:
            yield f"foreign result: {row['id']} has that of {row['result'].get('lease')}, not of {row['lease_id']}"


def _disorder(told: Told, kept: Kept) -> Iterator[str]:
    """Within a space, first attempts begin in the order of acceptance."""
    last: dict[tuple[str, str], int] = {}
    for execution in told.executions:
        row = kept.requests.get(execution.request_id)
        if row is None or execution.attempt != 1:
            continue
        line = (row["space_id"], execution.worker)
        if row["seq"] < last.get(line, 0):
            yield f"out of order: {row['id']} (number {row['seq']}) began after number {last[line]}"
        last[line] = max(last.get(line, 0), row["seq"])


def _after_cancel(told: Told, kept: Kept) -> Iterator[str]:
    at = {cancelled.request_id: cancelled.at for cancelled in told.cancelled}
    for execution in told.executions:
        if execution.at > at.get(execution.request_id, float("inf")):
            yield f"after cancel: {execution.request_id} began {execution.at - at[execution.request_id]:.3f} s later"
    for request_id in at:
        if request_id in kept.requests and kept.requests[request_id]["status"] != "cancelled":
            yield f"not cancelled: {request_id} is {kept.requests[request_id]['status']}"


def _attempts(told: Told, kept: Kept) -> Iterator[str]:
    leases: dict[str, set[str]] = {}
    for execution in told.executions:
        leases.setdefault(execution.request_id, set()).add(execution.lease_id)
    for row in kept.requests.values():
        if row["attempt"] > row["max_attempts"] or len(leases.get(row["id"], ())) > row["max_attempts"]:
            yield f"too many attempts: {row['id']}"


def _files(_told: Told, kept: Kept) -> Iterator[str]:
    for file_id, sha256 in kept.files.items():
        if file_id not in kept.on_disk:
            yield f"file lost: {file_id}"
        elif kept.on_disk[file_id] != sha256:
            yield f"file changed: {file_id}"


def executions(lines: Iterable[str]) -> tuple[Execution, ...]:
    """What a worker of the tests wrote down; a last line cut off by its end does not count."""
    found = []
    for line in lines:
        if line.endswith("\n"):
            found.append(Execution(**json.loads(line)))
    return tuple(found)
