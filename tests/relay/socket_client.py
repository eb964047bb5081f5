"""A bare Socket.IO client that notes what it is sent."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

import socketio

from tests.conftest import LiveSite


class Client:
    """One connection to a site; registers, receives and answers as a worker of any language would."""

    def __init__(self, site: LiveSite):
        self.socket = socketio.Client(reconnection=False)
        self.requests: queue.Queue[dict[str, Any]] = queue.Queue()
        self.responses: queue.Queue[dict[str, Any]] = queue.Queue()
        self.cancels: queue.Queue[dict[str, Any]] = queue.Queue()
        self.drainings: queue.Queue[dict[str, Any]] = queue.Queue()
        self.socket.on("register_response", self.responses.put)
        self.socket.on("inference_request", self.requests.put)
        self.socket.on("inference_cancel", self.cancels.put)
        self.socket.on("site_draining", self.drainings.put)
        self.socket.connect(site.host, transports=["websocket"])

    def register(self, space: str, **fields: Any) -> dict[str, Any]:
        self.socket.emit("register", {"space_name": space, **fields})
        return self.responses.get(timeout=60)

    def call(self, event: str, message: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.socket.call(event, message, timeout=60)
        return answer

    def next(self) -> dict[str, Any]:
        return self.requests.get(timeout=60)

    def close(self) -> None:
        self.socket.disconnect()


Connect = Callable[[], Client]


def v2(worker_id: str, **fields: Any) -> dict[str, Any]:
    """What a worker of version 2 says of itself."""
    return {"protocol": 2, "worker_id": worker_id, "boot_id": f"{worker_id}-boot", "capacity": 4, **fields}


def held(request: dict[str, Any]) -> dict[str, Any]:
    """The lease of a request that was handed over."""
    return {"request_id": request["request_id"], "lease_id": request["lease_id"]}
