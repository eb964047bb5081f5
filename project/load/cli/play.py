"""Plays one scenario for the command line: signals, live view, progress file, results, exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from project.load.cli.terminal import fail
from project.load.cli.view import View, show_result
from project.load.core.record import RunRecord
from project.load.core.thresholds import CRITICAL, WARNING, Threshold, judge
from project.load.engine.gauge import raise_fds_limit
from project.load.engine.loops import run_in_loop
from project.load.errors import (
    EXIT_FAILED,
    EXIT_IN_USE,
    EXIT_INTERRUPTED,
    EXIT_INVALID,
    EXIT_PASSED,
    EXIT_REFUSED,
    EXIT_TARGET_LOST,
    EXIT_TERMINATED,
    LoadError,
    OutputFailed,
    RunRefused,
)
from project.load.output.ci import github_summary, junit_xml
from project.load.output.folder import RESULTS, Results, make_folder, write_atomically, write_record
from project.load.output.progress import ProgressFile
from project.load.output.prometheus import MetricsPage
from project.load.output.suite import write_suite
from project.load.permission import is_loopback, origin_of, permit
from project.load.scenarios.scenario import Conductor, Scenario
from project.load.sources import source_of
from project.load.targets.base import Target
from project.load.targets.kinds import TargetOptions, make_target

OUTCOME_EXITS = {
    "interrupted": EXIT_INTERRUPTED,
    "terminated": EXIT_TERMINATED,
    "target_lost": EXIT_TARGET_LOST,
    "target_unsafe": EXIT_REFUSED,
    "space_in_use": EXIT_IN_USE,
}


@dataclass(frozen=True, slots=True)
class Order:
    """Everything a command line asks for."""

    scenario: Scenario
    options: Mapping[str, Any]
    target: TargetOptions
    output: Path | None
    name: str = ""
    seed: int = 1
    thresholds: tuple[Threshold, ...] = ()
    profile: str = ""
    progress: Path | None = None
    with_results: bool = True
    strict: bool = False
    allow_invalid: bool = False
    quiet: bool = False
    messages: str = ""
    message_bytes: int = 0
    metrics_port: int | None = None
    give_up_s: float | None = None
    junit: Path | None = None
    flat: Path | None = None
    config: Path = Path("load.toml")
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Kept in the record's configuration as they are."""


def play(order: Order, console: Console) -> int:
    """Play it; the exit code. Raises LoadError only for what keeps a run from beginning."""
    file = ProgressFile(order.progress) if order.progress is not None else None
    try:
        return _play(order, console, file)
    except LoadError as error:
        if file is not None:
            file.end("failed", error.exit_code, error=error.message)
        raise


def _play(order: Order, console: Console, file: ProgressFile | None) -> int:
    raise_fds_limit(65_536)
    conductor = _conductor(order)
    conductor.make_target(0)  # what is wrong with it is said before anything is written or sent
    folder = make_folder(order.output, conductor.name) if order.output is not None else None
    results = _results(order, folder, conductor)
    try:
        with View(console, order.name or order.scenario.name, quiet=order.quiet) as view:
            conductor.watchers = (view.tell,) if file is None else (view.tell, file.tell)
            conductor.sinks = () if results is None else (results.take,)
            record = run_in_loop(_conduct(conductor, order, console))
    except LoadError:
        if folder is not None and not any(folder.iterdir()):
            folder.rmdir()
        raise
    record.config = _config(order)
    record.verdict = judge(record, order.thresholds, order.profile)
    if not order.quiet:
        show_result(console, record)
    code = exit_code(record, strict=order.strict, allow_invalid=order.allow_invalid)
    problem = _keep(folder, record, results) or _keep_flat(order.flat, record, folder) or _tell_builders(order, record)
    if problem is not None:
        fail(problem.message)
        code = problem.exit_code
    elif not order.quiet:
        for place in filter(None, (folder, order.flat)):
            console.print(f"Results: {place}")
    if file is not None:
        file.end(record.outcome, code, folder=folder, error=problem.message if problem is not None else "")
    return code


def _conductor(order: Order) -> Conductor:
    name = order.name or order.scenario.name
    word = order.messages or ("realistic" if order.scenario.name == "realistic" else "mixed")
    source = source_of(word, order.seed, lambda: conductor.profiles, order.message_bytes)
    target = replace(order.target, source=source)
    conductor = Conductor(
        lambda number: make_target(target, number),
        seed=order.seed,
        name=name,
        url=_url(order),
        give_up_s=order.give_up_s,
        headers=target.headers,
        timeout_s=target.timeout_s,
        make_other=lambda number, url: _other(target, url, number),
    )
    return conductor


def _other(target: TargetOptions, url: str, number: int) -> Target:
    """Another server like the target; only this machine's, or that of the target which was permitted."""
    if not is_loopback(url) and origin_of(url) != origin_of(target.url):
        raise RunRefused(f"{url} is neither this machine nor the target that is permitted")
    return make_target(replace(target, url=url), number)


def _results(order: Order, folder: Path | None, conductor: Conductor) -> Results | None:
    if folder is None or not order.with_results:
        return None
    return Results(folder / RESULTS, conductor.epoch_s)


def _keep(folder: Path | None, record: RunRecord, results: Results | None) -> OutputFailed | None:
    """Write everything that can be written; the first problem."""
    problem: OutputFailed | None = None
    try:
        if results is not None:
            results.close()
    except OutputFailed as error:
        problem = error
    try:
        if folder is not None:
            write_record(folder, record)
    except OutputFailed as error:
        problem = problem or error
    return problem


def _keep_flat(flat: Path | None, record: RunRecord, folder: Path | None) -> OutputFailed | None:
    try:
        if flat is not None:
            write_suite(flat, record, folder.name if folder is not None else "")
    except OutputFailed as error:
        return error
    return None


def _tell_builders(order: Order, record: RunRecord) -> OutputFailed | None:
    """Write for the machine that builds: JUnit XML where asked, GitHub's summary where it has one."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "")
    path = order.junit or Path(summary)
    try:
        if order.junit is not None:
            order.junit.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(order.junit, junit_xml(record, failing_levels(strict=order.strict)))
        if summary:
            path = Path(summary)
            with path.open("a", encoding="utf-8") as file:
                file.write(github_summary(record))
    except OSError as error:
        return OutputFailed(f"Cannot write {path}: {error.strerror}")
    return None


async def _conduct(conductor: Conductor, order: Order, console: Console) -> RunRecord:
    loop = asyncio.get_running_loop()
    if sys.platform != "win32":
        for name, outcome in ((signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")):
            loop.add_signal_handler(name, conductor.stop, outcome)
    conductor.check = (await permit(_url(order), order.config)).check
    if order.metrics_port is None:
        return await order.scenario.play(conductor, order.options)
    page = MetricsPage(lambda: conductor.current.recorder if conductor.current is not None else None)
    port = await page.start(order.metrics_port)
    if not order.quiet:
        console.print(f"Metrics: http://127.0.0.1:{port}/metrics")
    try:
        return await order.scenario.play(conductor, order.options)
    finally:
        await page.stop()


def _url(order: Order) -> str:
    return order.target.service.url if order.target.service is not None else order.target.url


def _config(order: Order) -> dict[str, Any]:
    secret = ("password", "token")
    shown = {name: value for name, value in order.options.items() if not name.endswith(secret)}
    return {
        **shown,
        **({"space": relay.space, "test_id": relay.test_id} if (relay := order.target.relay) else {}),
        "timeout_s": order.target.timeout_s,
        "method": order.target.method,
        "path": order.target.path,
        "headers": sorted(order.target.headers),  # names only: values may be secrets
        **dict(order.notes),
    }


def exit_code(record: RunRecord, *, strict: bool = False, allow_invalid: bool = False) -> int:
    """The code a run ends with: how it ended comes first, then whether it is valid, then its verdict."""
    if record.outcome in OUTCOME_EXITS:
        return OUTCOME_EXITS[record.outcome]
    if not record.validity.valid and not allow_invalid:
        return EXIT_INVALID
    return EXIT_FAILED if record.verdict.level in failing_levels(strict=strict) else EXIT_PASSED


def failing_levels(*, strict: bool) -> tuple[str, ...]:
    """The levels that fail a run."""
    return (CRITICAL, WARNING) if strict else (CRITICAL,)
