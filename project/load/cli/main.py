"""``python -m project.load SCENARIO --url TARGET --output DIR ...``."""

from __future__ import annotations

import logging
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from project.load.cli.play import Order, play
from project.load.core.thresholds import PROFILES, Threshold, parse_threshold, thresholds_from
from project.load.errors import BadUsage, LoadError
from project.load.scenarios.scenario import Option, Scenario
from project.load.scenarios.table import SCENARIOS
from project.load.targets.kinds import KINDS, TargetOptions, read_headers

DEFAULT_URL: Final = "ws://localhost:8000"
DEFAULT_OUTPUT: Final = "reports/performance"


class _Commands(click.Group):
    """Scenarios and other commands; an unknown one is answered in one line that names those there are."""

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = arguments[0]
        if name not in self.commands:
            raise click.UsageError(f"There is no scenario or command {name!r}; there are {', '.join(self.commands)}")
        return super().resolve_command(context, arguments)


@click.group(cls=_Commands)
def cli() -> None:
    """Put a WebSocket server, a Socket.IO server, an HTTP service or the relay under load, and say how it took it.

    Exit codes: 0 passed; 1 a threshold was failed; 2 bad usage, or the target cannot be reached; 3 the measurement is
    not valid; 4 the target died; 5 the results cannot be written; 6 the run is not allowed; 130 Ctrl+C; 143 SIGTERM.
    """


def _shared_options() -> list[click.Option]:
    kinds = click.Choice(list(KINDS))
    return [
        click.Option(["--url"], default=DEFAULT_URL, show_default=True, help="The target."),
        click.Option(["--target"], type=kinds, help="Its kind; otherwise as its address says."),
        click.Option(["--output"], default=DEFAULT_OUTPUT, show_default=True, help="A folder is made in it per run."),
        click.Option(["--no-output"], is_flag=True, help="Write nothing."),
        click.Option(["--no-results"], is_flag=True, help="Leave out results.csv, the row per call."),
        click.Option(["--name"], default="", help="Of the run; otherwise the scenario's."),
        click.Option(["--seed"], type=int, default=1, show_default=True, help="Same seed, same messages and times."),
        click.Option(["--timeout"], type=click.FloatRange(0.001, 3600), default=30.0, show_default=True, help="s"),
        click.Option(["--header"], multiple=True, help="Name: value; repeatable."),
        click.Option(["--headers-file"], type=click.Path(), help="Headers a line each; keeps secrets off the screen."),
        click.Option(["--method"], default="", help="HTTP: otherwise POST with a body and GET without."),
        click.Option(["--path"], default="", help="HTTP: otherwise the address's own."),
        click.Option(["--body"], default="", help="HTTP: JSON, or @file."),
        click.Option(["--event"], default="message", show_default=True, help="Socket.IO: the event to emit."),
        click.Option(["--match"], type=click.Choice(["id", "order", "none"]), default="id", show_default=True,
                     help="WebSocket: how answers are matched to messages."),
        click.Option(["--thresholds"], default="none", show_default=True,
                     help=f"{', '.join(PROFILES)}, or a TOML file with a table [thresholds]."),
        click.Option(["--threshold"], multiple=True, help="p95_ms<200, p95_ms<200:500, rate>10; repeatable."),
        click.Option(["--strict"], is_flag=True, help="A warning fails the run, too."),
        click.Option(["--allow-invalid"], is_flag=True, help="Say when the run is not valid, but do not exit with 3."),
        click.Option(["--progress-json"], type=click.Path(), help="Progress for programs, replaced each half second."),
        click.Option(["--quiet"], is_flag=True, help="Print nothing but errors."),
        click.Option(["--debug"], is_flag=True, help="Log what connections do."),
    ]  # fmt: skip


def _option(option: Option) -> click.Option:
    kinds: dict[str, type[Any]] = {"int": int, "float": float, "text": str}
    return click.Option(
        [option.flag],
        type=kinds[option.kind],
        default=option.default,
        show_default=option.default is not None,
        help=option.help,
    )


def _command(scenario: Scenario) -> click.Command:
    return click.Command(
        scenario.name,
        params=[*(_option(option) for option in scenario.options), *_shared_options()],
        callback=_callback(scenario),
        help=scenario.summary,
        short_help=scenario.summary,
    )


def _callback(scenario: Scenario) -> Callable[..., None]:
    names = {option.name for option in scenario.options}

    def run(**given: Any) -> None:
        if given["debug"]:
            logging.basicConfig(level=logging.DEBUG)
        own = {name: value for name, value in given.items() if name in names}
        sys.exit(play(_order(scenario, own, given), Console(highlight=False, soft_wrap=True)))

    return run


def _order(scenario: Scenario, own: dict[str, Any], given: dict[str, Any]) -> Order:
    headers_file = Path(given["headers_file"]) if given["headers_file"] else None
    thresholds, profile = read_thresholds(given["thresholds"], given["threshold"])
    return Order(
        scenario,
        scenario.checked(own),
        TargetOptions(
            given["url"],
            given["target"] or "",
            given["timeout"],
            read_headers(given["header"], headers_file),
            given["seed"],
            matching=given["match"],
            event=given["event"],
            method=given["method"],
            path=given["path"],
            body=given["body"],
        ),
        None if given["no_output"] else Path(given["output"]),
        given["name"],
        given["seed"],
        thresholds,
        profile,
        Path(given["progress_json"]) if given["progress_json"] else None,
        with_results=not given["no_results"],
        strict=given["strict"],
        allow_invalid=given["allow_invalid"],
        quiet=given["quiet"],
    )


def read_thresholds(named: str, rules: tuple[str, ...]) -> tuple[tuple[Threshold, ...], str]:
    """The thresholds of a profile or a file, with single rules added; and the profile's name. Raises BadUsage."""
    if named in PROFILES:
        first, name = PROFILES[named], named
    else:
        path = Path(named)
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8")).get("thresholds")
        except OSError:
            known = ", ".join(PROFILES)
            raise BadUsage(f"{named!r} is neither a profile ({known}) nor a file that can be read") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadUsage(f"{path} is not TOML: {error}") from error
        if not isinstance(table, dict):
            raise BadUsage(f"{path} has no table [thresholds]")
        first, name = thresholds_from(table), path.name
    added = tuple(parse_threshold(rule) for rule in rules)
    kept = tuple(rule for rule in first if rule.metric not in {one.metric for one in added})
    return kept + added, "own" if added and name == "none" else name


for _scenario in SCENARIOS.values():
    cli.add_command(_command(_scenario))


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; what goes wrong is one line."""
    try:
        cli(arguments, prog_name="python -m project.load", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except LoadError as error:
        _fail(error.message, error.exit_code)


def _fail(text: str, code: int) -> None:
    Console(stderr=True, soft_wrap=True).print(f"✗ {text}", style="red", markup=False, highlight=False)
    sys.exit(code)
