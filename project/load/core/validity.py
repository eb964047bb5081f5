"""Whether a run's figures say something about the target, or about the generator that was too slow for it."""

from __future__ import annotations

from project.load.core.record import LAG, LOOP, SERVICE, Finding, RunRecord, Validity
from project.load.core.thresholds import CRITICAL, GOOD, WARNING

LEAST_LAG_MS = (5.0, 20.0)
LAG_SHARE = (0.1, 0.25)
"""Of the 99th percentile of the service time: later than that, and a good part of what was measured is lateness.

Not of the response time, which has the lateness in it and would excuse it.
"""
LOOP_LAG_MS = (20.0, 100.0)
CPU_SHARE = (0.75, 0.95)
FDS_SHARE = (0.8, 0.95)


def validate(record: RunRecord) -> Validity:
    """Judge the generator; any ``critical`` finding makes the run invalid."""
    service_ms = record.histogram(SERVICE).percentile_us(99) / 1000
    lag_limits = [max(least, share * service_ms) for least, share in zip(LEAST_LAG_MS, LAG_SHARE, strict=True)]
    findings = [
        _judged("schedule_lag_p99_ms", record.histogram(LAG).percentile_us(99) / 1000, lag_limits, "ms"),
        _judged("loop_lag_p99_ms", record.histogram(LOOP).percentile_us(99) / 1000, LOOP_LAG_MS, "ms"),
        _judged("own_cpu_share", record.own.cpu_share, CPU_SHARE, ""),
    ]
    if record.own.fds_limit:
        findings.append(_judged("open_files_share", record.own.fds_peak / record.own.fds_limit, FDS_SHARE, ""))
    if record.counts.never_started:
        text = f"{record.counts.never_started} calls never started: the generator could not keep up with the schedule"
        findings.append(Finding("never_started", CRITICAL, record.counts.never_started, 0, "", text))
    for failure, text in _OWN_FAILURES.items():
        if count := record.errors.get(failure, 0):
            findings.append(Finding(failure, CRITICAL, count, 0, "", f"{count} calls: {text}"))
    return Validity(all(finding.level != CRITICAL for finding in findings), tuple(findings))


_OWN_FAILURES = {
    "too_many_files": "this process may not open more files (raise ulimit -n)",
    "too_many_open": "more calls under way than this run may hold; the target is far slower than the load is high",
}
_TEXTS = {
    "schedule_lag_p99_ms": "calls started late, because the generator was busy",
    "loop_lag_p99_ms": "the generator's event loop was held up",
    "own_cpu_share": "the generator used up much of its one core",
    "open_files_share": "of the open files allowed, many were used",
}


def _judged(metric: str, value: float, limits: tuple[float, float] | list[float], unit: str) -> Finding:
    level = GOOD if value <= limits[0] else WARNING if value <= limits[1] else CRITICAL
    limit = limits[1] if level == CRITICAL else limits[0]
    figure = f"{value:.3g} {unit}" if unit else f"{value:.0%}"
    return Finding(metric, level, value, limit, unit, f"{_TEXTS[metric]}: {figure}")
