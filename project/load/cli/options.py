"""The options that every scenario of the command line has."""

from __future__ import annotations

from typing import Final

import click

from project.load.core.thresholds import PROFILES
from project.load.targets.kinds import KINDS

DEFAULT_URL: Final = "ws://localhost:8000"
DEFAULT_OUTPUT: Final = "reports/performance"


def shared_options() -> list[click.Option]:
    """Options of every scenario."""
    return [*_target_options(), *_run_options()]


def _run_options() -> list[click.Option]:
    return [
        click.Option(["--output"], default=DEFAULT_OUTPUT, show_default=True, help="A folder is made in it per run."),
        click.Option(["--no-output"], is_flag=True, help="Write nothing."),
        click.Option(["--no-results"], is_flag=True, help="Leave out results.csv, the row per call."),
        click.Option(["--name"], default="", help="Of the run; otherwise the scenario's."),
        click.Option(["--seed"], type=int, default=1, show_default=True, help="Same seed, same messages and times."),
        click.Option(["--thresholds"], default="",
                     help=f"{', '.join(PROFILES)}, a TOML file with [thresholds]; otherwise the scenario's."),
        click.Option(["--threshold"], multiple=True, help="p95_ms<200, p95_ms<200:500, rate>10; repeatable."),
        click.Option(["--strict"], is_flag=True, help="A warning fails the run, too."),
        click.Option(["--allow-invalid"], is_flag=True, help="Say when the run is not valid, but do not exit with 3."),
        click.Option(["--progress-json"], type=click.Path(), help="Progress for programs, replaced each half second."),
        click.Option(["--junit"], type=click.Path(), help="Write the verdict there as JUnit XML."),
        click.Option(["--flat"], type=click.Path(), help="Write NAME_TIME.json, .csv and _summary.json there, too."),
        click.Option(["--give-up"], type=click.FloatRange(0.1, 86_400),
                     help="Seconds with nothing but failed connections until the target counts as dead; otherwise 5."),
        click.Option(["--metrics-port"], type=click.IntRange(0, 65535), help="Serve /metrics meanwhile."),
        click.Option(["--config"], default="", help="Targets that are not this machine; otherwise load.toml."),
        click.Option(["--quiet"], is_flag=True, help="Print nothing but errors."),
        click.Option(["--debug"], is_flag=True, help="Log what connections do."),
    ]  # fmt: skip


def _target_options() -> list[click.Option]:
    kinds = click.Choice(list(KINDS))
    return [
        click.Option(["--url"], default=DEFAULT_URL, show_default=True, help="The target."),
        click.Option(["--target"], type=kinds, help="Its kind; otherwise as its address says."),
        click.Option(["--service"], default="", help="A service of the services' file, instead of --url."),
        click.Option(["--services"], type=click.Path(), help="A TOML file of services, instead of the engine's own."),
        click.Option(["--timeout"], type=click.FloatRange(0.001, 3600),
                     help="Seconds until an answer counts as lost; otherwise 30, of an upload 60."),
        click.Option(["--header"], multiple=True, help="Name: value; repeatable."),
        click.Option(["--headers-file"], type=click.Path(), help="Headers a line each; keeps secrets off the screen."),
        click.Option(["--method"], default="", help="HTTP: otherwise POST with a body and GET without."),
        click.Option(["--path"], default="", help="HTTP: otherwise the address's own."),
        click.Option(["--body"], default="", help="HTTP: JSON, or @file."),
        click.Option(["--event"], default="message", show_default=True, help="Socket.IO: the event to emit."),
        click.Option(["--messages"], default="",
                     help="ping, event, command, query, monitoring, mixed, realistic, or a file of JSON lines."),
        click.Option(["--message-bytes"], type=click.IntRange(0, 16 * 1024 * 1024), default=0, show_default=True,
                     help="Filling of ping messages."),
        click.Option(["--match"], type=click.Choice(["id", "order", "none"]), default="id", show_default=True,
                     help="WebSocket: how answers are matched to messages."),
        click.Option(["--space"], default="", help="Relay: the space's id or name; makes the target a relay."),
        click.Option(["--username"], default="testuser", show_default=True,
                     help="Relay: empty: a header says who submits."),
        click.Option(["--password"], default="testpass123", envvar="SPACES_LOAD_PASSWORD",
                     help="Relay: also SPACES_LOAD_PASSWORD."),
        click.Option(["--follow"], type=click.Choice(["wait", "poll", "sse"]), default="wait", show_default=True,
                     help="Relay: how results are waited for."),
        click.Option(["--poll-interval"], type=click.FloatRange(0.001, 60), default=0.05, show_default=True, help="s"),
        click.Option(["--workers"], type=click.IntRange(0, 1000), default=0, show_default=True,
                     help="Relay: workers the engine plays itself, so that the work is known."),
        click.Option(["--work"], type=click.FloatRange(0, 3600), default=0.0, show_default=True,
                     help="Relay: seconds a played worker takes."),
        click.Option(["--capacity"], type=click.IntRange(1, 1024), default=64, show_default=True,
                     help="Relay: requests a played worker takes at once."),
        click.Option(["--test-id"], default="",
                     help="Relay: by which the console's log finds the requests; otherwise one by chance."),
        click.Option(["--worker-token"], default="", envvar="SPACES_WORKER_TOKEN",
                     help="Relay: of the played workers."),
    ]  # fmt: skip
