"""The site's process: read settings, make the app, listen, serve, and end well."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

import click

from project.app import Application, create_app
from project.bootstrap import listen, serve
from project.config import Settings, unknown_variables
from project.doors import DoorSettings, places
from project.errors import SettingInvalid, SpacesError
from project.logs import set_up_logging

log = logging.getLogger(__name__)
NOTICE_S = 0.1
MOST_STOPPING_S = 8.0


@click.command()
@click.option("--host", help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=int, help="Port to listen on (default 5001); 0 takes a free one.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder of the database and the files.")
@click.option(
    "--one-time-password", is_flag=True, help="Give the administrator a new password, to be changed at the next login."
)
def main(host: str | None, port: int | None, data_dir: Path | None, one_time_password: bool) -> None:
    """Start the WebSocket Spaces site."""
    try:
        settings = Settings.from_environment(host=host, port=port, data_dir=data_dir)
        listener = _listen(settings)
        settings = settings.with_port(listener.getsockname()[1])
        _prepare_folders(settings)
        application = create_app(settings, one_time_password=one_time_password)
    except SpacesError as error:
        sys.exit(f"ERROR {error.message}")
    for variable, meant in unknown_variables(os.environ):
        log.warning("%s is no setting%s", variable, f": is {meant} meant?" if meant else "")
    if application.first_password is not None:
        # Printed, never logged: a log is kept, and read by others.
        print(f"One-time password of {settings.admin_user}: {application.first_password}", flush=True)
        print("It is shown only now, and must be changed at the first login.", flush=True)
    application.start()
    _end_on_signals(application)
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(f"Running on http://{shown}:{settings.port} (Press CTRL+C to quit)", flush=True)
    door = DoorSettings(
        idle_s=settings.request_idle_s,
        most_connections=places(settings.max_connections),
        # Behind a proxy every connection is the proxy's; the guard counts by the address it reports.
        most_per_address=0 if settings.proxy_hops else settings.address_connections,
    )
    serve(settings.async_mode, listener, application.flask, door)


def _listen(settings: Settings) -> socket.socket:
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        reason = error.strerror or str(error)
        helps = "stop what listens there, or choose another --port" if error.errno == errno.EADDRINUSE else "see --host"
        raise SettingInvalid(f"cannot listen on {settings.host} port {settings.port}: {reason}; {helps}") from error


def _prepare_folders(settings: Settings) -> None:
    """Make the data folder, which nobody else may look into, and open the log."""
    folder = settings.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # another node may make it at this very moment
        # What is missing shows itself in the writing: root may write where the mode says no, and not on every disk.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingInvalid(f"cannot write to the data folder {folder}: {reason}; see --data-dir") from error
    try:
        set_up_logging(settings.log_file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingInvalid(f"cannot write the log {settings.log_file}: {reason}; set SPACES_LOG_FILE") from error


def _end_on_signals(application: Application) -> None:
    asked: list[int] = []
    # A handler may interrupt anything, the event loop itself included, where nothing may wait: it only takes note.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: asked.append(number))
    application.runtime.spawn(_end_when_asked, application, asked)


def _end_when_asked(application: Application, asked: list[int]) -> None:
    while not asked:
        application.runtime.sleep(NOTICE_S)
    log.info("stopping on signal %s", asked[0])
    application.runtime.spawn(_end_anyway, application)
    try:
        application.stop()
    finally:
        logging.shutdown()
        # The servers have no way out in common, and no thread may hold the end up; all that matters is on disk.
        os._exit(0)


def _end_anyway(application: Application) -> None:
    """A database that does not answer must not keep the site from ending: what it has committed is kept anyway."""
    application.runtime.sleep(MOST_STOPPING_S)
    log.error("the store did not close within %s s", MOST_STOPPING_S)
    os._exit(1)
