#!/usr/bin/env python3
"""``--setup`` writes the Grafana dashboard and the alert rules; ``--summary DIR`` compares a folder of runs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click

from project.load.cli.main import main


@click.command()
@click.option("--setup", is_flag=True, help="Write monitoring/grafana and monitoring/prometheus.")
@click.option("--summary", type=click.Path(), help="A folder of runs, such as reports/performance/.")
def run(setup: bool, summary: str | None) -> None:
    """Watch runs, and compare them."""
    if setup == bool(summary):
        raise click.UsageError("say either --setup or --summary DIR")
    main(["monitor", "--setup"] if setup else ["summary", str(summary)])


if __name__ == "__main__":
    run()
