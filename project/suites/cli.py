"""The command line of ``test_websockets.py``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from typing import IO, Any, Final
from urllib.parse import urlsplit

import click
from rich.console import Console

from project.suites import basic, load, scenarios
from project.suites.bench import Bench
from project.suites.check import Check, Outcome, run_check
from project.suites.client import Unreachable
from project.suites.report import Report, write_junit
from project.suites.setup import set_up

SITE_SUITES: Final[Mapping[str, tuple[Check[Bench], ...]]] = {
    "basic": basic.CHECKS,
    "load": load.CHECKS,
    "scenarios": scenarios.CHECKS,
}
CLEANUP: Final = Check("the spaces made here are deleted", Bench.tidy)
FAILED: Final = 1
UNREACHABLE: Final = 2


def _address(context: click.Context, option: click.Parameter, value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(f"{value} is no address of a site; it looks like http://localhost:5001")
    return value.rstrip("/")


@click.command()
@click.option(
    "--host", default="http://localhost:5001", show_default=True, callback=_address, help="Address of the site."
)
@click.option("--setup-space", is_flag=True, help="Only make a space to test with, and say how to serve it.")
@click.option("--suite", type=click.Choice([*SITE_SUITES, "all"]), default="basic", show_default=True)
@click.option("--only", multiple=True, metavar="TEXT", help="Only checks with this text in their names; repeatable.")
@click.option("--verbose", is_flag=True, help="Show every call.")
@click.option("--username", default="testuser", show_default=True, help="Who submits.")
@click.option("--password", default="testpass123", show_default=True)
@click.option("--admin-user", default="admin", show_default=True, help="Who makes spaces.")
@click.option("--admin-pass", default="admin123", show_default=True)
@click.option("--space", default="", help="Name or id of a connected space for the load suite, not one of its own.")
@click.option("--requests", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Of the load suite.")
@click.option("--concurrency", type=click.IntRange(1, 500), default=10, show_default=True, help="Of the load suite.")
@click.option("--keep", is_flag=True, help="Keep the spaces that the checks made.")
@click.option("--junit", type=click.File("wb", lazy=False), help="Write the outcomes to a file, as JUnit's XML.")
def main(
    setup_space: bool,
    suite: str,
    only: tuple[str, ...],
    verbose: bool,
    keep: bool,
    junit: IO[bytes] | None,
    concurrency: int,
    **who: Any,
) -> None:
    """Test a site.

    Exit code 0 only when every check passed, 1 when one failed, 2 when the site cannot be reached.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    # Ended from outside, the tool still ends its mock workers and deletes its spaces on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    report = Report(Console(highlight=False, soft_wrap=True), verbose=verbose)
    bench = Bench(trace=report.trace, say=report.say, concurrency=min(concurrency, who["requests"]), **who)
    if setup_space:
        sys.exit(set_up(bench, report))
    names = list(SITE_SUITES) if suite == "all" else [suite]
    chosen = {name: _chosen(SITE_SUITES[name], only) for name in names}
    if not any(chosen.values()):
        raise click.BadParameter(f"no check of the {suite} suite has {' or '.join(only)} in its name")
    sys.exit(_test(bench, report, chosen, keep, junit))


def _chosen(checks: Sequence[Check[Bench]], only: Sequence[str]) -> list[Check[Bench]]:
    return [check for check in checks if not only or any(text in check.name for text in only)]


def _test(
    bench: Bench, report: Report, chosen: Mapping[str, Sequence[Check[Bench]]], keep: bool, junit: IO[bytes] | None
) -> int:
    """Run suites; the exit code."""
    outcomes: list[Outcome] = []
    trouble = ""
    try:
        try:
            for name, checks in chosen.items():
                report.suite(name, len(checks))
                for check in checks:
                    outcomes.append(_show(name, check, bench, report))
        finally:
            # Whatever happened, also after Ctrl+C.
            if bench.made and not keep:
                _clean_up(bench, report, outcomes)
    except Unreachable as error:
        trouble = error.message
        report.problem(trouble)
    if junit is not None:
        write_junit(junit, outcomes, trouble)
    if outcomes:
        report.summary(outcomes)
    if trouble:
        return UNREACHABLE
    return FAILED if any(outcome.problem for outcome in outcomes) else 0


def _show(suite: str, check: Check[Bench], bench: Bench, report: Report) -> Outcome:
    with report.running(check.name):
        outcome = run_check(suite, check, bench)
    report.outcome(outcome)
    return outcome


def _clean_up(bench: Bench, report: Report, outcomes: list[Outcome]) -> None:
    """Delete what was made. Only worth a line if the site does not let us."""
    outcome = run_check("cleanup", CLEANUP, bench)
    if outcome.problem:
        report.outcome(outcome)
        outcomes.append(outcome)
