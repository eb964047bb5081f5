"""A run for the machines that build: JUnit XML, and the summary page of GitHub Actions."""

from __future__ import annotations

from collections.abc import Collection
from xml.etree import ElementTree as xml

from project.load.core.record import RESPONSE, RunRecord
from project.load.core.thresholds import CRITICAL

_MARKS = {"good": "✅", "warning": "⚠️", "critical": "❌", "none": ""}


def junit_xml(record: RunRecord, failing: Collection[str] = (CRITICAL,)) -> str:
    """A test case a finding; those of the ``failing`` levels fail, an invalid run is an error of its own."""
    suite = xml.Element(
        "testsuite",
        name=f"load: {record.name}",
        timestamp=record.started_at[:19],
        time=f"{record.duration_s:.3f}",
    )
    failures = 0
    for finding in record.verdict.findings:
        case = xml.SubElement(suite, "testcase", classname=record.scenario, name=finding.metric, time="0")
        if finding.level in failing:
            failures += 1
            xml.SubElement(case, "failure", message=_clean(finding.text), type=finding.level)
        else:
            xml.SubElement(case, "system-out").text = _clean(f"{finding.level}: {finding.text}")
    errors = 0
    for name, problem in (("outcome", _outcome(record)), ("validity", _invalid(record))):
        case = xml.SubElement(suite, "testcase", classname=record.scenario, name=name, time=f"{record.duration_s:.3f}")
        if problem:
            errors += 1
            xml.SubElement(case, "error", message=_clean(problem), type=name)
    suite.set("tests", str(len(record.verdict.findings) + 2))
    suite.set("failures", str(failures))
    suite.set("errors", str(errors))
    root = xml.Element("testsuites")
    root.append(suite)
    xml.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"


def _outcome(record: RunRecord) -> str:
    return "" if record.outcome == "finished" else f"the run was {record.outcome.replace('_', ' ')}"


def _invalid(record: RunRecord) -> str:
    return "; ".join(finding.text for finding in record.validity.findings if finding.level == "critical")


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(letter if letter >= " " or letter in "\t\n" else "�" for letter in text)


def github_summary(record: RunRecord) -> str:
    """Markdown for the summary page."""
    times = record.histogram(RESPONSE)
    p50, p95, p99 = (cut / 1000 for cut in times.percentiles_us((50, 95, 99)))
    lines = [
        f"### {_MARKS[record.verdict.level]} Load test {_cell(record.name)}: {record.verdict.level}".replace("  ", " "),
        "",
        f"{_cell(record.scenario)} on `{_cell(record.url)}`, {record.duration_s:.1f} s, {record.outcome}"
        + ("" if record.validity.valid else "; **not valid: the generator was the bottleneck**"),
        "",
        "| calls | failed | rate | p50 | p95 | p99 |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
        f"| {record.counts.done} | {record.error_share:.2%} | {record.rate:.1f}/s | {p50:.1f} ms | {p95:.1f} ms "
        f"| {p99:.1f} ms |",
    ]
    if record.verdict.findings:
        lines += ["", "| | finding |", "| --- | --- |"]
        for finding in record.verdict.findings:
            lines.append(f"| {_MARKS[finding.level]} {finding.level} | {_cell(finding.text)} |")
    return "\n".join(lines) + "\n\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").replace("`", "'")
