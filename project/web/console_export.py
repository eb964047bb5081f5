"""Logs and load runs as files, for spreadsheets and for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from flask import Response

from project.core.calls import Call, Relayed
from project.core.runs import LoadRun
from project.runtime import give_way
from project.web import console_shapes as shapes

BETWEEN: Final = 50
"""So many rows take about a millisecond."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_CALL: Final = ("source", "id", "at", "method", "caller", "outcome", "duration_ms", "wait_ms", "worker", "error",
                "code", "test_id", "replay_of", "params")  # fmt: skip
_RUN: Final = ("test_id", "state", "method", "mode", "total_requests", "concurrency", "started_by", "started_at",
               "finished_at", "done", "success", "failed", "avg_ms", "p50_ms", "p95_ms", "p99_ms", "rps", "elapsed_s",
               "baseline", "alerts", "compared_to", "error", "params")  # fmt: skip


def calls_file(kind: str, entries: Iterable[Call | Relayed], name_of: Callable[[str], str]) -> Response:
    """The log as ``csv`` or ``json``."""
    rows = (shapes.listed(one, name_of) | {"params": one.params if isinstance(one, Call) else None} for one in entries)
    return _file(kind, "calls", _CALL, rows)


def runs_file(kind: str, runs: Iterable[LoadRun], user_of: Callable[[str], str]) -> Response:
    """Load runs as ``csv`` (a line a run) or ``json`` (with their steps)."""
    rows: Iterable[Mapping[str, Any]] = (shapes.report(run, user_of) for run in runs)
    if kind == "csv":
        rows = ({**row, **row["result"], "error": row["error"], "alerts": " ".join(row["alerts"])} for row in rows)
    return _file(kind, "load-runs", _RUN, rows)


def _file(kind: str, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    paced = _paced(rows)
    if kind == "json":
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in paced)
        response = Response(f"[{lines}]", content_type="application/json")
    else:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows([_cell(row.get(column)) for column in columns] for row in paced)
        # The mark tells spreadsheets that it is UTF-8.
        response = Response("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f"attachment; filename={name}.{kind}"
    response.headers["Cache-Control"] = "no-store"
    return response


def _paced(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The rows; ten thousand take a while, in which others go first."""
    for number, row in enumerate(rows):
        if not number % BETWEEN:
            give_way()
        yield row


def _cell(value: Any) -> str:
    """A value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
