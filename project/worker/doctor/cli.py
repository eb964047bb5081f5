"""The command: runs the steps one after another, says ✓ or ✗ and how to mend it, and ends with a code for each."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

from project.worker.doctor import channel, line
from project.worker.doctor.case import Case, Trouble


class Step(NamedTuple):
    """What is looked at, how, and the exit code if it is not in order."""

    title: str
    look: Callable[[Case], str]
    exit_code: int


STEPS: Final = (
    Step("Address", line.address, 10),
    Step("Proxy", line.proxy, 11),
    Step("Name", line.names, 12),
    Step("Connection", line.connection, 13),
    Step("TLS", line.tls, 14),
    Step("HTTP", line.http, 15),
    Step("WebSocket", channel.upgrade, 16),
    Step("Space and token", channel.registration, 17),
    Step("Round trip", channel.round_trip, 18),
    Step("Large message", channel.large_message, 19),
    Step("Pings", channel.pings, 20),
    Step("Files", channel.files, 21),
)
WIDTH: Final = max(len(step.title) for step in STEPS)


def main(arguments: list[str]) -> int:
    """Examine; the exit code: 0 if all is well, else that of the first step that is not."""
    options = parser().parse_args(arguments)
    case = Case(options.host.rstrip("/"), options.space, options.token, options.timeout)
    try:
        for number, step in enumerate(STEPS):
            try:
                _say("✓", step, step.look(case))
            except Trouble as trouble:
                _say("✗", step, trouble.what)
                print(f"  {'':{WIDTH}}  → {trouble.mends}", flush=True)
                for later in STEPS[number + 1 :]:
                    _say("-", later, "not tried")
                return step.exit_code
    finally:
        case.close()
    print("All is well: a worker will be able to serve this space from here.")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m project.worker doctor", description="Find out what keeps a worker from serving a space."
    )
    made.add_argument("--host", default="http://localhost:5001", help="address of the site (default %(default)s)")
    made.add_argument("--space", required=True, metavar="NAME", help="name of the space (case-sensitive)")
    made.add_argument(
        "--token",
        default=os.environ.get("SPACES_WORKER_TOKEN", ""),
        help="the space's worker token (or SPACES_WORKER_TOKEN)",
    )
    made.add_argument("--timeout", type=float, default=10.0, help="seconds to wait at each step (default %(default)s)")
    return made


def _say(sign: str, step: Step, text: str) -> None:
    sys.stdout.write(f"{sign} {step.title:{WIDTH}}  {text}\n")
    sys.stdout.flush()
