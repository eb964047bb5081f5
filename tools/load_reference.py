"""The reference page of the load command, from its tables."""

from __future__ import annotations

import math
from dataclasses import fields

import click

from project.load.cli.main import cli
from project.load.cli.options import shared_options
from project.load.core.record import Counts
from project.load.core.thresholds import HIGHER_IS_BETTER, MEASURES, PROFILES, Threshold
from project.load.errors import EXITS
from project.load.scenarios.table import SCENARIOS

_FIRST = """\
# The load command

`python -m project.load SCENARIO --url TARGET --output DIR ...`. How to begin: [load tests](../load-testing.md).

The target's kind follows from its address (`ws://`: WebSocket; `http://`: an HTTP service) and from `--space` (the
relay); `--target` says it outright. In the open model calls start when their time has come, whether or not earlier
ones were answered, and a response time counts from that intended moment, so a target that stands still shows in
every call it kept waiting. In the closed model each user waits for its answer before it asks again.

Calls that are under way when the time is over are waited for, each until its `--timeout`, unless Ctrl+C comes. They
count in the times, and not in the rate, which is that of the time itself."""

_FILES = """\
## What a run leaves behind

A folder `<name>_<YYYYmmdd_HHMMSS>` in `--output`:

| file | what |
| --- | --- |
| `run.json` | the record: configuration, counts, histograms (encoded HDR, µs, three digits), series, errors, \
own cost, validity, verdict. Comparison, merging and reports read it |
| `metrics.json` | figures for other programs, below |
| `report.html` | the run for people, in one file that needs no network: verdict, figures, charts, stages |
| `series.csv` | a row an interval: users, sent, received, succeeded, failed, mean and percentiles (ms) |
| `results.csv` | a row a call: timestamp (epoch s, the intended moment), endpoint, method, status_code, response_time \
(s), success, error, response_size (bytes), service_time (s). `--no-results` leaves it out |

Memory does not grow with the length of a run: times are kept in histograms, the series has at most 3,600 intervals.

Failed calls count in the times (a timeout is a time somebody waited), except those that were never sent, because there
was no connection (`not_connected`, `connection_refused`) or too much under way (`too_many_open`): they have none, and
their times in `results.csv` are empty. A percentile is the time of the rank that it names, rounded up. The rate is of
the calls that ended before the time of the run was over; those that were under way then are waited for, and count in
all else.

Units in `metrics.json`: names that end in `_ms` are milliseconds; `average_response_time`, `median_response_time`,
`p95_response_time` and `p99_response_time` are **seconds**; `error_rate` is in **per cent**, `success_rate` from 0
to 1. Bytes are those of messages and bodies, without headers and frames; those of Socket.IO are not counted.

`--progress-json FILE` is replaced as a whole each half second: `status` (`starting`, `running`, then how it ended),
`total` (null where only the time is planned), `done`, `success`, `failed`, `avg_ms`, `p50`, `p95`, `p99` (ms), `rps`,
`elapsed_s`, `planned_s`, `users`, `in_flight`, `errors`; in the end also `exit_code`, `folder`, and `error` if there
was one. `--junit FILE` writes the verdict as JUnit XML; where `GITHUB_STEP_SUMMARY` is set, a summary is added to that
file. SIGTERM ends a run early and keeps what was measured."""


def load() -> str:
    """The page."""
    parts = [
        _FIRST,
        _section("Exit codes", "", "| code | meaning |", [f"| {code} | {text} |" for code, text in EXITS.items()]),
        *(_command(name) for name in SCENARIOS),
        _section("Options of every scenario", "", _HEAD, [_row(option) for option in shared_options()]),
        *(_command(name) for name in cli.commands if name not in SCENARIOS),
        _thresholds(),
        _section("Messages", _MESSAGES, "| count | meaning |", _counts()),
        _FILES,
    ]
    return "\n\n".join(parts) + "\n"


_HEAD = "| option | default | meaning |"
_MESSAGES = (
    "Every message has a correlation id; a call over HTTP counts as a message and its answer. In `metrics.json`, "
    "`accounting`."
)


def _section(title: str, text: str, head: str, rows: list[str]) -> str:
    line = "|" + " --- |" * (head.count("|") - 1)
    return "\n".join([f"## {title}", "", *([text, ""] if text else []), head, line, *rows])


def _command(name: str) -> str:
    command = cli.commands[name]
    shared = {option.name for option in shared_options()} if name in SCENARIOS else set()
    rows = [_row(option) for option in command.params if option.name not in shared]
    return _section(f"`{name}`", command.help or "", _HEAD, rows)


def _row(option: click.Parameter) -> str:
    if isinstance(option, click.Argument):
        return f"| `{(option.name or '').upper()}` | | |"
    assert isinstance(option, click.Option)
    # click has a mark of its own for what was left out, and flags have nothing to show.
    shown = isinstance(option.default, (str, int, float)) and not option.is_flag and option.default != ""
    default = f"`{option.default}`" if shown and not option.multiple else ""
    return f"| `{'`, `'.join(option.opts)}` | {default} | {option.help or ''} |"


def _thresholds() -> str:
    text = (
        "`--thresholds` takes a profile or a TOML file with a table `[thresholds]` (`p95_ms = { good = 200, warning = "
        "500 }`); `--threshold` adds or replaces single ones. The worst level is the verdict."
    )
    rows = []
    for name, (title, unit, _) in MEASURES.items():
        limits = " | ".join(_limits(name, rules) for rules in _sets())
        rows.append(f"| `{name}` | {title}{f' ({unit})' if unit else ''} | {limits} |")
    names = " | ".join(f"`{name}`" for name in PROFILES if PROFILES[name])
    return _section("Thresholds", text, f"| measure | what | {names} |", rows)


def _sets() -> list[tuple[Threshold, ...]]:
    return [rules for rules in PROFILES.values() if rules]


def _limits(metric: str, rules: tuple[Threshold, ...]) -> str:
    for rule in rules:
        if rule.metric == metric:
            sign = ">" if metric in HIGHER_IS_BETTER else "<"
            if math.isinf(rule.warning):
                return f"good {sign} {rule.good:g}, else warning"
            second = f"{sign}=" if rule.inclusive else sign
            return f"good {sign} {rule.good:g}, warning {second} {rule.warning:g}"
    return ""


def _counts() -> list[str]:
    names = ("sent", "received", "lost", "late", "duplicated", "out_of_order", "unknown", "unfinished")
    known = {item.name for item in fields(Counts)}
    assert known.issuperset(names)
    return [f"| `{name}` | {_MEANINGS[name]} |" for name in names]


_MEANINGS = {
    "sent": "went out",
    "received": "came in, whatever it was",
    "lost": "was not answered in time, nor later within the run",
    "late": "was answered after the timeout; the call had failed by then",
    "duplicated": "was answered more than once",
    "out_of_order": "was answered after a later message of the same connection",
    "unknown": "came in without being an answer: pushes",
    "unfinished": "was still under way when the run was broken off, or a trial of `capacity` was over",
}
