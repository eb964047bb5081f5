"""The Grafana dashboard and the Prometheus alert rules for the figures of ``--metrics-port``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from project.load.core.thresholds import PROFILES
from project.load.errors import OutputFailed
from project.load.output.folder import write_atomically

DASHBOARD: Final = Path("grafana") / "dashboards" / "performance-testing.json"
RULES: Final = Path("prometheus") / "rules" / "performance-alerts.yml"
_BUCKETS: Final = "sum by (le) (rate(perf_test_request_duration_seconds_bucket[1m]))"
_RATE: Final = "sum(rate(perf_test_requests_total[1m]))"
_ERRORS: Final = f'100 * sum(rate(perf_test_requests_total{{result="failure"}}[1m])) / {_RATE}'
PANELS: Final = (
    ("Requests per second", "reqps", (("{{result}}", "sum by (result) (rate(perf_test_requests_total[1m]))"),)),
    ("Response time", "s", tuple(
        (f"p{percent}", f"histogram_quantile({percent / 100}, {_BUCKETS})") for percent in (50, 95, 99)
    )),
    ("Errors by kind", "reqps", (("{{error_type}}", "sum by (error_type) (rate(perf_test_errors_total[1m]))"),)),
    ("Error rate", "percent", (("error rate", _ERRORS),)),
    ("Users", "short", (("users", "sum(perf_test_users)"),)),
    ("Messages", "short", (("{{state}}", "sum by (state) (rate(perf_test_messages_total[1m]))"),)),
)  # fmt: skip
"""Title, unit, and ``(legend, expression)`` of each panel."""


def dashboard() -> dict[str, Any]:
    """The dashboard, for Grafana 9 and later; its data source is chosen when it is imported."""
    source = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    panels = [
        {
            "id": place + 1,
            "type": "timeseries",
            "title": title,
            "datasource": source,
            "gridPos": {"x": 12 * (place % 2), "y": 8 * (place // 2), "w": 12, "h": 8},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "options": {"legend": {"displayMode": "table", "placement": "bottom", "calcs": ["mean", "max"]}},
            "targets": [
                {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend, "datasource": source}
                for number, (legend, expression) in enumerate(targets)
            ],
        }
        for place, (title, unit, targets) in enumerate(PANELS)
    ]
    inputs = [{"name": "DS_PROMETHEUS", "label": "Prometheus", "type": "datasource", "pluginId": "prometheus"}]
    return {
        "__inputs": inputs,
        "uid": "performance-testing",
        "title": "Performance testing",
        "tags": ["performance"],
        "schemaVersion": 39,
        "version": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": []},
        "panels": panels,
    }


def alerts() -> list[dict[str, str]]:
    """The rules: warning and critical of the thresholds for services, with the rate counted only while a test runs."""
    limits = {rule.metric: rule for rule in PROFILES["services"]}
    p95 = f"histogram_quantile(0.95, {_BUCKETS})"
    duration = "sum(rate(perf_test_request_duration_seconds"
    mean = f"{duration}_sum[1m])) / {duration}_count[1m]))"
    measures = (
        ("ErrorRate", "error_percent", _ERRORS, 1.0, "The error rate is {{ $value | humanize }} %."),
        ("ResponseTime", "mean_ms", mean, 1000.0, "Requests take {{ $value | humanizeDuration }} on average."),
        ("ResponseTimeP95", "p95_ms", p95, 1000.0, "5 % of the requests take over {{ $value | humanizeDuration }}."),
    )
    rules = []
    for name, metric, expression, divisor, text in measures:
        limit = limits[metric]
        for level, bound in (("warning", limit.good), ("critical", limit.warning)):
            rules.append(_rule(f"PerformanceTest{name}", level, f"{expression} >= {bound / divisor:g}", text))
    rate = limits["rate"]
    for level, bound in (("warning", rate.good), ("critical", rate.warning)):
        expression = f"{_RATE} <= {bound:g} and sum(perf_test_users) > 0"
        rules.append(_rule("PerformanceTestThroughput", level, expression, "Only {{ $value | humanize }} requests/s."))
    return rules


def _rule(name: str, level: str, expression: str, text: str) -> dict[str, str]:
    alert = f"{name}{level.capitalize()}"
    return {"alert": alert, "expr": expression, "for": "30s", "severity": level, "summary": text}


def rules_yaml() -> str:
    """The rules as YAML. Texts are written as JSON strings, which YAML takes as they are."""
    lines = ["groups:", "  - name: performance-testing", "    rules:"]
    for rule in alerts():
        lines += [
            f"      - alert: {rule['alert']}",
            f"        expr: {json.dumps(rule['expr'])}",
            f"        for: {rule['for']}",
            "        labels:",
            f"          severity: {rule['severity']}",
            "        annotations:",
            f"          summary: {json.dumps(rule['summary'])}",
        ]
    return "\n".join(lines) + "\n"


def set_up(folder: Path) -> list[Path]:
    """Write both files into a folder; their paths. Raises OutputFailed."""
    written = []
    for name, text in ((DASHBOARD, json.dumps(dashboard(), indent=2) + "\n"), (RULES, rules_yaml())):
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text)
        except OSError as error:
            raise OutputFailed(f"Cannot write {path}: {error.strerror}") from error
        written.append(path)
    return written
