"""``services``: test every service that runs, lightly or thoroughly, one after another."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from project.load.api.performance import stress_options
from project.load.cli.options import DEFAULT_OUTPUT
from project.load.cli.play import Order, play
from project.load.cli.terminal import terminal
from project.load.core.thresholds import PROFILES
from project.load.errors import BROKEN_OFF, EXIT_USAGE
from project.load.permission import config_path
from project.load.scenarios.table import scenario_named
from project.load.targets.kinds import TargetOptions
from project.load.targets.services import Service, read_services


@dataclass(frozen=True, slots=True)
class Depth:
    """How thoroughly: of the load test and, if there is one, of the stress test."""

    users: int
    duration_s: float
    rps: float | None = None
    """At most so many calls per second: a light load is one that neither the service nor the generator is full of."""
    most_users: int = 0
    ramp_up_s: float = 0.0


DEPTHS: Final = {"quick": Depth(5, 10.0, 100.0), "all": Depth(10, 60.0, most_users=100, ramp_up_s=60.0)}


@click.command("services")
@click.argument("depth", type=click.Choice(list(DEPTHS)))
@click.option("--services", "file", type=click.Path(path_type=Path), help="A TOML file, instead of the engine's own.")
@click.option("--only", multiple=True, help="A service's name; repeatable.")
@click.option("--users", type=click.IntRange(1, 100_000), help="Instead of the depth's own number.")
@click.option("--duration", type=click.FloatRange(0.05, 86_400), help="Seconds, instead of the depth's own.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=DEFAULT_OUTPUT,
    show_default=True,
    help="A folder is made in it per run.",
)
@click.option("--allow-invalid", is_flag=True, help="Say when a run is not valid, but do not fail by it.")
def services_command(
    depth: str, file: Path | None, only: tuple[str, ...], users: int | None, duration: float | None, output: Path,
    allow_invalid: bool,
) -> None:  # fmt: skip
    """Test every service of the services' file that runs; the worst exit code of its tests, 2 when none runs."""
    console = terminal()
    chosen = DEPTHS[depth]
    depth_ = replace(chosen, users=users or chosen.users, duration_s=duration or chosen.duration_s)
    services = read_services(file)
    unknown = set(only) - set(services)
    if unknown:
        raise click.UsageError(f"There is no service {', '.join(sorted(unknown))}; there are {', '.join(services)}")
    codes = []
    for name, service in services.items():
        if only and name not in only:
            continue
        if not _runs(service):
            console.print(f"✗ Service {name} is not running on port {service.port}", style="red")
            continue
        for order in _orders(service, depth_, output, allow_invalid):
            codes.append(play(order, console))
            if codes[-1] in BROKEN_OFF:
                sys.exit(codes[-1])  # whoever ends one test does not want the next
    sys.exit(max(codes) if codes else EXIT_USAGE)


def _runs(service: Service) -> bool:
    try:
        socket.create_connection((service.host, service.port), timeout=3).close()
    except OSError:
        return False
    return True


def _orders(service: Service, depth: Depth, output: Path, allow_invalid: bool) -> list[Order]:
    steady = {"users": depth.users, "duration": depth.duration_s, "rps": depth.rps}
    tests: list[tuple[str, dict[str, Any]]] = [("load", steady)]
    if depth.most_users:
        tests.append(("stress", stress_options(depth.most_users, depth.ramp_up_s)))
    return [
        Order(
            scenario_named(name),
            scenario_named(name).checked(options),
            TargetOptions(service.url, service=service),
            output,
            f"{name}_test_{service.name}",
            thresholds=PROFILES["services"],
            profile="services",
            config=config_path(),
            allow_invalid=allow_invalid,
        )
        for name, options in tests
    ]
