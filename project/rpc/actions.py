"""What the methods do. Each takes the site's services, its checked parameters and the call's context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from project.core.model import Request, Space, User
from project.core.states import Status
from project.core.submission import Submission, check_fields
from project.errors import RemoteError, RpcTimeout
from project.rpc.inbox import Inbox
from project.rpc.probe import Probed


class View(Protocol):
    """A request and where it stands."""

    @property
    def request(self) -> Request:
        """The request."""

    def as_dict(self) -> dict[str, Any]:
        """Its JSON."""


class SpaceState(Protocol):
    """How a space is."""

    def as_dict(self) -> dict[str, Any]:
        """Its JSON."""


class RelayPort(Protocol):
    """What the methods need of the relay."""

    def ask(self, space: Space, user: User, submission: Submission, timeout_s: float) -> tuple[Any, View]:
        """Submit, and wait for the end."""

    def cancel(self, request_id: str, user: User) -> Any:
        """End an open request."""

    def space_view(self, space_id: str) -> SpaceState:
        """How a space is."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the methods act on. ``space`` raises SpaceNotFound; ``probe`` is given seconds."""

    inbox: Inbox
    relay: RelayPort
    space: Callable[[str], Space]
    probe: Callable[[float], Probed]


@dataclass(frozen=True, slots=True)
class Context:
    """Who calls, how long the answer may take, and the load run the call belongs to, if it is one's."""

    caller: User
    timeout_s: float
    correlation_id: str
    test_id: str = ""


def send(services: Services, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """``notification.send``."""
    notice = services.inbox.send(
        "notification",
        params["user_id"],
        type_=params["type"],
        title=params["title"],
        message=params["message"],
        sender=context.caller.username,
        data=params["data"],
    )
    return {"sent": True, "message_id": notice.id}


def broadcast(services: Services, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """``notification.broadcast``."""
    notice = services.inbox.broadcast(
        type_=params["type"],
        title=params["title"],
        message=params["message"],
        sender=context.caller.username,
        data=params["data"],
    )
    return {"sent": True, "message_id": notice.id}


def message(services: Services, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """``session.message``."""
    notice = services.inbox.send(
        "message",
        params["user_id"],
        type_="message",
        title="",
        message=params["message"],
        sender=context.caller.username,
        data=params["data"],
    )
    return {"sent": True, "message_id": notice.id}


def file_changed(services: Services, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """``workspace.file_changed``. Raises SpaceNotFound."""
    space = services.space(params["space_id"])
    return {"sent": True, "space_id": space.id, "revision": services.inbox.files_changed(space.id)}


def infer(services: Services, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """``space.infer``. Raises SpaceNotFound, FieldNotEnabled, WorkerOffline, QueueFull, RemoteError, RpcTimeout."""
    space = services.space(params["space_id"])
    submission = check_fields(space.settings, {"prompt": params["prompt"], "params": params["params"]})
    submission = replace(submission, test_id=context.test_id)
    _, view = services.relay.ask(space, context.caller, submission, context.timeout_s)
    request = view.request
    if not request.is_over:
        # Nobody waits for it any more: the worker's time is not spent on it.
        services.relay.cancel(request.id, context.caller)
        raise RpcTimeout(f"request {request.id} was not done in {context.timeout_s:g} s, and was cancelled")
    if request.status is not Status.COMPLETED:
        raise RemoteError(f"request {request.id} {request.status.value}: {request.error or request.code or ''}")
    return {"request_id": request.id, "status": request.status.value, "result": request.result}


def space_status(services: Services, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """``space.status``. Raises SpaceNotFound."""
    state = services.relay.space_view(services.space(params["space_id"]).id).as_dict()
    return {name: state[name] for name in ("space_id", "connected", "queue_size", "workers")}


def websocket(services: Services, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """``websocket.check``. Raises RemoteError, RpcTimeout."""
    probed = services.probe(context.timeout_s)
    return {
        "connected": True,
        "open_ms": round(probed.open_ms, 2),
        "accepted_ms": round(probed.accepted_ms, 2),
        "ping_interval_s": probed.ping_interval_s,
        "ping_timeout_s": probed.ping_timeout_s,
    }


def ping(services: Services, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """``system.ping``."""
    return {"pong": True}
