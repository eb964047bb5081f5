"""``python -m project.load.calibration``: a calibration server until Ctrl+C."""

from __future__ import annotations

import asyncio
import signal

import click

from project.load.calibration.server import CalibrationServer
from project.load.calibration.truth import Truth, parse_delays, parse_numbers
from project.load.engine.gauge import raise_fds_limit
from project.load.engine.loops import run_in_loop
from project.load.errors import LoadError


@click.command()
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--delays", default="0", show_default=True, help="Taken in turn, in ms: 20*90,50*9,200.")
@click.option("--lose", default="", help="Numbers of messages that are never answered: 10,200,3000.")
@click.option("--double", default="", help="Numbers of messages answered twice.")
@click.option("--swap", default="", help="Numbers of messages answered 50 ms later, behind those that follow.")
@click.option("--fail", default="", help="Numbers of HTTP requests answered with status 500.")
@click.option("--freeze-at", default=0.0, help="Seconds from the first message.")
@click.option("--freeze", default=0.0, help="Stand still for so many seconds, once.")
@click.option("--at-most", default=0.0, help="Messages it can take in a second; what comes faster waits.")
def main(
    port: int,
    delays: str,
    lose: str,
    double: str,
    swap: str,
    fail: str,
    freeze_at: float,
    freeze: float,
    at_most: float,
) -> None:
    """Serve WebSocket echo, HTTP and Socket.IO on loopback, with known delays, losses and freezes."""
    try:
        truth = Truth(
            parse_delays(delays),
            parse_numbers(lose),
            parse_numbers(double),
            parse_numbers(swap),
            parse_numbers(fail),
            freeze_at,
            freeze,
            at_most,
        )
    except LoadError as error:
        raise click.UsageError(error.message) from error
    raise_fds_limit(65_536)
    run_in_loop(_serve(port, truth))


async def _serve(port: int, truth: Truth) -> None:
    server = CalibrationServer(truth)
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    await server.start(port)
    print(f" * Running on http://127.0.0.1:{server.port} (WebSocket: ws://127.0.0.1:{server.port}/ws)", flush=True)
    await ended.wait()
    await server.stop()
    print(f"{server.tally.messages} messages, {server.tally.connections} WebSocket connections", flush=True)


if __name__ == "__main__":
    main()
