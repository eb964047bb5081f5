"""``create_app``: the one place that knows every concrete class, and puts the site together."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask
from flask_socketio import SocketIO

from project.accounts.service import Accounts
from project.clock import Clock, steady_clock
from project.config import Settings
from project.core.model import Request
from project.core.runs import LoadRun, LoadSchedule
from project.core.safe_mode import is_safe
from project.relay.attempts import Attempts
from project.relay.batches import Batches
from project.relay.connections import Connections
from project.relay.dispatch import Dispatcher
from project.relay.links import Links
from project.relay.neighbours import Neighbours
from project.relay.node import Node
from project.relay.outlook import Outlook
from project.relay.publish import Publisher
from project.relay.registration import Registration
from project.relay.retention import Retention
from project.relay.service import Relay
from project.relay.signals import Signals, ended_topic, logins_topic
from project.relay.spaces import Spaces
from project.relay.texts import Texts
from project.relay.upkeep import Upkeep
from project.rotation import Rotation
from project.rpc.console import Console, make_console
from project.rpc.monitor import Health
from project.runtime import Runtime, make_runtime
from project.secret_key import secret_keys
from project.shares import MOST_WAITING, Shares
from project.sockets.gate import Gate
from project.sockets.link import SocketLink
from project.sockets.policy import check_event_policies
from project.sockets.server import make_socketio
from project.sockets.workers import WorkerNamespace
from project.storage.files import FileVault
from project.storage.lock import hold
from project.storage.memory import memory_requests, memory_store
from project.storage.port import Store
from project.storage.sql import database_time, open_store
from project.storage.unstored import UnstoredRequests
from project.web.blueprints import set_up_web
from project.web.guard import Guard
from project.web.site import Site
from project.web.turns import Turns

if TYPE_CHECKING:
    from project.hints import RedisHints

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
    hints: RedisHints | None
    first_password: str | None
    """A one-time password of the administrator, to be shown once, if one was made."""

    def start(self) -> None:
        """Begin the site's own chores. Once, after the workers' namespace is in place."""
        self.upkeep.start()
        if self.hints is not None:
            self.hints.start()
        self.console.upkeep.start()

    def stop(self) -> None:
        """Tell the workers, leave presence, close the store."""
        self.console.upkeep.stop()
        self.upkeep.stop()
        if self.hints is not None:
            self.hints.stop()
        self.runtime.sleep(0.1)
        self.store.close()


def create_app(settings: Settings, clock: Clock | None = None, *, one_time_password: bool = False) -> Application:
    """Build the site; ``one_time_password`` gives the administrator a new one, to be printed.

    Raises SpacesError if the settings or the store do not allow it.
    """
    settings.check()
    if clock is None:
        # Leases, deadlines and heartbeats of nodes are compared with each other's: they go by one clock.
        clock = steady_clock(None if settings.is_alone else database_time(settings.store_url))
    parts = _Parts(settings, clock)
    first_password = parts.accounts.seed(one_time=one_time_password)
    parts.connect()
    flask = parts.flask
    check_event_policies(flask.extensions["socketio"].server)
    set_up_web(flask, parts.site)
    # Outermost, so that /socket.io and every error answer pass it too.
    flask.wsgi_app = Guard(Turns(flask.wsgi_app, parts.shares), settings, parts.runtime.sleep)  # type: ignore[method-assign]
    return Application(flask, parts.runtime, parts.store, parts.upkeep, parts.console, parts.hints, first_password)


class _Parts:
    """The parts of one site. Each is made when another one, or the site, first asks for it."""

    def __init__(self, settings: Settings, clock: Clock):
        self.settings = settings
        self.clock = clock
        self.runtime = make_runtime(settings.async_mode)
        self.node = Node(secrets.token_hex(8), settings.is_alone, settings.lease_s)
        # In a data folder that another site holds, nothing is touched.
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if self.node.alone:
            hold(settings.data_dir / "site.lock")
        self.signals = Signals(self.runtime.event)
        self.connections = Connections()

    def connect(self) -> None:
        """Tell the parts that hear of each other whom to tell."""
        self.spaces.tell(self.relay)
        self.publisher.on_over(self._tell_owner)
        for ending in (self.accounts.sessions, self.accounts.keys):
            ending.on_ended(lambda user_id: self.signals.notify([logins_topic(user_id)]))
        registration = Registration(
            self.store,
            self.spaces,
            self.connections,
            self.link,
            self.publisher,
            self.dispatcher,
            self.attempts.lost,
            self.clock,
            self.settings,
            self.node,
        )
        if self.hints is not None:
            self.signals.carry_by(self.hints.carry)
        self.socketio.server.register_namespace(
            WorkerNamespace(registration, self.attempts, self.connections, self.accounts, self.settings)
        )

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """What the site signs with, newest first."""
        return secret_keys(self.settings)

    @cached_property
    def flask(self) -> Flask:
        """The framework's app."""
        flask = Flask("project", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
        # FLASK_DEBUG in somebody's shell must not open a console for strangers.
        flask.debug = False
        flask.secret_key = self.keys[0]
        return flask

    @cached_property
    def shares(self) -> Shares:
        """Who may use how much of the loop. On a development site any number may wait for it."""
        return Shares(self.runtime, most_waiting=0 if self.settings.development_logins else MOST_WAITING)

    @cached_property
    def socketio(self) -> SocketIO:
        """The one Socket.IO object."""
        return make_socketio(self.flask, self.settings, Gate(self.runtime, self.settings))

    @cached_property
    def link(self) -> SocketLink:
        """How to speak to a worker's connection."""
        return SocketLink(self.socketio.server, self.runtime)

    @cached_property
    def links(self) -> Links:
        """Signed addresses for workers."""
        return Links(self.keys, lifetime_s=LINK_S)

    @cached_property
    def vault(self) -> FileVault:
        """Files on the disk."""
        return FileVault(self.settings.upload_dir)

    @cached_property
    def store(self) -> Store:
        """What is kept; and beside it, in memory, the requests that are kept nowhere."""
        url = self.settings.store_url
        store = memory_store() if url.startswith("memory:") else open_store(url, self.runtime)
        beside = UnstoredRequests(
            store.requests,
            memory_requests(lambda space_id: True),
            self._remove_files,
            most=self.settings.safe_mode_requests,
            keep_s=self.settings.safe_mode_keep_s,
        )
        return replace(store, requests=beside)

    @cached_property
    def accounts(self) -> Accounts:
        """People, their logins and keys."""
        return Accounts(self.store, self.runtime.run_blocking, self.clock, self.settings, self.keys)

    @cached_property
    def spaces(self) -> Spaces:
        """Spaces and their tokens."""
        return Spaces(self.store.spaces, self.clock)

    @cached_property
    def publisher(self) -> Publisher:
        """Fresh views, and hints."""
        return Publisher(self.store.requests, self.signals, self.clock)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """Who hands requests out."""
        return Dispatcher(
            self.store.requests,
            self.connections,
            self.link,
            self.publisher,
            self.links,
            self.runtime,
            self.clock,
            lease_s=self.settings.lease_s,
        )

    @cached_property
    def relay(self) -> Relay:
        """The use cases of those who ask."""
        return Relay(
            self.store,
            self.connections,
            self.link,
            self.publisher,
            self.dispatcher,
            self.signals,
            self.outlook,
            self.spaces,
            self.clock,
            max_attempts=self.settings.max_attempts,
            quota=self.settings.quota,
        )

    @cached_property
    def attempts(self) -> Attempts:
        """The use cases of workers."""
        texts = Texts(self.store.requests, self.publisher.publish, self.runtime)
        return Attempts(
            self.store,
            self.connections,
            self.publisher,
            self.dispatcher,
            texts,
            self.clock,
            lease_s=self.settings.lease_s,
        )

    @cached_property
    def retention(self) -> Retention:
        """What is forgotten, and when."""
        return Retention(self.store, self.publisher, self._remove_files, self.clock, self.settings.quota)

    @cached_property
    def upkeep(self) -> Upkeep:
        """The site's own chores."""
        return Upkeep(
            self.store,
            self.connections,
            self.link,
            self.publisher,
            self.dispatcher,
            self.relay,
            self._tidy,
            self._sweep_files,
            self.runtime,
            self.clock,
            self.neighbours,
            self.node,
            lease_s=self.settings.lease_s,
        )

    @cached_property
    def outlook(self) -> Outlook:
        """What those who wait may expect."""
        return Outlook(self.store, self.connections, self.clock, self.node)

    @cached_property
    def neighbours(self) -> Neighbours:
        """What other nodes do."""
        inbox = self.console.inbox
        forget: dict[str, list[Callable[[str], None]]] = {
            "request": [self.publisher.forget],
            "ended": [self.publisher.forget],
            "space": [self.publisher.forget_space, self.outlook.forget, inbox.forget_space],
            "spaces": [self.spaces.forget],
            "waiting": [self.publisher.forget_space],
            "logins": [self.accounts.forget],
            "user": [inbox.forget],
        }
        return Neighbours(
            self.store,
            self.connections,
            self.link,
            self.dispatcher,
            self.relay,
            self.signals,
            self.runtime,
            forget,
            node_id=self.node.id,
        )

    @cached_property
    def hints(self) -> RedisHints | None:
        """How nodes tell each other where to look, if there is a Redis."""
        url = self.settings.redis_url
        if not url:
            return None
        # Here, because a site without a Redis need not wait for its client.
        from project.hints import RedisHints

        return RedisHints(url, self.node.id, self.neighbours.heard, self.runtime)

    def _bus(self) -> Health:
        if self.hints is not None:
            return Health("bus", bool(self.hints.connected), {"kind": "Redis"})
        return Health("bus", True, {"kind": "in_process" if self.node.alone else "PostgreSQL"})

    @cached_property
    def console(self) -> Console:
        """Methods, their log, the inbox, the load tester."""
        return make_console(
            self.settings,
            self.store,
            self.relay,
            self.spaces.get,
            self.signals.notify,
            self.publisher.space_changed,
            self.runtime,
            self.clock,
            self.keys,
            self._note_scheduled,
            self._bus,
        )

    def _note_scheduled(self, run: LoadRun, schedule: LoadSchedule) -> None:
        """A run that begins by itself is in the audit log as one that somebody has begun, from nowhere."""
        user = self.store.accounts.user(schedule.created_by)
        name = user.username if user is not None else schedule.created_by
        detail = f"schedule {schedule.name}: {run.target.method} {run.target.total} x {run.target.concurrency}"
        self.accounts.audit.record("test_run", name, subject=run.id, detail=detail)

    @cached_property
    def site(self) -> Site:
        """What the views may use."""
        return Site(
            self.settings,
            self.relay,
            self.spaces,
            self.accounts,
            self.vault,
            self.links,
            self.runtime,
            self.console,
            self.clock,
            self.retention,
            Batches(self.store.batches, self.clock),
            Rotation(1),
        )

    def _tell_owner(self, request: Request) -> None:
        """A notice of a request that is over: not to whoever is waiting for it, nor of what is to leave nothing."""
        if not is_safe(request.id) and not self.signals.is_watched(ended_topic(request.id)):
            self.console.inbox.request_ended(request)

    def _tidy(self) -> None:
        self.accounts.tidy()
        self.retention.purge()

    def _sweep_files(self, known: frozenset[str]) -> None:
        self.runtime.run_blocking(self.vault.sweep, known, ORPHAN_AGE_S)

    def _remove_files(self, file_ids: tuple[str, ...]) -> None:
        for file_id in file_ids:
            self.runtime.run_blocking(self.vault.remove, file_id)
