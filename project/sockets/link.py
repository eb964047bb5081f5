"""Sending to a worker's connection, and asking whether it still answers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import socketio
from engineio import packet

from project.runtime import Runtime

POLL_S = 0.02


class SocketLink:
    """``relay.connections.Link`` over a Socket.IO server."""

    def __init__(self, server: socketio.Server, runtime: Runtime):
        self._server = server
        self._runtime = runtime

    def send(self, connection_id: str, event: str, message: Mapping[str, Any]) -> None:
        """See the port."""
        self._server.emit(event, dict(message), to=connection_id)

    def answers(self, connection_id: str, *, within_s: float) -> bool:
        """Ping the connection now, unless a ping is under way, and wait for the answer.

        The transport's own ping does it, because every client answers that, of whatever version and language.
        """
        eio_sid = self._server.manager.eio_sid_from_sid(connection_id, "/")
        transport = self._server.eio.sockets.get(eio_sid)
        if transport is None or transport.closed:
            return False
        if transport.last_ping is None:
            transport.last_ping = time.time()
            transport.send(packet.Packet(packet.PING))
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if transport.closed:
                return False
            if transport.last_ping is None:
                return True
            self._runtime.sleep(POLL_S)
        return False

    def disconnect(self, connection_id: str) -> None:
        """See the port."""
        self._server.disconnect(connection_id)
