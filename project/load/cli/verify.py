"""``verify``: whether a backend keeps nothing of a load test, before any load is sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from project.load.cli.terminal import terminal
from project.load.engine.loops import run_in_loop
from project.load.errors import EXIT_FAILED, EXIT_PASSED
from project.load.permission import allowed_entry, check_token, config_path, is_loopback, write_proof
from project.load.targets.kinds import read_headers
from project.load.targets.uploads import UploadOptions
from project.load.verification import Verification, verify

_MARKS: Final = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "yellow")}


@click.command("verify")
@click.option("--url", required=True, help="The upload endpoint, as in https://host/clients/upload/process/.")
@click.option("--username", default="", help="Login of the site; otherwise headers or a token say who.")
@click.option("--password", default="", envvar="SPACES_LOAD_PASSWORD", help="Also SPACES_LOAD_PASSWORD.")
@click.option("--auth-token", default="", envvar="AUTH_TOKEN", help="Sent as a bearer token; also AUTH_TOKEN.")
@click.option("--header", multiple=True, help="Name: value; repeatable.")
@click.option("--headers-file", type=click.Path(path_type=Path), help="Headers a line each.")
@click.option("--timeout", type=click.FloatRange(0.1, 600), default=30.0, show_default=True, help="s")
@click.option("--config", default="", help="Targets that are not this machine; otherwise load.toml.")
def verify_command(
    url: str, username: str, password: str, auth_token: str, header: tuple[str, ...], headers_file: Path | None,
    timeout: float, config: str,
) -> None:  # fmt: skip
    """Prove that a backend honours X-Load-Test before any load is sent; exit code 1 when it does not."""
    headers = read_headers(header, headers_file)
    entry = None if is_loopback(url) else allowed_entry(url, config_path(config))
    options = UploadOptions(username=username, password=password, auth_token=auth_token)

    async def work() -> Verification:
        if entry is not None:
            await check_token(entry)
        return await verify(url, options, headers, timeout)

    found = run_in_loop(work())
    console = terminal()
    for step in found.steps:
        mark, colour = _MARKS[step.passed]
        detail = f": {step.detail}" if step.detail else ""
        console.print(f"{mark} {step.name}{detail}", style=colour)
    if not found.honours:
        console.print("This backend does not honour X-Load-Test: no load may be sent to it", style="red")
        sys.exit(EXIT_FAILED)
    if entry is not None:
        console.print(f"Proof: {write_proof(entry)}")
    console.print("This backend honours X-Load-Test", style="green")
    sys.exit(EXIT_PASSED)
