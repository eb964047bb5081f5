#!/usr/bin/env python3
"""Service tests from a shell: ``performance_test.py load pkd_service``; from Python: ``PerformanceTestFramework``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click

from project.load.api.performance import PerformanceTestFramework, stress_options
from project.load.cli.main import main

__all__ = ["PerformanceTestFramework"]


def _load(kind: str, service: str, flags: list[str], metrics_port: int | None) -> None:
    port = [] if metrics_port is None else ["--metrics-port", str(metrics_port)]
    name = f"{kind}_test_{service}"
    main([kind, "--service", service, "--name", name, "--thresholds", "services", *flags, *port])


@click.group()
def cli() -> None:
    """Test services; results are in reports/performance."""


@cli.command()
@click.argument("service")
@click.option("--users", type=int, default=10, show_default=True)
@click.option("--duration", type=float, default=60.0, show_default=True, help="Seconds.")
@click.option("--rps", type=float, help="At most so many requests per second.")
@click.option("--metrics-port", type=int, help="Serve /metrics for Prometheus meanwhile.")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def load(
    service: str, users: int, duration: float, rps: float | None, metrics_port: int | None, more: tuple[str, ...]
) -> None:
    """Constant users. What follows -- goes on to `python -m project.load load`."""
    limit = [] if rps is None else ["--rps", str(rps)]
    _load("load", service, ["--users", str(users), "--duration", str(duration), *limit, *more], metrics_port)


@cli.command()
@click.argument("service")
@click.option("--max-users", type=int, default=100, show_default=True)
@click.option("--ramp-up", type=float, default=300.0, show_default=True, help="Seconds to reach them.")
@click.option("--metrics-port", type=int, help="Serve /metrics for Prometheus meanwhile.")
@click.argument("more", nargs=-1, type=click.UNPROCESSED)
def stress(service: str, max_users: int, ramp_up: float, metrics_port: int | None, more: tuple[str, ...]) -> None:
    """More and more users until it breaks. What follows -- goes on to `python -m project.load stress`."""
    options = stress_options(max_users, ramp_up)
    flags = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    _load("stress", service, [*flags, *more], metrics_port)


if __name__ == "__main__":
    cli()
