"""What a run leaves for people and for the machines that build."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest

from project.load.cli.terminal import terminal
from project.load.cli.view import show_result
from project.load.core.record import RunRecord
from project.load.core.thresholds import CRITICAL, PROFILES, WARNING, Threshold, judge
from project.load.output.charts import Line, line_chart, thinned, ticks
from project.load.output.ci import github_summary, junit_xml
from project.load.output.folder import write_atomically
from project.load.output.report import report_html
from project.load.output.words import named
from tests.load.conftest import Calibration, Command
from tests.load.test_core import run_of

VOID = {"meta"}


class Checked(HTMLParser):
    """Whether tags are closed in order; all text and attributes."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def judged() -> RunRecord:
    record = run_of(lambda number: 20_000 + number % 50 * 1000)
    record.verdict = judge(record, (Threshold("mean_ms", 1, 10), Threshold("p95_ms", 10, 5000)), "own")
    record.histograms["queue"] = record.histograms["run"] = record.histogram("response")
    record.endpoints = {"GET /": {"calls": 3.0, "failed": 1.0, "mean_ms": 2.0, "p95_ms": 3.0}}
    record.errors = {"timeout": 2}
    record.events = [{"at_s": 3.0, "what": "storm 1", "back": 5}]
    record.findings = {"capacity": {"rate": 10.0, "at_most": "not found"}}
    return record


def test_the_report_is_whole_and_needs_nothing_else() -> None:
    page = Checked(report_html(judged()))
    assert page.open == []
    words = " ".join(page.words)
    for text in ("Verdict: critical", "Response time", "Percentiles", "Where the time goes", "GET /", "timeout",
                 "storm 1", "rate 10/s", "1,500"):  # fmt: skip
        assert text in words, text
    assert [value for name, value in page.attributes if name in ("src", "href")] == []
    assert "script" not in page.tags
    assert page.tags.count("svg") == 4, "no chart of errors where there are none"


def test_what_others_named_stays_text() -> None:
    record = judged()
    evil = "<script>alert(1)</script>\"'&"
    record.name = record.url = record.scenario = record.kind = evil
    record.endpoints = {evil: record.endpoints["GET /"]}
    record.errors = {evil: 1}
    record.config = {evil: evil}
    record.findings, record.events = {evil: {evil: evil}}, [{"at_s": 0, "what": evil, evil: evil}]
    page = Checked(report_html(record))
    assert "script" not in page.tags
    assert page.open == []
    assert "<script" not in github_summary(record)
    xml.fromstring(junit_xml(record))


def test_a_run_without_a_single_call_has_a_report_too() -> None:
    record = run_of(lambda number: 1, seconds=0)
    record.verdict = judge(record, PROFILES["services"], "services")
    assert "No call that was sent ended" in report_html(record)


def test_junit_has_a_case_a_finding_and_says_which_failed() -> None:
    (suite,) = xml.fromstring(junit_xml(judged()))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "0")
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["mean_ms"]
    (strict,) = xml.fromstring(junit_xml(judged(), (WARNING, CRITICAL)))
    assert strict.get("failures") == "2"


def test_builders_are_told_by_the_command(
    load: Callable[..., Command], echo: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    command = load("load", "--url", echo.http, "--requests", "20", "--threshold", "p95_ms<0.001", "--allow-invalid",
                   "--junit", str(tmp_path / "new" / "load.xml"))  # fmt: skip
    assert command.wait() == 1, command.process.output
    assert xml.parse(tmp_path / "new" / "load.xml").getroot()[0].get("failures") == "1"
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n### ❌ Load test load: critical")
    assert re.search(r"\| 20 \| 0.00% \|", text)
    assert (command.folder / "report.html").stat().st_size > 5000


def test_axes_are_round_and_peaks_survive_thinning() -> None:
    assert ticks(7) == [0, 2, 4, 6, 8]
    assert ticks(0) == [0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
    points = [(float(x), 9.0 if x == 777 else 1.0) for x in range(5000)]
    assert len(thinned(points)) <= 600
    assert (777.0, 9.0) in thinned(points)
    assert "nothing to show" in line_chart("Empty", [Line("a", "a", [])], x_label="s", y_label="ms")


def test_figures_have_their_units() -> None:
    assert named("recovery_s", 3) == ("recovery", "3 s")
    assert named("held", {"users": 20, "rate": 6808.123}) == ("held", "users 20, rate 6,808/s")
    assert named("capacity", {"rate": 0.123456, "at_most": "not found", "confirmed": True}) == (
        "capacity",
        "rate 0.1235/s, at most not found, confirmed yes",
    )
    assert named("records", {"per_second": 52000.0, "batch_size": 1000}) == (
        "records",
        "per second 52,000/s, batch size 1,000",
    )


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("services", "(good < 1000, warning < 3000)"),
        ("uploads", "(good < 20000, else warning)"),
        ("uploads", "(good < 1, warning <= 5)"),
    ],
)
def test_limits_are_said_as_they_are_meant(profile: str, says: str) -> None:
    record = run_of(lambda number: 20_000)
    assert any(says in finding.text for finding in judge(record, PROFILES[profile]).findings)
    (only,) = judge(record, (Threshold("p95_ms", 5, 5),)).findings
    assert only.text.endswith("(good < 5)")


def test_the_terminal_tells_endpoints_apart_and_how_many_calls_the_rate_leaves_out() -> None:
    record = judged()
    record.endpoints["POST /b"] = {"calls": 2.0, "failed": 0.0, "mean_ms": 1.5, "p95_ms": 2.5}
    record.done_in_time = record.counts.done - 3
    out = io.StringIO()
    console = terminal(200)
    console.file = out
    show_result(console, record)
    text = out.getvalue()
    assert re.search(r"GET /\s+3\s+1\s+2\.00\s+3\.00", text)
    assert re.search(r"POST /b\s+2\s+0\s+1\.50\s+2\.50", text)
    assert "not counting 3 that ended after the time was over" in text


def test_brackets_of_others_are_no_markup(tmp_path: Path) -> None:
    record = judged()
    record.name, record.errors = "[/b]", {"[/odd]": 1, "[red]": 2}
    record.endpoints = {"GET /[bold]": record.endpoints["GET /"], "[/]": record.endpoints["GET /"]}
    out = io.StringIO()
    console = terminal(200)
    console.file = out
    show_result(console, record)
    for text in ("[/b]: steady", "1 x [/odd]", "2 x [red]", "GET /[bold]"):
        assert text in out.getvalue()


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as other:
        read = other.submit(pipe.read_text, "utf-8")
        write_atomically(pipe, "whole")
        assert read.result(60) == "whole"
    assert pipe.is_fifo()
