"""``report.html``: one run for people, in one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from html import escape
from typing import Final

from project.load.core.record import RESPONSE, SERVICE, STAGES, Finding, Point, RunRecord
from project.load.output.charts import Line, line_chart, number, percentile_marks, percentile_place
from project.load.output.style import STYLE
from project.load.output.words import named, worded

MARKS: Final = {"good": "✓", "warning": "⚠", "critical": "✗", "none": "·"}
LONG_S: Final = 600.0
_PARTS: Final = "acbe"
"""Colours of the stages, by their classes."""
_PERCENTS: Final = (0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99)
OUTCOMES: Final = {
    "finished": "finished",
    "interrupted": "interrupted by the one who ran it",
    "terminated": "ended early",
    "target_lost": "ended: the target was gone",
    "space_in_use": "ended: the space was somebody's, and a request of theirs was given back",
    "target_unsafe": "ended: the target did not say that it kept nothing",
}


def report_html(record: RunRecord) -> str:
    """The whole page."""
    title = f"{record.name}: {record.scenario} on {record.url}"
    body = [
        _head(record),
        _verdict(record),
        _validity(record),
        _figures(record),
        _charts(record),
        _stages(record),
        _endpoints(record),
        _errors(record),
        _events(record),
        _configuration(record),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(record: RunRecord) -> str:
    return (
        f"<header><h1>{escape(record.name)}</h1><p>{escape(record.scenario)} on <code>{escape(record.url)}</code> "
        f"({escape(record.kind)}), {escape(record.started_at[:19].replace('T', ' '))} UTC, {record.duration_s:.1f} s, "
        f"{OUTCOMES.get(record.outcome, escape(record.outcome))}, seed {record.seed}</p>{_short(record)}</header>"
    )


def _short(record: RunRecord) -> str:
    """The run in two sentences."""
    counts = record.counts
    if not record.histogram(RESPONSE).count:
        return "<p class='short'>No call that was sent ended.</p>"
    failed = f"{counts.failed:,} failed ({record.error_share:.2%})" if counts.failed else "none failed"
    p50, p95, p99 = (_ms(cut_us) for cut_us in record.histogram(RESPONSE).percentiles_us((50, 95, 99)))
    return (
        f"<p class='short'>{counts.done:,} calls ended, {number(record.rate)} per second; {failed}. Half were answered "
        f"within {p50}, 95 of 100 within {p95}, 99 of 100 within {p99}.</p>"
    )


def _verdict(record: RunRecord) -> str:
    level = record.verdict.level
    if level == "none":
        return "<section class='verdict none'><h2>No verdict</h2><p>The run had no thresholds.</p></section>"
    return (
        f"<section class='verdict {level}'><h2>{MARKS[level]} Verdict: {level}</h2>"
        + _findings(record.verdict.findings)
        + "</section>"
    )


def _validity(record: RunRecord) -> str:
    doubtful = [finding for finding in record.validity.findings if finding.level != "good"]
    if not doubtful:
        return "<p class='valid'>The generator kept up: the figures are the target's.</p>"
    if record.validity.valid:
        text = "The generator was busy at times; read small differences with care."
    else:
        text = "Not valid: the generator was the bottleneck. These figures say little of the target."
    level = "warning" if record.validity.valid else "critical"
    return f"<section class='verdict {level}'><h2>{text}</h2>{_findings(doubtful)}</section>"


def _findings(findings: Iterable[Finding]) -> str:
    rows = "".join(
        f"<li><span class='level {item.level}'>{MARKS[item.level]} {item.level}</span>"
        f"<span>{escape(item.text)}</span></li>"
        for item in findings
    )
    return f"<ul class='findings'>{rows}</ul>"


def _figures(record: RunRecord) -> str:
    counts = record.counts
    cards = (
        ("calls", f"{counts.done:,}"),
        ("succeeded", f"{counts.succeeded:,}"),
        ("failed", f"{counts.failed:,} ({record.error_share:.2%})"),
        ("rate", f"{record.rate:,.1f}/s"),
        ("p50", _ms(record.histogram(RESPONSE).percentile_us(50))),
        ("p95", _ms(record.histogram(RESPONSE).percentile_us(95))),
        ("p99", _ms(record.histogram(RESPONSE).percentile_us(99))),
        ("longest", _ms(record.histogram(RESPONSE).highest_us)),
    )
    faults = ("lost", "late", "duplicated", "out_of_order")
    accounting = ("sent", "received", *faults, "unknown", "unfinished", "reconnections")
    messages = [(name.replace("_", " "), f"{getattr(counts, name):,}") for name in accounting]
    bad = {name.replace("_", " ") for name in faults if getattr(counts, name)}
    return (
        f"<section><h2>Figures</h2>{_cards(cards, '', {'failed'} if counts.failed else ())}"
        f"<h3>Times (ms)</h3>{_times(record, (RESPONSE, SERVICE, 'connect', 'schedule_lag'))}"
        f"<p class='note'>Response time counts from the moment a call was meant to start, service time from the moment "
        f"it was sent.</p><h3>Messages</h3>{_cards(messages, 'small', bad)}</section>"
    )


def _cards(cards: Iterable[tuple[str, str]], size: str, bad: Collection[str] = ()) -> str:
    shown = "".join(
        f"<div class='card{' bad' if name in bad else ''}'><dt>{name}</dt><dd>{value}</dd></div>"
        for name, value in cards
    )
    return f"<dl class='cards {size}'>{shown}</dl>"


def _times(record: RunRecord, metrics: Sequence[str]) -> str:
    names = ("count", "mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "p99.9_ms", "max_ms")
    rows = []
    for metric in metrics:
        times = record.histogram(metric).summary()
        if times["count"]:
            figures = (f"{times[name]:,.2f}" if name != "count" else f"{times[name]:,}" for name in names)
            rows.append((metric.replace("_", " "), *figures))
    return _table(("", *(name.removesuffix("_ms") for name in names)), rows)


def _charts(record: RunRecord) -> str:
    series = record.series
    if not series:
        return ""
    # Longer runs are read in minutes.
    unit_s, unit = (60, "min") if record.duration_s > LONG_S else (1, "s")
    ended = [point for point in series if point.timed]
    latency = [
        Line(name, style, [(point.at_s / unit_s, getattr(point, field)) for point in ended])
        for name, style, field in (("p50", "a", "p50_ms"), ("p95", "b", "p95_ms"), ("p99", "c", "p99_ms"))
    ]
    limits = [
        (finding.limit, finding.level, f"limit of p95: {number(finding.limit)}")
        for finding in record.verdict.findings
        if finding.metric == "p95_ms"
    ]
    succeeded = _per_second("succeeded", "a", series, "succeeded", unit_s)
    failed = _per_second("failed", "d", series, "failed", unit_s)
    users = Line("users", "b", [(point.at_s / unit_s, point.users) for point in series])
    wide = (
        ("Response time", line_chart("Response time", latency, x_label=unit, y_label="ms", bands=limits)),
        ("Percentiles of the whole run", _percentile_curve(record)),
    )
    narrow = [
        ("Rate", line_chart("Calls that succeeded", [succeeded], x_label=unit, y_label="per second")),
        ("Users", line_chart("Users or connections", [users], x_label=unit, y_label="users")),
    ]
    if record.counts.failed:
        narrow.append(("Errors", line_chart("Errors", [failed], x_label=unit, y_label="per second")))
    first, last = (f"<section><h2>{name}</h2>{chart}</section>" for name, chart in wide)
    pair = "".join(f"<section><h2>{name}</h2>{chart}</section>" for name, chart in narrow)
    return f"{first}<div class='pair'>{pair}</div>{last}"


def _per_second(name: str, style: str, series: Sequence[Point], field: str, unit_s: int) -> Line:
    # The last interval is seldom whole, and a rate over a tenth of a second is none.
    whole = [point for point in series if point.length_s >= 0.5 * series[0].length_s]
    return Line(name, style, [(point.at_s / unit_s, getattr(point, field) / point.length_s) for point in whole])


def _percentile_curve(record: RunRecord) -> str:
    lines = []
    for metric, style in ((RESPONSE, "a"), (SERVICE, "b")):
        histogram = record.histogram(metric)
        # A percentile that fewer than one call is above says nothing.
        known = [percent for percent in _PERCENTS if histogram.count * (1 - percent / 100) >= 1 or percent <= 50]
        cuts = histogram.percentiles_us(known)
        points = [(percentile_place(percent), cut / 1000) for percent, cut in zip(known, cuts, strict=True)]
        lines.append(Line(f"{metric} time", style, points if histogram.count else []))
    last = max((x for line in lines for x, _ in line.points), default=0.0)
    marks = [mark for mark in percentile_marks() if mark[0] <= last + 1e-6]
    return line_chart("Percentiles", lines, x_label="percentile", y_label="ms", x_marks=marks)


def _stages(record: RunRecord) -> str:
    known = [stage for stage in STAGES if record.histogram(stage).count]
    if not known:
        return ""
    parts = [stage for stage in known if stage != "overhead"]
    means = {stage: record.histogram(stage).mean_us for stage in parts}
    whole = sum(means.values()) or 1.0
    bars = "".join(
        f"<div class='part {style}' style='flex-grow:{max(1, round(1000 * means[stage] / whole))}'></div>"
        for stage, style in zip(parts, _PARTS, strict=False)
    )
    names = "".join(
        f"<li><span class='key {style}'></span>{stage} {_ms(means[stage])} ({means[stage] / whole:.0%})</li>"
        for stage, style in zip(parts, _PARTS, strict=False)
    )
    return (
        "<section><h2>Where the time goes</h2><p class='note'>By the site's own times: waiting in the queue, the way "
        "to the worker, the work, and the way there and back. Overhead is the whole less the work, where the engine "
        f"played the worker.</p><div class='stages' aria-hidden='true'>{bars}</div><ul class='legend'>{names}</ul>"
        f"{_times(record, known)}</section>"
    )


def _endpoints(record: RunRecord) -> str:
    rows = [
        (escape(name), f"{figures['calls']:,.0f}", f"{figures['failed']:,.0f}", f"{figures['mean_ms']:,.2f}",
         f"{figures['p95_ms']:,.2f}")
        for name, figures in record.endpoints.items()
    ]  # fmt: skip
    table = _table(("endpoint", "calls", "failed", "mean (ms)", "p95 (ms)"), rows)
    return f"<section><h2>Endpoints</h2>{table}</section>" if rows else ""


def _errors(record: RunRecord) -> str:
    if not record.errors:
        return ""
    rows = [(escape(kind), f"{count:,}") for kind, count in record.errors.items()]
    return f"<section><h2>Failures</h2>{_table(('kind', 'count'), rows)}</section>"


def _events(record: RunRecord) -> str:
    parts = []
    if record.findings:
        rows = [tuple(map(escape, named(name, value))) for name, value in record.findings.items()]
        parts.append(f"<section><h2>What was found</h2>{_table(('', ''), rows)}</section>")
    if record.events:
        told = [
            (f"{event.get('at_s', 0):.1f}", escape(str(event.get("what", ""))),
             escape(worded({key: value for key, value in event.items() if key not in ("at_s", "what")})))
            for event in record.events
        ]  # fmt: skip
        parts.append(f"<section><h2>What happened</h2>{_table(('s', 'what', ''), told)}</section>")
    return "".join(parts)


def _configuration(record: RunRecord) -> str:
    rows = [
        tuple(map(escape, named(name, value))) for name, value in record.config.items() if value not in (None, "", [])
    ]
    own = record.own
    rows += [
        ("generator: processor", f"{own.cpu_share:.0%} of a core, at most {own.cpu_share_peak:.0%}"),
        ("generator: memory", f"{own.rss_bytes_peak / 1e6:.0f} MB"),
        ("generator: open files", f"{own.fds_peak} of {own.fds_limit}"),
    ]
    return f"<section><h2>Configuration</h2>{_table(('', ''), rows)}</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th scope='col'>{name}</th>" for name in head)
    top = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    # Facts are words, which wrap; figures may be wider than a phone, and are then moved by keys, too.
    if not top:
        return f"<table class='facts'><tbody>{body}</tbody></table>"
    name = escape(", ".join(filter(None, head)))
    table = f"<table>{top}<tbody>{body}</tbody></table>"
    return f"<div class='scroll' tabindex='0' role='group' aria-label='{name}'>{table}</div>"


def _cells(row: Sequence[str]) -> str:
    return f"<th scope='row'>{row[0]}</th>" + "".join(f"<td{_style(cell)}>{cell}</td>" for cell in row[1:])


def _style(cell: str) -> str:
    return " class='figure'" if cell[:1].isdigit() else ""


def _ms(value_us: float) -> str:
    return f"{value_us / 1000:,.2f} ms" if value_us < 1e6 else f"{value_us / 1e6:,.2f} s"
