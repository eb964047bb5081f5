"""The folder of one run: the record, figures, series, a report, and a row per call."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from project.load.core.record import Point, RunRecord
from project.load.errors import BadUsage, OutputFailed
from project.load.output.report import report_html
from project.load.output.shapes import metrics_shape
from project.load.targets.base import Answer

RECORD: Final = "run.json"
METRICS: Final = "metrics.json"
SERIES: Final = "series.csv"
RESULTS: Final = "results.csv"
REPORT: Final = "report.html"
COLUMNS: Final = (
    "timestamp",
    "endpoint",
    "method",
    "status_code",
    "response_time",
    "success",
    "error",
    "response_size",
    "service_time",
)
"""Of ``results.csv``; times in s, empty for a call that was never sent."""
_BUFFERED_ROWS: Final = 2000
_UNSAFE = re.compile(r"[^\w.-]+")


def safe_name(name: str) -> str:
    """A name as a file may have it."""
    return _UNSAFE.sub("_", name).strip("_.") or "run"


def make_folder(base: Path, name: str, at_epoch_s: float | None = None) -> Path:
    """``<base>/<name>_<YYYYmmdd_HHMMSS>``, with a number behind it when that is taken. Raises OutputFailed."""
    stamp = datetime.fromtimestamp(time.time() if at_epoch_s is None else at_epoch_s).strftime("%Y%m%d_%H%M%S")
    plain = safe_name(name)
    try:
        for number in range(1000):
            folder = base / (f"{plain}_{stamp}" + (f"_{number}" if number else ""))
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                if not base.is_dir():
                    raise
                continue
            return folder
    except OSError as error:
        raise OutputFailed(f"Cannot make a folder in {base}: {error.strerror or error}") from error
    raise OutputFailed(f"{base} has a thousand runs of that second already")


def write_atomically(path: Path, text: str) -> None:
    """Replace a file as a whole, so that a reader never sees half of it. Raises OSError.

    What is no file (a terminal, a pipe, /dev/stdout) is written to, not replaced.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_text(text, encoding="utf-8")
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


class Results:
    """``results.csv``, a row a call, written as the run goes. A full disk ends the file, not the run."""

    def __init__(self, path: Path, epoch_s: Callable[[int], float]):
        self._epoch_s = epoch_s
        self._rows: list[tuple[Any, ...]] = []
        self.problem: OSError | None = None
        self._file: io.TextIOWrapper | None = None
        self._path = path

    def take(self, intended_us: int, sent_us: int | None, done_us: int, answer: Answer) -> None:
        """Take one call."""
        if self.problem is not None:
            return
        method, _, path = answer.endpoint.partition(" ")
        self._rows.append(
            (
                f"{self._epoch_s(intended_us):.6f}",
                path or method,
                method if path else "",
                answer.status or "",
                f"{(done_us - intended_us) / 1e6:.6f}" if sent_us is not None else "",
                not answer.failure,
                f"{answer.failure}: {answer.message}" if answer.message else answer.failure,
                answer.size_bytes,
                f"{(done_us - sent_us) / 1e6:.6f}" if sent_us is not None else "",
            )
        )
        if len(self._rows) >= _BUFFERED_ROWS:
            self._write()

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        try:
            if self._file is None:
                self._file = self._path.open("w", encoding="utf-8", newline="")
                csv.writer(self._file).writerow(COLUMNS)
            csv.writer(self._file).writerows(rows)
            self._file.flush()
        except OSError as error:
            self.problem = error

    def close(self) -> None:
        """Write what is left. Raises OutputFailed when anything could not be written."""
        if self.problem is None:
            self._write()
        try:
            if self._file is not None:
                self._file.close()
        except OSError as error:
            self.problem = self.problem or error
        if self.problem is not None:
            raise OutputFailed(f"Cannot write {self._path}: {self.problem.strerror}") from self.problem


def series_csv(series: list[Point]) -> str:
    """The series as CSV, a row an interval."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [item.name for item in fields(Point)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in series)
    return text.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n"


WRITERS: list[tuple[str, Callable[[RunRecord], str]]] = [
    (RECORD, lambda record: _json(record.as_dict())),
    (METRICS, lambda record: _json(metrics_shape(record))),
    (SERIES, lambda record: series_csv(record.series)),
    (REPORT, report_html),
]
"""Every file made from the record alone. One line each."""


def write_record(folder: Path, record: RunRecord) -> list[Path]:
    """Write every file. What fails does not keep the others from being written; then raises OutputFailed."""
    written: list[Path] = []
    problem: OSError | None = None
    for name, make in WRITERS:
        try:
            write_atomically(folder / name, make(record))
            written.append(folder / name)
        except OSError as error:
            problem = problem or error
    if problem is not None:
        raise OutputFailed(f"Cannot write to {folder}: {problem.strerror}") from problem
    return written


def read_record(path: Path) -> RunRecord:
    """The record of a run's folder, or of its ``run.json``. Raises BadUsage."""
    file = path / RECORD if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadUsage(f"Cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise BadUsage(f"{file} is not JSON: {error}") from error
    return RunRecord.from_dict(data)
