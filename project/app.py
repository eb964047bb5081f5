"""``create_app``: the one place that knows every concrete class, and puts the site together."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from flask import Flask

from project.accounts.service import Accounts
from project.clock import Clock, steady_clock
from project.config import Settings
from project.core.safe_mode import is_safe
from project.relay.attempts import Attempts
from project.relay.batches import Batches
from project.relay.connections import Connections
from project.relay.dispatch import Dispatcher
from project.relay.links import Links
from project.relay.outlook import Outlook
from project.relay.publish import Publisher
from project.relay.registration import Registration
from project.relay.retention import Retention
from project.relay.service import Relay
from project.relay.signals import Signals, ended_topic, logins_topic
from project.relay.spaces import Spaces
from project.relay.texts import Texts
from project.relay.upkeep import Upkeep
from project.rpc.console import Console, make_console
from project.runtime import Runtime, make_runtime
from project.secret_key import secret_keys
from project.sockets.gate import Gate
from project.sockets.link import SocketLink
from project.sockets.policy import check_event_policies
from project.sockets.server import make_socketio
from project.sockets.workers import WorkerNamespace
from project.storage.files import FileVault
from project.storage.lock import hold
from project.storage.memory import memory_requests, memory_store
from project.storage.port import RequestStore, Store
from project.storage.sql import open_store
from project.storage.unstored import UnstoredRequests
from project.web.blueprints import set_up_web
from project.web.guard import Guard
from project.web.site import Site

ROOT = Path(__file__).resolve().parent.parent
ORPHAN_AGE_S = 3600.0
LINK_S = 8 * 86400.0
"""At most: a link ends with its lease, and must not end before the longest wait and run that a space allows."""


@dataclass(frozen=True, slots=True)
class Application:
    """The site, put together: its WSGI app, and how it begins and ends."""

    flask: Flask
    runtime: Runtime
    store: Store
    upkeep: Upkeep
    console: Console
    alone: bool
    first_password: str | None
    """A one-time password of the administrator, to be shown once, if one was made."""

    def start(self) -> None:
        """Begin the site's own chores. Once, after the workers' namespace is in place."""
        self.upkeep.start(alone=self.alone)
        self.console.upkeep.start()

    def stop(self) -> None:
        """Tell the workers, leave presence, close the store."""
        self.console.upkeep.stop()
        self.upkeep.stop()
        self.runtime.sleep(0.1)
        self.store.close()


def create_app(settings: Settings, clock: Clock | None = None, *, one_time_password: bool = False) -> Application:
    """Build the site; ``one_time_password`` gives the administrator a new one, to be printed.

    Raises SpacesError if the settings or the store do not allow it.
    """
    settings.check()
    clock = clock or steady_clock()
    runtime = make_runtime(settings.async_mode)
    store, alone = _open(settings, runtime)
    flask = Flask("project", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    keys = secret_keys(settings)
    # FLASK_DEBUG in somebody's shell must not open a console for strangers.
    flask.debug = False
    flask.secret_key = keys[0]
    links = Links(keys, lifetime_s=LINK_S)
    vault = FileVault(settings.upload_dir)
    store = replace(store, requests=_with_safe_mode(store, vault, runtime, settings))
    accounts = Accounts(store, runtime.run_blocking, clock, settings, keys)
    first_password = accounts.seed(one_time=one_time_password)
    signals = Signals(runtime.event)
    relay, spaces, upkeep, publisher, retention = _relay(
        flask, settings, store, accounts, links, vault, runtime, clock, signals
    )
    console = make_console(
        settings, store, relay, spaces.get, signals.notify, publisher.space_changed, runtime, clock, keys
    )
    # Whoever waits for the answer gets it, and need not be told that it is there.
    # What is in safe mode leaves nothing behind, so no notice either.
    publisher.on_over(
        lambda r: None if is_safe(r.id) or signals.is_watched(ended_topic(r.id)) else console.inbox.request_ended(r)
    )
    batches = Batches(store.batches, clock)
    accounts.sessions.on_ended(lambda user_id: signals.notify([logins_topic(user_id)]))
    check_event_policies(flask.extensions["socketio"].server)
    set_up_web(
        flask, Site(settings, relay, spaces, accounts, vault, links, runtime, console, clock, retention, batches)
    )
    # Outermost, so that /socket.io and every error answer pass it too.
    flask.wsgi_app = Guard(flask.wsgi_app, settings)  # type: ignore[method-assign]
    return Application(flask, runtime, store, upkeep, console, alone, first_password)


def _open(settings: Settings, runtime: Runtime) -> tuple[Store, bool]:
    """The store, and whether this node is the only one that can use it."""
    alone = settings.store_url.startswith(("sqlite:", "memory:"))
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if alone:
        hold(settings.data_dir / "site.lock")
    if settings.store_url.startswith("memory:"):
        return memory_store(), alone
    return open_store(settings.store_url, runtime), alone


def _with_safe_mode(store: Store, vault: FileVault, runtime: Runtime, settings: Settings) -> RequestStore:
    """The store's requests, and beside them those in safe mode."""

    def remove_files(file_ids: tuple[str, ...]) -> None:
        for file_id in file_ids:
            runtime.run_blocking(vault.remove, file_id)

    return UnstoredRequests(
        store.requests,
        memory_requests(lambda space_id: True),
        remove_files,
        most=settings.safe_mode_requests,
        keep_s=settings.safe_mode_keep_s,
    )


def _relay(
    flask: Flask,
    settings: Settings,
    store: Store,
    accounts: Accounts,
    links: Links,
    vault: FileVault,
    runtime: Runtime,
    clock: Clock,
    signals: Signals,
) -> tuple[Relay, Spaces, Upkeep, Publisher, Retention]:
    """The relay and its sockets."""
    socketio = make_socketio(flask, settings, Gate(runtime, settings))
    link = SocketLink(socketio.server, runtime)
    connections, node_id, lease_s = Connections(), secrets.token_hex(8), settings.lease_s
    publisher = Publisher(store.requests, signals, clock)
    dispatcher = Dispatcher(store.requests, connections, link, publisher, links, runtime, clock, lease_s=lease_s)

    def sweep_files(known: frozenset[str]) -> None:
        runtime.run_blocking(vault.sweep, known, ORPHAN_AGE_S)

    spaces = Spaces(store.spaces, clock)
    outlook = Outlook(store, connections, clock)
    most = settings.max_attempts
    relay = Relay(
        store,
        connections,
        link,
        publisher,
        dispatcher,
        signals,
        outlook,
        spaces,
        clock,
        max_attempts=most,
        quota=settings.quota,
    )

    def remove_files(file_ids: tuple[str, ...]) -> None:
        for file_id in file_ids:
            runtime.run_blocking(vault.remove, file_id)

    retention = Retention(store, publisher, remove_files, clock, settings.quota)

    def tidy() -> None:
        accounts.tidy()
        retention.purge()

    spaces.tell(relay)
    texts = Texts(store.requests, publisher.publish, runtime)
    attempts = Attempts(store, connections, publisher, dispatcher, texts, clock, lease_s=lease_s)
    registration = Registration(
        store, spaces, connections, link, publisher, dispatcher, attempts.lost, clock, settings, node_id=node_id
    )
    socketio.server.register_namespace(WorkerNamespace(registration, attempts, connections, accounts, settings))
    upkeep = Upkeep(
        store,
        connections,
        link,
        publisher,
        dispatcher,
        relay,
        tidy,
        sweep_files,
        runtime,
        clock,
        node_id=node_id,
        lease_s=lease_s,
    )
    return relay, spaces, upkeep, publisher, retention
