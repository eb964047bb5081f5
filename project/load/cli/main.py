"""``python -m project.load SCENARIO --url TARGET --output DIR ...``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.logging import RichHandler

from project.load.cli.export import WRITERS, export
from project.load.cli.monitor import monitor_command
from project.load.cli.options import shared_options
from project.load.cli.play import Order, play
from project.load.cli.records import RECORD_COMMANDS
from project.load.cli.services import services_command
from project.load.cli.terminal import fail, open_standard_files, terminal
from project.load.cli.thresholds import read_thresholds
from project.load.cli.verify import verify_command
from project.load.errors import LoadError
from project.load.permission import config_path
from project.load.scenarios.scenario import Option, Scenario
from project.load.scenarios.table import SCENARIOS
from project.load.targets.kinds import TargetOptions, read_headers
from project.load.targets.relay import RelayOptions
from project.load.targets.services import service_named


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
    not valid; 4 the target died; 5 the results cannot be written; 6 the run is not allowed; 7 the space is in use;
    130 Ctrl+C; 143 SIGTERM.
    """


def _option(option: Option) -> click.Option:
    kinds: dict[str, type[Any]] = {"int": int, "float": float, "text": str}
    return click.Option(
        [option.flag],
        type=kinds[option.kind],
        default=option.default,
        show_default=option.default not in (None, ""),
        help=option.help,
    )


def _command(scenario: Scenario) -> click.Command:
    return click.Command(
        scenario.name,
        params=[*(_option(option) for option in scenario.options), *shared_options()],
        callback=_callback(scenario),
        help=scenario.summary,
        short_help=scenario.summary,
    )


def _callback(scenario: Scenario) -> Callable[..., None]:
    names = {option.name for option in scenario.options}

    def run(**given: Any) -> None:
        console = terminal()
        if given["debug"]:
            _log_to(console)
        own = {name: value for name, value in given.items() if name in names}
        sys.exit(play(_order(scenario, own, given), console))

    return run


def _log_to(console: Console) -> None:
    """Log all there is: above the live view in a terminal, otherwise to stderr."""
    handler = RichHandler(console=console, show_path=False) if console.is_terminal else logging.StreamHandler()
    shape = "%(message)s" if console.is_terminal else "%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.DEBUG, handlers=[handler], format=shape, datefmt="%H:%M:%S")
    logging.getLogger("faker").setLevel(logging.INFO)  # it tells the loading of fifty of its own parts


def _relay(given: dict[str, Any]) -> RelayOptions | None:
    if not given["space"] and given["target"] != "relay":
        return None
    return RelayOptions(
        given["space"],
        given["username"],
        given["password"],
        given["follow"],
        given["poll_interval"],
        given["workers"],
        given["work"],
        given["capacity"],
        given["worker_token"],
        **({"test_id": given["test_id"]} if given["test_id"] else {}),
    )


def _order(scenario: Scenario, own: dict[str, Any], given: dict[str, Any]) -> Order:
    headers_file = Path(given["headers_file"]) if given["headers_file"] else None
    services = Path(given["services"]) if given["services"] else None
    service = service_named(given["service"], services) if given["service"] else None
    thresholds, profile = read_thresholds(given["thresholds"] or scenario.profile, given["threshold"])
    return Order(
        scenario,
        scenario.checked(own),
        TargetOptions(
            given["url"],
            given["target"] or "",
            given["timeout"] or scenario.timeout_s,
            read_headers(given["header"], headers_file),
            given["seed"],
            matching=given["match"],
            event=given["event"],
            method=given["method"],
            path=given["path"],
            body=given["body"],
            relay=_relay(given),
            service=service,
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
        messages=given["messages"],
        metrics_port=given["metrics_port"],
        give_up_s=given["give_up"],
        flat=Path(given["flat"]) if given["flat"] else None,
        junit=Path(given["junit"]) if given["junit"] else None,
        config=config_path(given["config"]),
        message_bytes=given["message_bytes"],
    )


@click.command("export", context_settings={"allow_interspersed_args": False})
@click.argument("tool", type=click.Choice(list(WRITERS)))
@click.argument("scenario", type=click.Choice([name for name, known in SCENARIOS.items() if known.planner]))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)  # the scenario's
def export_command(tool: str, scenario: str, options: tuple[str, ...]) -> None:
    """Write a scenario, with its own options, as a script of another tool into --output; headers go along."""
    known = SCENARIOS[scenario]
    names = {option.name for option in known.options}
    with _command(known).make_context(scenario, list(options)) as context:
        given = context.params
    order = _order(known, {name: value for name, value in given.items() if name in names}, given)
    export(order, tool, terminal())


for _scenario in SCENARIOS.values():
    cli.add_command(_command(_scenario))
for _other in (*RECORD_COMMANDS, services_command, verify_command, monitor_command, export_command):
    _other.short_help = _other.help  # whole, where the list of commands would cut it off
    cli.add_command(_other)


def joined(arguments: list[str]) -> list[str]:
    """``--user-profiles active:0.2 regular:0.8`` with its several words as one value."""
    found: list[str] = []
    words: list[str] | None = None
    for argument in [*arguments, "--"]:
        if words is not None and not argument.startswith("-"):
            words.append(argument)
            continue
        if words:
            found.append(" ".join(words))
        words = [] if argument == "--user-profiles" else None
        found.append(argument)
    return found[:-1]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; what goes wrong is one line."""
    open_standard_files()
    try:
        cli(
            joined(sys.argv[1:] if arguments is None else arguments),
            prog_name="python -m project.load",
            standalone_mode=False,
        )
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        _fail(" ".join(error.format_message().split()), 2)
    except LoadError as error:
        _fail(error.message, error.exit_code)


def _fail(text: str, code: int) -> None:
    fail(text)
    sys.exit(code)
