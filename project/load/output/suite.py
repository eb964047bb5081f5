"""The files of the safe load testing suite: detailed metrics, the series, and a summary, side by side in one folder."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from project.load.core.record import RESPONSE, RunRecord
from project.load.errors import OutputFailed
from project.load.output.folder import safe_name, series_csv, write_atomically
from project.load.output.shapes import metrics_shape


def summary_of(record: RunRecord) -> dict[str, Any]:
    """The high-level summary: latency in ms, shares in per cent, records per second."""
    times = record.histogram(RESPONSE)
    p95, p99 = times.percentiles_us((95, 99))
    records = record.findings.get("records", {})
    return {
        "name": record.name,
        "url": record.url,
        "started_at": record.started_at,
        "duration_s": round(record.duration_s, 3),
        "uploads": record.counts.done,
        "latency_ms": {"average": round(times.mean_us / 1000, 3), "p95": p95 / 1000, "p99": p99 / 1000},
        "records_processed": records.get("processed", 0),
        "records_per_second": records.get("per_second", 0.0),
        "error_rate_percent": round(100 * record.error_share, 4),
        "success_rate_percent": round(100 * (1 - record.error_share), 4) if record.counts.done else 0.0,
        "memory_mb": round(record.own.rss_bytes_peak / 1e6, 1),
        "verdict": record.verdict.level,
        "valid": record.validity.valid,
        "outcome": record.outcome,
    }


def write_suite(folder: Path, record: RunRecord, stem: str = "") -> list[Path]:
    """``NAME_TIME.json``, ``.csv`` and ``_summary.json``; their paths. Raises OutputFailed.

    ``stem``: the name and time, as the run's own folder has them; otherwise the record's.
    """
    begun = datetime.fromisoformat(record.started_at).astimezone().strftime("%Y%m%d_%H%M%S")
    stem = stem or f"{safe_name(record.name)}_{begun}"
    files = {
        f"{stem}.json": _json(metrics_shape(record)),
        f"{stem}.csv": series_csv(record.series),
        f"{stem}_summary.json": _json(summary_of(record)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_atomically(folder / name, text)
    except OSError as error:
        raise OutputFailed(f"Cannot write to {folder}: {error.strerror}") from error
    return [folder / name for name in files]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n"
