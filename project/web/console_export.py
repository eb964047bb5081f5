"""Logs and load runs as files, for spreadsheets and for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from flask import Response

from project.core.calls import Call, Relayed
from project.core.runs import LoadRun
from project.web import console_shapes as shapes

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_CALL: Final = ("source", "id", "at", "method", "caller", "outcome", "duration_ms", "wait_ms", "worker", "error",
                "code", "test_id", "replay_of", "params")  # fmt: skip
_RUN: Final = ("test_id", "state", "method", "mode", "total_requests", "concurrency", "started_by", "started_at",
               "finished_at", "done", "success", "failed", "avg_ms", "p50_ms", "p95_ms", "p99_ms", "rps", "elapsed_s",
               "baseline", "alerts", "compared_to", "error", "params")  # fmt: skip


def calls_file(kind: str, entries: Iterable[Call | Relayed], name_of: Callable[[str], str]) -> Response:
    """The log as ``csv`` or ``json``."""
    rows = [shapes.listed(one, name_of) | {"params": one.params if isinstance(one, Call) else None} for one in entries]
    return _file(kind, "calls", _CALL, rows)


def runs_file(kind: str, runs: Iterable[LoadRun], user_of: Callable[[str], str]) -> Response:
    """Load runs as ``csv`` (a line a run) or ``json`` (with their steps)."""
    rows = [shapes.report(run, user_of) for run in runs]
    if kind == "csv":
        rows = [{**row, **row["result"], "error": row["error"], "alerts": " ".join(row["alerts"])} for row in rows]
    return _file(kind, "load-runs", _RUN, rows)


def _file(kind: str, name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Response:
    if kind == "json":
        response = Response(json.dumps(rows, ensure_ascii=False, indent=1), content_type="application/json")
    else:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
        # The mark tells spreadsheets that it is UTF-8.
        response = Response("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f"attachment; filename={name}.{kind}"
    response.headers["Cache-Control"] = "no-store"
    return response


def _cell(value: Any) -> str:
    """A value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
