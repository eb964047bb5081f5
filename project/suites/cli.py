"""The command line of ``test_websockets.py``."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext

import click
from rich.console import Console

from project.suites import basic, load, scenarios
from project.suites.check import Bench, Check, Outcome, Unmet, run_checks
from project.suites.client import Unreachable, Visitor

SUITES: dict[str, tuple[Check, ...]] = {"basic": basic.CHECKS, "load": load.CHECKS, "scenarios": scenarios.CHECKS}
console = Console(highlight=False, soft_wrap=True)


@click.command()
@click.option("--host", default="http://localhost:5001", show_default=True, help="Address of the site.")
@click.option("--setup-space", is_flag=True, help="Make a space to test with, and say how to serve it.")
@click.option("--suite", type=click.Choice([*SUITES, "all"]), default="basic", show_default=True)
@click.option("--verbose", is_flag=True, help="Show every call.")
@click.option("--username", default="testuser", show_default=True)
@click.option("--password", default="testpass123", show_default=True)
@click.option("--admin-user", default="admin", show_default=True)
@click.option("--admin-pass", default="admin123", show_default=True)
@click.option("--space", default="", help="Id of a connected space for the load suite, instead of one of its own.")
@click.option("--requests", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Of the load suite.")
@click.option("--concurrency", type=click.IntRange(1, 500), default=10, show_default=True, help="Of the load suite.")
@click.option("--keep", is_flag=True, help="Keep the spaces that the checks made.")
def main(
    host: str,
    setup_space: bool,
    suite: str,
    verbose: bool,
    username: str,
    password: str,
    admin_user: str,
    admin_pass: str,
    space: str,
    requests: int,
    concurrency: int,
    keep: bool,
) -> None:
    """Test a site. Exit code 0 only when every check passed, 1 when one failed, 2 when the site cannot be reached."""
    host = host.rstrip("/")
    try:
        if setup_space:
            _set_up(host, admin_user, admin_pass)
            return
        trace = (lambda line: console.print(f"    {line}", style="dim")) if verbose else (lambda line: None)
        bench = Bench(
            host, username, password, admin_user, admin_pass, trace, space, requests, min(concurrency, requests)
        )
        outcomes = _run(bench, list(SUITES) if suite == "all" else [suite], keep)
    except Unreachable as error:
        console.print(f"✗ {error.message}", style="red")
        sys.exit(2)
    _summarise(outcomes)
    sys.exit(any(outcome.problem for outcome in outcomes))


def _set_up(host: str, admin_user: str, admin_pass: str) -> None:
    name = f"TestSpace_{int(time.time())}"
    print(f"Creating test WebSocket space...\nHost: {host}\nAdmin User: {admin_user}\n")
    admin = Visitor(host)
    if admin.login(admin_user, admin_pass).status_code != 302:
        sys.exit("✗ The administrator's login was refused: check --admin-user and --admin-pass")
    answer, space_id = admin.make_space(name)
    if not space_id:
        sys.exit(f"✗ The space was not created: {answer.status_code} {answer.text[:200]}")
    print(f"✓ Space created: {name}\n\nNow run the mock app with:")
    print(f'  python mock_app.py --host {host} --spaces "{name}"')


def _run(bench: Bench, names: list[str], keep: bool) -> list[Outcome]:
    outcomes: list[Outcome] = []
    try:
        for number, name in enumerate(names):
            checks = SUITES[name]
            console.print(
                f"{'' if number == 0 else chr(10)}{name.capitalize()} suite ({len(checks)} checks)", style="bold"
            )
            for index, check in enumerate(checks, start=1):
                with _progress(f"{index}/{len(checks)} {check.name}"):
                    outcome = run_checks(name, [check], bench)
                _tell(outcome[0])
                outcomes += outcome
    finally:
        if not keep:
            _tidy(bench)
    return outcomes


def _progress(text: str) -> AbstractContextManager[object]:
    """A line that says what is going on, where there is a terminal to see it move. The load suite has its own."""
    return console.status(text) if console.is_terminal and "every accepted" not in text else nullcontext()


def _tell(outcome: Outcome) -> None:
    if outcome.problem:
        console.print(f"✗ {outcome.name}: {outcome.problem}", style="red", markup=False)
    else:
        console.print(f"✓ {outcome.name} ({outcome.seconds * 1000:.0f} ms)", style="green", markup=False)


def _tidy(bench: Bench) -> None:
    try:
        bench.tidy()
    except (Unmet, Unreachable) as error:
        console.print(f"  The spaces made here could not be deleted: {error}", style="yellow", markup=False)


def _summarise(outcomes: list[Outcome]) -> None:
    failed = [outcome for outcome in outcomes if outcome.problem]
    seconds = sum(outcome.seconds for outcome in outcomes)
    console.print(f"\n{len(outcomes) - len(failed)} passed, {len(failed)} failed in {seconds:.1f} s", style="bold")
