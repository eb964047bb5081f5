"""Every message of the whole trial, looked at once more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from project.errors import SpacesError
from project.suites.check import NotTried
from project.suites.conformance import journal
from project.suites.conformance.journal import Entry
from project.suites.conformance.trial import Trial
from project.suites.expect import Unmet, shown
from project.wire import events
from project.wire.messages import Chunk, Heartbeat, Progress, Register, Result

PARSERS: Final[Mapping[str, Callable[[object], Any]]] = {
    events.REGISTER: Register.parse,
    events.RESULT: Result.parse,
    events.PROGRESS: Progress.parse,
    events.CHUNK: Chunk.parse,
    events.HEARTBEAT: Heartbeat.parse,
    events.DRAIN: lambda data: data,
}


def are_well_formed(trial: Trial) -> None:
    """Events that the protocol has, with the fields it has; progress and pieces in rising order."""
    if not trial.journals:
        trial.serving()
        trial.fulfil()
    counts: dict[str, int] = defaultdict(int)
    for kept in trial.journals:
        entries = kept.all()
        for entry in entries:
            _check(entry)
            counts[entry.name] += entry.name in PARSERS
        _check_order(entries)
    if not any(counts.values()):
        raise NotTried("it sent none")
    trial.notes.append(", ".join(f"{counts[name]} {name}" for name in PARSERS if counts[name]))


def _check(entry: Entry) -> None:
    if entry.name == journal.FAULT:
        raise Unmet(f"expected messages of the protocol, got {entry.data}")
    if entry.name.startswith("("):
        return
    parse = PARSERS.get(entry.name)
    if parse is None:
        raise Unmet(f"expected one of {', '.join(PARSERS)}, got the event {entry.name!r}")
    try:
        parse(entry.data)
    except SpacesError as error:
        raise Unmet(f"{entry.name}: {error.message}, got {shown(entry.data)}") from None


def _check_order(entries: list[Entry]) -> None:
    latest: dict[tuple[str, str], int] = {}
    for entry in entries:
        if entry.name in (events.PROGRESS, events.CHUNK):
            key, seq = (entry.name, entry.data["lease_id"]), entry.data.get("seq", 0)
            if seq <= latest.get(key, -1):
                raise Unmet(f"{entry.name}: expected seq to rise above {latest[key]}, got {seq}")
            latest[key] = seq
