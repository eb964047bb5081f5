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
from project.suites.check import Check, Given
from project.suites.client import Unreachable
from project.suites.conformance.subject import CommandUnusable
from project.suites.conformance.suite import CHECKS as CHECKS_OF_WORKERS
from project.suites.conformance.trial import Trial
from project.suites.report import Report
from project.suites.run import Run
from project.suites.setup import set_up

SITE_SUITES: Final[Mapping[str, tuple[Check[Bench], ...]]] = {
    "basic": basic.CHECKS,
    "load": load.CHECKS,
    "scenarios": scenarios.CHECKS,
}
CONFORMANCE: Final = "conformance"
CLEANUP: Final = Check("the spaces made here are deleted", Bench.tidy)


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
@click.option("--suite", type=click.Choice([*SITE_SUITES, "all", CONFORMANCE]), default="basic", show_default=True)
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
@click.option(
    "--worker", default="", metavar="COMMAND", help="Conformance: the worker; {host} {space} {token} are filled in."
)
@click.option(
    "--patience",
    type=click.FloatRange(1),
    default=30.0,
    show_default=True,
    help="Conformance: seconds for anything the worker has to do.",
)
@click.option("--fail-prompt", default="", metavar="TEXT", help="Conformance: a prompt at which its handler fails.")
@click.option("--junit", type=click.File("wb", lazy=False), help="Write the outcomes to a file, as JUnit's XML.")
def main(
    setup_space: bool,
    suite: str,
    only: tuple[str, ...],
    verbose: bool,
    keep: bool,
    worker: str,
    patience: float,
    fail_prompt: str,
    junit: IO[bytes] | None,
    concurrency: int,
    **who: Any,
) -> None:
    """Test a site, or (--suite conformance) a worker.

    Exit code 0 only when every check passed, 1 when one failed, 2 when the site cannot be reached.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    # Ended from outside, the tool still ends its workers and deletes its spaces on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    report = Report(Console(highlight=False, soft_wrap=True), verbose=verbose)
    if (suite == CONFORMANCE) != bool(worker):
        raise click.UsageError("--suite conformance and --worker COMMAND belong together")
    run = Run(report)
    try:
        if suite == CONFORMANCE:
            trial = Trial(worker, patience, fail_prompt, report.say, report.trace)
            _test_worker(run, trial, _chosen(suite, CHECKS_OF_WORKERS, only))
        else:
            bench = Bench(trace=report.trace, say=report.say, concurrency=min(concurrency, who["requests"]), **who)
            if setup_space:
                sys.exit(set_up(bench, report))
            _test_site(run, bench, suite, only, keep)
    except (Unreachable, CommandUnusable) as error:
        run.trouble = error
    sys.exit(run.finish(junit))


def _test_site(run: Run, bench: Bench, suite: str, only: Sequence[str], keep: bool) -> None:
    names = list(SITE_SUITES) if suite == "all" else [suite]
    every = [check for name in names for check in SITE_SUITES[name]]
    chosen = _chosen(suite, every, only)
    bench.visitor().greet()
    try:
        for name in names:
            checks = [check for check in SITE_SUITES[name] if check in chosen]
            if checks:
                run.suite(name, checks, bench)
    finally:
        # Whatever happened, also after Ctrl+C.
        if bench.made and not keep:
            run.chore("cleanup", CLEANUP, bench)


def _test_worker(run: Run, trial: Trial, checks: Sequence[Check[Trial]]) -> None:
    try:
        run.suite(CONFORMANCE, checks, trial)
    finally:
        trial.close()


def _chosen(suite: str, checks: Sequence[Check[Given]], only: Sequence[str]) -> list[Check[Given]]:
    chosen = [check for check in checks if not only or any(text in check.name for text in only)]
    if not chosen:
        raise click.BadParameter(f"no check of the {suite} suite has {' or '.join(only)} in its name")
    return chosen
