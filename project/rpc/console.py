"""The console's use cases, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from project.clock import Clock
from project.config import Settings
from project.core.model import Space
from project.core.runs import LoadRun, LoadSchedule
from project.rpc.actions import RelayPort, Services
from project.rpc.calls import Calls
from project.rpc.inbox import Inbox
from project.rpc.load import LoadTests
from project.rpc.monitor import Health, Monitor
from project.rpc.probe import Probed, probe
from project.rpc.upkeep import ConsoleUpkeep
from project.runtime import Runtime
from project.storage.port import RunStore, Store

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Console:
    """What the console's and the inbox's pages use."""

    calls: Calls
    inbox: Inbox
    monitor: Monitor
    load: LoadTests
    templates: RunStore
    upkeep: ConsoleUpkeep


def make_console(
    settings: Settings,
    store: Store,
    relay: RelayPort,
    find_space: Callable[[str], Space],
    notify: Callable[[Iterable[str]], None],
    space_changed: Callable[[str], None],
    runtime: Runtime,
    clock: Clock,
    keys: tuple[str, ...],
    scheduled: Callable[[LoadRun, LoadSchedule], None],
    bus: Callable[[], Health],
) -> Console:
    """``keys`` are the site's secret keys, the newest first; ``notify`` wakes watchers of topics, ``space_changed`` of
    a space; ``scheduled`` is told of every load run that a schedule has begun; ``bus`` tells how nodes hear of each
    other."""
    host = _loopback(settings.host)

    def probe_site(timeout_s: float) -> Probed:
        return probe(f"ws://{host}:{settings.port}", timeout_s)

    inbox = Inbox(store.inbox, store.accounts, notify, space_changed, clock, alone=settings.is_alone)
    calls = Calls(store.calls, Services(inbox, relay, find_space, probe_site), runtime, clock)
    load = LoadTests(
        store.runs,
        store.accounts,
        inbox,
        runtime,
        clock,
        folder=settings.data_dir.resolve() / "load",
        address=f"http://{host}:{settings.port}",
        keys=keys,
        scheduled=scheduled,
    )
    upkeep = ConsoleUpkeep(
        store.calls, inbox, load, runtime, clock, log_s=settings.log_days * DAY_S, log_calls=settings.log_calls
    )
    return Console(calls, inbox, Monitor(store, clock, bus), load, store.runs, upkeep)


def _loopback(host: str) -> str:
    """Where this machine reaches a site that listens on ``host``."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
