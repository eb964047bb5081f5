"""Deny by default, for events: a handler without a policy stops the site at its start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import socketio

from project.core.policies import EVENT_POLICIES, Policy, declared


class EventNamespace(socketio.Namespace):  # type: ignore[misc]
    """A namespace that knows its events and their policies. A subclass fills ``handlers``."""

    handlers: Mapping[str, Callable[..., Any]]


def event_policies(server: socketio.Server) -> Iterator[tuple[str, str, Policy | None, str]]:
    """``(namespace, event, policy, first line of the handler's text)`` of every event that the server takes."""
    for name, namespace in sorted(server.namespace_handlers.items()):
        handlers = namespace.handlers if isinstance(namespace, EventNamespace) else {"*": None}
        for event, handler in sorted(handlers.items()):
            yield name, event, declared(handler), (handler.__doc__ or "").strip().partition("\n")[0]
    for name, handlers in sorted(server.handlers.items()):
        for event, handler in sorted(handlers.items()):
            yield name, event, declared(handler), (handler.__doc__ or "").strip().partition("\n")[0]


def check_event_policies(server: socketio.Server) -> None:
    """Raise RuntimeError if an event has no policy, or one that is not for events."""
    missing = [
        f"{event} of {name}"
        for name, event, policy, _ in event_policies(server)
        if policy is None or policy.name not in EVENT_POLICIES
    ]
    if missing:
        raise RuntimeError(f"events without a policy: {', '.join(missing)}")
