"""Commands on runs that are over: ``compare`` two, sum up a folder of them, ``merge`` several into one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from project.load.cli.play import exit_code
from project.load.cli.terminal import terminal
from project.load.cli.thresholds import read_thresholds
from project.load.cli.view import show_result
from project.load.core.comparing import LEAST_EFFECT, Effect, compare
from project.load.core.merging import merge_records
from project.load.core.record import RESPONSE, RunRecord
from project.load.core.thresholds import judge
from project.load.errors import EXIT_FAILED, EXIT_PASSED, BadUsage, OutputFailed
from project.load.output.folder import RECORD, make_folder, read_record, write_atomically, write_record

_COLOURS: Final = {"same": "dim", "better": "green", "worse": "red", "unclear": "yellow"}


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--least",
    type=click.FloatRange(0.001, 10),
    default=LEAST_EFFECT,
    show_default=True,
    help="Share below which a difference does not count.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the drawings.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the effects there, too.")
def compare_command(a: Path, b: Path, least: float, seed: int, json_path: Path | None) -> None:
    """Say whether run B differs from run A (folders, or run.json files), with 95 % intervals; exit code 1 if worse."""
    first, second = read_record(a), read_record(b)
    effects = compare(first, second, seed=seed, least=least)
    if json_path is not None:
        _write_effects(json_path, effects)
    console = terminal()
    _warn_of_differences(console, first, second)
    for effect in effects:
        console.print(f"  {effect.text}", style=_COLOURS[effect.change])
    worse, unclear = _named(effects, "worse"), _named(effects, "unclear")
    if worse:
        console.print(f"Worse: {worse}", style="red")
    elif unclear:
        console.print(f"Not shown to be worse; unclear: {unclear}. Longer or quieter runs would tell", style="yellow")
    else:
        console.print("Not worse", style="green")
    sys.exit(EXIT_FAILED if worse else EXIT_PASSED)


def _named(effects: list[Effect], change: str) -> str:
    return ", ".join(effect.metric for effect in effects if effect.change == change)


def _warn_of_differences(console: Console, a: RunRecord, b: RunRecord) -> None:
    if a.scenario != b.scenario or a.kind != b.kind:
        console.print(f"⚠ different tests: {a.scenario} ({a.kind}) and {b.scenario} ({b.kind})", style="yellow")
    elif different := _different_settings(a, b):
        console.print(f"⚠ different settings: {different}", style="yellow", markup=False)
    for record in (a, b):
        if not record.validity.valid:
            console.print(f"⚠ {record.name} of {record.started_at} is not valid by its own account", style="yellow")


def _different_settings(a: RunRecord, b: RunRecord) -> str:
    """What was asked of both runs, and not alike; each run has a test id of its own."""
    names = [name for name in a.config if name in b.config and name != "test_id" and a.config[name] != b.config[name]]
    return ", ".join(f"{name} {a.config[name]} and {b.config[name]}" for name in names)


def _write_effects(path: Path, effects: list[Effect]) -> None:
    shown = [{**{name: getattr(effect, name) for name in effect.__slots__}, "text": effect.text} for effect in effects]
    try:
        write_atomically(path, json.dumps(shown, indent=1) + "\n")
    except OSError as error:
        raise OutputFailed(f"Cannot write {path}: {error.strerror}") from error


def records_in(folder: Path) -> list[tuple[Path, RunRecord]]:
    """Every run in a folder, oldest first. Raises BadUsage when there is none."""
    if not folder.is_dir():
        raise BadUsage(f"{folder} is not a folder")
    found = [(path.parent, read_record(path)) for path in folder.rglob(RECORD)]
    if not found:
        raise BadUsage(f"There are no runs in {folder}")
    return sorted(found, key=lambda item: item[1].started_at)


@click.command("summary")
@click.argument("folder", type=click.Path(path_type=Path))
def summary_command(folder: Path) -> None:
    """Every run in FOLDER, each beside the one before it of its name; exit code 1 when the last is worse."""
    latest: dict[tuple[str, str], RunRecord] = {}
    table = Table("run", "started (UTC)", "calls", "rate/s", "mean ms", "p95 ms", "errors", "verdict", "since the last")
    worse: dict[tuple[str, str], bool] = {}
    for path, record in records_in(folder):
        key = (record.name, record.url)
        since = _since(latest.get(key), record)
        worse[key] = since.startswith("worse")
        latest[key] = record
        times = record.histogram(RESPONSE)
        table.add_row(
            path.name, record.started_at[:19], str(record.counts.done), f"{record.rate:.1f}",
            f"{times.mean_us / 1000:.1f}", f"{times.percentile_us(95) / 1000:.1f}", f"{record.error_share:.2%}",
            record.verdict.level + ("" if record.validity.valid else " (not valid)"), since,
        )  # fmt: skip
    # In a file or a pipe there is room for whole names.
    terminal(None if sys.stdout.isatty() else 200).print(table)
    sys.exit(EXIT_FAILED if any(worse.values()) else EXIT_PASSED)


def _since(before: RunRecord | None, record: RunRecord) -> str:
    if before is None:
        return ""
    try:
        effects = compare(before, record)
    except BadUsage:
        return "too short to compare"
    changes = {change: _named(effects, change) for change in ("worse", "better", "unclear")}
    return "; ".join(f"{change}: {metrics}" for change, metrics in changes.items() if metrics) or "same"


@click.command("merge")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default="reports/performance",
    show_default=True,
    help="A folder is made in it.",
)
@click.option("--name", default="merged", show_default=True, help="Of the merged run.")
@click.option("--thresholds", default="none", show_default=True, help="To judge the whole by.")
@click.option("--threshold", multiple=True, help="Single ones; repeatable.")
@click.option("--allow-invalid", is_flag=True, help="Say when a run is not valid, but do not exit with 3.")
def merge_command(
    runs: tuple[Path, ...], output: Path, name: str, thresholds: str, threshold: tuple[str, ...], allow_invalid: bool
) -> None:
    """Add up runs that were driven together from several machines: counts, histograms and series."""
    rules, profile = read_thresholds(thresholds, threshold)
    records = [read_record(path) for path in runs]
    kinds = {(record.scenario, record.kind) for record in records}
    if len(kinds) > 1:
        raise BadUsage("These runs are of different tests: " + ", ".join(f"{s} ({k})" for s, k in sorted(kinds)))
    _refuse_doubles(runs, records)
    whole = merge_records(records)
    whole.name = name
    whole.config = {**whole.config, "merged": [str(path) for path in runs]}
    whole.verdict = judge(whole, rules, profile)
    folder = make_folder(output, name)
    write_record(folder, whole)
    console = terminal()
    show_result(console, whole)
    if not _overlap(records):
        console.print("⚠ these runs were not driven at the same time: their rate is that of no moment", style="yellow")
    console.print(f"Results: {folder}")
    # How single runs ended is no matter of the merging.
    sys.exit(exit_code(replace(whole, outcome="finished"), allow_invalid=allow_invalid))


def _refuse_doubles(runs: tuple[Path, ...], records: list[RunRecord]) -> None:
    """Raises BadUsage when a run is there twice: its calls would count twice."""
    seen = [record.as_dict() for record in records]
    for place, plain in enumerate(seen):
        if plain in seen[:place]:
            raise BadUsage(f"{runs[place]} is the same run as {runs[seen.index(plain)]}: name each run once")


def _overlap(records: list[RunRecord]) -> bool:
    """Whether there was a moment in which all of them were under way, by their machines' clocks."""
    begun = [datetime.fromisoformat(record.started_at).timestamp() for record in records]
    return max(begun) <= min(at + record.duration_s for at, record in zip(begun, records, strict=True))


RECORD_COMMANDS: Final = (compare_command, summary_command, merge_command)
