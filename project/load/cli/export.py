"""``export``: a scenario as a script for k6 or Artillery."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from project.load.cli.thresholds import read_thresholds
from project.load.core import profile
from project.load.core.profile import Profile
from project.load.errors import OutputFailed
from project.load.output.export import FORMATS, Call, Exported
from project.load.output.folder import write_atomically
from project.load.scenarios.scenario import Options
from project.load.scenarios.table import scenario_named
from project.load.targets.kinds import read_body, read_headers
from project.load.targets.services import service_named

SHAPES: Final[dict[str, Callable[[Options], tuple[str, Profile, float]]]] = {
    "load": lambda given: ("closed", profile.steady(given["users"], given["duration"]), given["think"]),
    "steady": lambda given: (
        "open", profile.steady(given["rate"] or given["clients"] / given["message_interval"], given["duration"]), 0.0,
    ),
    "ramp": lambda given: (
        "closed",
        profile.ramp(given["initial_clients"], given["clients"], given["ramp_steps"], given["step_duration"]),
        given["message_interval"],
    ),
    "spike": lambda given: (
        "open",
        profile.spike(
            given["base_rate"], given["spike_rate"], given["before"], given["spike_duration"], given["after"]
        ),
        0.0,
    ),
}  # fmt: skip
"""The scenarios whose load is a shape that other tools have, too."""


def shape_of(name: str, given: Options) -> tuple[str, Profile, float]:
    """The model, the profile and the pause (s) of a scenario with its options."""
    return SHAPES[name](scenario_named(name).checked(given))


@click.command("export")
@click.argument("scenario", type=click.Choice(list(SHAPES)))
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), required=True, help="Of the script.")
@click.option("--url", default="http://localhost:8000", show_default=True, help="The target.")
@click.option("--service", default="", help="A service of the services' file, instead of --url.")
@click.option("--method", default="", help="Otherwise POST with a body and GET without.")
@click.option("--body", default="", help="JSON, or @file.")
@click.option("--header", multiple=True, help="Name: value; repeatable. It is written into the script.")
@click.option("--set", "settings", multiple=True, help="An option of the scenario, as users=20; repeatable.")
@click.option("--thresholds", default="none", show_default=True, help="A profile, or a TOML file.")
@click.option("--out", type=click.Path(path_type=Path), help="The file; otherwise it is printed.")
def export_command(
    scenario: str, kind: str, url: str, service: str, method: str, body: str, header: tuple[str, ...],
    settings: tuple[str, ...], thresholds: str, out: Path | None,
) -> None:  # fmt: skip
    """Write a scenario as a script for k6 or Artillery."""
    model, shape, think_s = shape_of(scenario, _settings(settings))
    address, calls = _calls(url, service, method, body, read_headers(header))
    rules, _ = read_thresholds(thresholds, ())
    text = FORMATS[kind][1](Exported(scenario, address, calls, model, shape, think_s, rules))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        write_atomically(out, text)
    except OSError as error:
        raise OutputFailed(f"Cannot write {out}: {error.strerror}") from error
    Console(highlight=False, soft_wrap=True).print(f"Written: {out}")


def _settings(settings: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise click.UsageError(f"an option is set as users=20, not as {setting!r}")
        found[name.strip().replace("-", "_")] = value
    return found


def _calls(url: str, service: str, method: str, body: str, headers: dict[str, str]) -> tuple[str, tuple[Call, ...]]:
    if service:
        known = service_named(service)
        calls = tuple(
            Call(item.method, item.path, item.json, {**known.headers, **item.headers, **headers})
            for item in known.endpoints
            for _ in range(item.weight)
        )
        return known.url, calls
    data = json.loads(read_body(body)) if body else None
    if url.startswith(("ws://", "wss://")):
        return url, (Call(),)
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    verb = (method or ("POST" if body else "GET")).upper()
    return f"{scheme}://{host}", (Call(verb, (slash + path) or "/", data, headers),)
