"""The live view in a terminal; a plain line now and then where there is none."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from project.load.core.record import STAGES, RunRecord
from project.load.engine.run import Progress
from project.load.output.words import named

PLAIN_EVERY_S: Final = 10.0
_COLOURS: Final = {"good": "green", "warning": "yellow", "critical": "red", "none": "dim"}
_MARKS: Final = {"good": "✓", "warning": "⚠", "critical": "✗", "none": "·"}


class View:
    """Shows progress while the run goes on. A context manager."""

    def __init__(self, console: Console, title: str, *, quiet: bool = False):
        self._console = console
        self._quiet = quiet
        self._shown_s = 0.0
        self._bar = Bar(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._task = self._bar.add_task(title, total=None)
        self._live = Live(self._bar, console=console, transient=True, refresh_per_second=4, auto_refresh=False)

    def __enter__(self) -> View:
        if self._console.is_terminal and not self._quiet:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def tell(self, progress: Progress) -> None:
        """Show the run as it stands."""
        if self._quiet:
            return
        if self._live.is_started:
            total = progress.total or round(progress.planned_s)
            done = progress.done if progress.total else min(total, round(progress.elapsed_s))
            self._bar.update(self._task, total=total, completed=done)
            self._live.update(Group(self._bar, _figures(progress)), refresh=True)
        elif progress.status == "running" and progress.elapsed_s - self._shown_s >= PLAIN_EVERY_S:
            self._shown_s = progress.elapsed_s
            self._console.print(
                f"{progress.elapsed_s:.0f} s: {progress.done} done, {progress.failed} failed, {progress.rps:.1f}/s, "
                f"p50 {progress.p50:.1f} ms, p95 {progress.p95:.1f} ms, p99 {progress.p99:.1f} ms"
            )


def _figures(progress: Progress) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(
        f"{progress.done} done",
        Text(f"{progress.failed} failed", style="red" if progress.failed else "green"),
        f"{progress.rps:.1f}/s",
        f"{progress.users} users",
        f"{progress.in_flight} under way",
    )
    table.add_row(f"p50 {progress.p50:.1f} ms", f"p95 {progress.p95:.1f} ms", f"p99 {progress.p99:.1f} ms", "", "")
    for kind, count in sorted(progress.errors.items(), key=lambda item: -item[1])[:5]:
        table.add_row(Text(f"{count} x {kind}", style="red"))
    return table


def show_result(console: Console, record: RunRecord) -> None:
    """The result in words and figures."""
    counts = record.counts
    response, service = record.histogram("response").summary(), record.histogram("service").summary()
    name = f"{record.name}: " if record.name not in ("", record.scenario) else ""
    what = f" on {record.url} ({record.kind}), {record.duration_s:.1f} s, {record.outcome.replace('_', ' ')}"
    console.print(Text.assemble("\n", (name + record.scenario, "bold"), what))
    after = counts.done - record.done_in_time
    console.print(
        f"  {counts.done} calls, {counts.succeeded} succeeded, {counts.failed} failed; {record.rate:.1f}/s"
        + (f", not counting {after} that ended after the time was over" if after else ""),
    )
    for name, times in (("response time", response), ("service time", service)):
        cuts = ", ".join(f"{cut} {times[cut + '_ms']:.2f}" for cut in ("p50", "p95", "p99", "max"))
        console.print(f"  {name} (ms): mean {times['mean_ms']:.2f}, {cuts}")
    for stage in STAGES:
        if (times := record.histogram(stage).summary())["count"]:
            console.print(
                f"    {stage} (ms): mean {times['mean_ms']:.2f}, p50 {times['p50_ms']:.2f}, p95 {times['p95_ms']:.2f}"
            )
    if len(record.endpoints) > 1:
        _show_endpoints(console, record)
    if test_id := record.config.get("test_id"):
        console.print(f"  test id: {test_id}, by which the console's log finds these requests")
    seldom = [name for name in ("unknown", "unfinished") if getattr(counts, name)]
    accounting = ("sent", "received", "lost", "late", "duplicated", "out_of_order", *seldom)
    console.print(
        "  messages: " + ", ".join(f"{getattr(counts, name)} {name.replace('_', ' ')}" for name in accounting),
    )
    for kind, count in list(record.errors.items())[:10]:
        console.print(f"  {count} x {kind}", style="red")
    for name, value in record.findings.items():
        console.print("  " + ": ".join(named(name, value)))
    for finding in record.verdict.findings:
        console.print(f"  {_MARKS[finding.level]} {finding.text}", style=_COLOURS[finding.level])
    if record.verdict.level != "none":
        console.print(f"Verdict: {record.verdict.level}", style=_COLOURS[record.verdict.level])
    _show_validity(console, record)


def _show_validity(console: Console, record: RunRecord) -> None:
    for finding in record.validity.findings:
        if finding.level != "good":
            console.print(f"  {_MARKS[finding.level]} {finding.text}", style=_COLOURS[finding.level])
    if not record.validity.valid:
        console.print(
            "Not valid: the generator was the bottleneck; these figures say little of the target", style="red"
        )


def _show_endpoints(console: Console, record: RunRecord) -> None:
    """Where several things are called, each by itself: one that is slow or fails hides among the others."""
    table = Table("endpoint", box=None, padding=(0, 2), pad_edge=False, header_style="")
    for heading in ("calls", "failed", "mean ms", "p95 ms"):
        table.add_column(heading, justify="right")
    for name, figures in record.endpoints.items():
        failed = round(figures["failed"])
        table.add_row(
            Text(name, overflow="fold"),
            f"{figures['calls']:.0f}",
            Text(str(failed), style="red" if failed else ""),
            f"{figures['mean_ms']:.2f}",
            f"{figures['p95_ms']:.2f}",
        )
    console.print(Padding(table, (0, 0, 0, 2), expand=False))
