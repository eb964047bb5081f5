"""``monitor --setup``: what Grafana and Prometheus need to show and watch the figures of runs."""

from __future__ import annotations

from pathlib import Path

import click

from project.load.cli.terminal import terminal
from project.load.errors import BadUsage
from project.load.output.monitoring import set_up


@click.command("monitor")
@click.option("--setup", is_flag=True, help="Write the dashboard and the alert rules.")
@click.option("--folder", type=click.Path(path_type=Path), default="monitoring", show_default=True, help="Where to.")
def monitor_command(setup: bool, folder: Path) -> None:
    """Write the Grafana dashboard and the Prometheus alert rules for runs with --metrics-port."""
    if not setup:
        raise BadUsage("monitor needs --setup; figures of a run are served with its --metrics-port")
    console = terminal()
    for path in set_up(folder):
        console.print(f"Written: {path}")
