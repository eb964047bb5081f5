"""Thresholds: what of a run is good, a warning, or critical. Two profiles of documents, and one's own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from project.load.core.record import CONNECT, RESPONSE, SERVICE, Finding, RunRecord, Verdict
from project.load.errors import BadUsage

GOOD: Final = "good"
WARNING: Final = "warning"
CRITICAL: Final = "critical"
LEVELS: Final = ("none", GOOD, WARNING, CRITICAL)


def _cut(metric: str, percent: float) -> Callable[[RunRecord], float]:
    return lambda record: record.histogram(metric).percentile_us(percent) / 1000


def _share(part: Callable[[RunRecord], int], whole: Callable[[RunRecord], int]) -> Callable[[RunRecord], float]:
    return lambda record: 100 * part(record) / whole(record) if whole(record) else 0.0


MEASURES: Final[dict[str, tuple[str, str, Callable[[RunRecord], float]]]] = {
    "error_percent": ("Error rate", "%", lambda record: 100 * record.error_share),
    "mean_ms": ("Average response time", "ms", lambda record: record.histogram(RESPONSE).mean_us / 1000),
    "p50_ms": ("Median response time", "ms", _cut(RESPONSE, 50)),
    "p90_ms": ("90th percentile", "ms", _cut(RESPONSE, 90)),
    "p95_ms": ("95th percentile", "ms", _cut(RESPONSE, 95)),
    "p99_ms": ("99th percentile", "ms", _cut(RESPONSE, 99)),
    "p999_ms": ("99.9th percentile", "ms", _cut(RESPONSE, 99.9)),
    "max_ms": ("Longest response time", "ms", lambda record: record.histogram(RESPONSE).highest_us / 1000),
    "service_p95_ms": ("95th percentile of the service time", "ms", _cut(SERVICE, 95)),
    "connect_p95_ms": ("95th percentile of connecting", "ms", _cut(CONNECT, 95)),
    "rate": ("Throughput", "/s", lambda record: record.rate),
    "lost": ("Lost messages", "", lambda record: record.counts.lost),
    "late": ("Late messages", "", lambda record: record.counts.late),
    "duplicated": ("Duplicated messages", "", lambda record: record.counts.duplicated),
    "out_of_order": ("Messages out of order", "", lambda record: record.counts.out_of_order),
    "lost_percent": (
        "Lost messages",
        "%",
        _share(lambda record: record.counts.lost, lambda record: record.counts.sent),
    ),
    "connection_error_percent": (
        "Failed connections",
        "%",
        _share(
            lambda record: record.counts.connections_failed,
            lambda record: record.counts.connections_failed + record.counts.connections_opened,
        ),
    ),
}
"""What can be judged: its name for people, its unit, and how it is read from a record."""
HIGHER_IS_BETTER: Final = frozenset({"rate"})


@dataclass(frozen=True, slots=True)
class Threshold:
    """``good`` and ``warning`` are limits: better than the first is good, better than the second a warning.

    ``inclusive``: the limit of warning itself is still a warning ("critical above 5 %"), not critical ("at 5 %").
    """

    metric: str
    good: float
    warning: float
    inclusive: bool = False

    def __post_init__(self) -> None:
        if self.metric not in MEASURES:
            raise BadUsage(f"{self.metric!r} cannot be judged; what can: {', '.join(MEASURES)}")
        if math.isnan(self.good) or math.isnan(self.warning):
            raise BadUsage(f"the limits of {self.metric} must be numbers")
        wrong = self.warning > self.good if self.higher_is_better else self.warning < self.good
        if wrong:
            raise BadUsage(f"{self.metric}: the limit of warning must be the worse one")

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is better."""
        return self.metric in HIGHER_IS_BETTER

    def level(self, value: float) -> str:
        """The level of a value."""
        better = value > self.good if self.higher_is_better else value < self.good
        if better:
            return GOOD
        if self.inclusive and value == self.warning:
            return WARNING
        passing = value > self.warning if self.higher_is_better else value < self.warning
        return WARNING if passing else CRITICAL

    def judge(self, record: RunRecord) -> Finding:
        """What a run's value means."""
        title, unit, read = MEASURES[self.metric]
        value = float(read(record))
        level = self.level(value)
        limit = self.warning if level == CRITICAL else self.good
        text = f"{title}: {_shown(value)}{_unit(unit)} ({self._limits()})"
        return Finding(self.metric, level, value, limit, unit, text)

    def _limits(self) -> str:
        sign = ">" if self.higher_is_better else "<"
        good = f"good {sign} {self.good:g}"
        if self.warning == self.good and not self.inclusive:
            return good
        if math.isinf(self.warning):
            return f"{good}, else warning"
        return f"{good}, warning {sign}{'=' if self.inclusive else ''} {self.warning:g}"


def _shown(value: float) -> str:
    """Four digits that matter, and never fewer than the whole number has."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


SERVICES: Final = (
    Threshold("error_percent", 1, 5),
    Threshold("mean_ms", 1_000, 3_000),
    Threshold("p95_ms", 2_000, 5_000),
    Threshold("rate", 10, 1),
)
UPLOADS: Final = (
    Threshold("error_percent", 1, 5, inclusive=True),
    Threshold("mean_ms", 10_000, 30_000, inclusive=True),
    Threshold("p95_ms", 20_000, math.inf),
    Threshold("p99_ms", 30_000, math.inf),
)
PROFILES: Final[dict[str, tuple[Threshold, ...]]] = {"none": (), "services": SERVICES, "uploads": UPLOADS}
"""``services``: of the performance testing framework; ``uploads``: of the safe load testing suite."""

_RULE = re.compile(r"^\s*(\w+)\s*([<>])\s*([\d.eE+]+)\s*(?::\s*([\d.eE+]+)\s*)?$")


def parse_threshold(text: str) -> Threshold:
    """``p95_ms<200`` (good below 200, else critical) or ``p95_ms<200:500`` (a warning up to 500); ``rate>10:1``."""
    found = _RULE.match(text)
    if found is None:
        raise BadUsage(f"a threshold is written as p95_ms<200 or p95_ms<200:500 or rate>10, not as {text!r}")
    metric, sign, good, warning = found.groups()
    if metric in MEASURES and (sign == ">") != (metric in HIGHER_IS_BETTER):
        raise BadUsage(f"{metric} is judged by {'>' if metric in HIGHER_IS_BETTER else '<'}, not by {sign}")
    try:
        return Threshold(metric, float(good), float(warning if warning is not None else good))
    except ValueError:
        raise BadUsage(f"the limits of {text!r} are not numbers") from None


def thresholds_from(table: Mapping[str, Any]) -> tuple[Threshold, ...]:
    """Of a file's table: ``p95_ms = 200`` or ``p95_ms = { good = 200, warning = 500 }``."""
    rules = []
    for metric, value in table.items():
        limits = value if isinstance(value, Mapping) else {"good": value}
        if unknown := set(limits) - {"good", "warning"}:
            raise BadUsage(f"{metric}: {', '.join(sorted(unknown))} is not one of good, warning")
        good = limits.get("good")
        warning = limits.get("warning", good)
        if any(isinstance(limit, bool) or not isinstance(limit, (int, float)) for limit in (good, warning)):
            raise BadUsage(f"{metric}: good and warning must be numbers")
        rules.append(Threshold(metric, float(good or 0), float(warning or 0)))
    return tuple(rules)


def judge(record: RunRecord, thresholds: Iterable[Threshold], profile: str = "") -> Verdict:
    """The verdict on a run. A run in which nothing was sent and ended is critical, whatever the thresholds are."""
    findings = [threshold.judge(record) for threshold in thresholds]
    if findings and not record.histogram(RESPONSE).count:
        text = "No call that was sent ended: nothing can be said of the target"
        findings.insert(0, Finding("done", CRITICAL, 0, 1, "", text))
    worst = max((LEVELS.index(finding.level) for finding in findings), default=0)
    return Verdict(LEVELS[worst], profile, tuple(findings))
