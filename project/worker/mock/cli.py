"""The command line of ``mock_app.py``. The standard library's parser: a worker's host has nothing else."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from project.wire.limits import MAX_CAPACITY
from project.worker.connection import insist_on_address
from project.worker.errors import RegistrationRefused, StateUnavailable
from project.worker.mock.faults import FAULTS, FaultyWorker
from project.worker.mock.journal import Journal
from project.worker.mock.model import MockModel
from project.worker.worker import Worker


def main(arguments: list[str] | None = None) -> None:
    """Serve a space until Ctrl+C; exit code 0 then, 1 when the site does not accept the mock."""
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    _check(options)
    journal = Journal(options.host, options.spaces, verbose=options.verbose)
    journal.banner()
    try:
        _worker(options, journal).run()
    except RegistrationRefused:
        # The journal has said why.
        sys.exit(1)
    except StateUnavailable as error:
        sys.exit(f"ERROR {error.message}")
    except KeyboardInterrupt:
        # The second Ctrl+C: the statistics still hold.
        journal.statistics()
        return
    journal.statistics()


def _worker(options: argparse.Namespace, journal: Journal) -> Worker:
    model = MockModel(options.min_seconds, options.max_seconds, options.fail_rate, options.seed)
    settings: dict[str, Any] = {
        "host": options.host,
        "space": options.spaces,
        "token": options.token,
        "capacity": options.capacity,
        "state_dir": options.state_dir,
        "watcher": journal,
    }
    if options.fault:
        return FaultyWorker(model, options.fault, journal.fault, **settings)
    return Worker(model, **settings)


def _check(options: argparse.Namespace) -> None:
    try:
        insist_on_address(options.host)
    except ValueError as error:
        _parser().error(f"--host: {error}")
    if not 0 <= options.min_seconds <= options.max_seconds:
        _parser().error("--min-seconds must be 0 or more and not above --max-seconds")
    if not 1 <= options.capacity <= MAX_CAPACITY:
        _parser().error(f"--capacity must be from 1 to {MAX_CAPACITY}")
    if not 0 <= options.fail_rate <= 1:
        _parser().error("--fail-rate must be from 0 to 1")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mock_app.py", description="Serve a space with a mock model.")
    parser.add_argument("--host", default="http://localhost:5001", help="address of the site (default %(default)s)")
    parser.add_argument("--spaces", required=True, metavar="NAME", help="name of the space to serve (case-sensitive)")
    parser.add_argument("--verbose", action="store_true", help="more detail of each request")
    parser.add_argument("--min-seconds", type=float, default=1.0, help="shortest pretended work (default %(default)s)")
    parser.add_argument("--max-seconds", type=float, default=5.0, help="longest pretended work (default %(default)s)")
    parser.add_argument(
        "--token",
        default=os.environ.get("SPACES_WORKER_TOKEN", ""),
        help="the space's worker token; needed unless the site runs on this machine (or SPACES_WORKER_TOKEN)",
    )
    parser.add_argument("--capacity", type=int, default=16, help="requests to keep at hand (default %(default)s)")
    parser.add_argument("--state-dir", metavar="DIR", help="folder of results to hand in (default: one in your home)")
    parser.add_argument("--fail-rate", type=float, default=0.0, help="share of requests to fail, from 0 to 1")
    kinds = "; ".join(f"{kind}: {text}" for kind, text in FAULTS.items())
    parser.add_argument("--fault", choices=FAULTS, metavar="KIND", help=f"misbehave on purpose: {kinds}")
    parser.add_argument("--seed", type=int, help="make the pretended work repeatable")
    return parser
