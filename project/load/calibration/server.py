"""The calibration server: WebSocket echo at ``/ws`` (and ``/``), HTTP at every other path, Socket.IO events echoed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Final

import aiohttp
import socketio
from aiohttp import web

from project.load.calibration.truth import Tally, Truth
from project.load.core.histogram import Histogram
from project.load.engine.clock import Sleeper, now_us

TOLD: Final = "/_calibration"
"""Asked there, the server tells what it did; that is no message of the test."""
_MOST_BYTES: Final = 64 * 1024 * 1024


class CalibrationServer:
    """Serves on loopback until ``stop``."""

    def __init__(self, truth: Truth | None = None):
        self.truth = truth or Truth()
        self.tally = Tally()
        self.port = 0
        self._free_us = 0
        """When it can take the next message, where it cannot take them as they come."""
        self.took = Histogram()
        """What it really took to answer: the plan, and how late the machine made it."""
        self._plain = self.truth == Truth()
        self._sleeper = Sleeper()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> int:
        """Listen; the port."""
        await self._sleeper.__aenter__()
        app = web.Application(client_max_size=_MOST_BYTES)
        events = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=None, max_http_buffer_size=_MOST_BYTES)
        events.on("*", self._event)
        events.attach(app)
        app.router.add_route("*", "/{path:.*}", self._any)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=4096)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        return self.port

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        for task in set(self._tasks):
            task.cancel()
        for socket in set(self._sockets):
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._sleeper.__aexit__(None, None, None)

    async def _any(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request)
        return await self._http(request)

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=_MOST_BYTES, compress=False)
        await socket.prepare(request)
        self._sockets.add(socket)
        self.tally.connections += 1
        try:
            async for frame in socket:
                if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    continue
                number = self._arrived()
                if self._plain:
                    await socket.send_str(frame.data)
                else:
                    self._keep(asyncio.create_task(self._echo(socket, frame.data, number, now_us())))
        except (ConnectionResetError, aiohttp.ClientError):
            pass  # the client went away
        finally:
            self._sockets.discard(socket)
        return socket

    async def _echo(self, socket: web.WebSocketResponse, data: str, number: int, at_us: int) -> None:
        truth = self.truth
        if number in truth.lost:
            return
        await self._wait(number, at_us)
        with contextlib.suppress(ConnectionResetError, aiohttp.ClientError):
            for _ in range(2 if number in truth.doubled else 1):
                await socket.send_str(data)

    async def _http(self, request: web.Request) -> web.Response:
        if request.path == TOLD:
            return web.json_response({"messages": self.tally.messages, **self.took.summary()})
        at_us = now_us()
        body = await request.read()
        number = self._arrived()
        if number in self.truth.lost:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        if not self._plain:
            await self._wait(number, at_us)
        if number in self.truth.failed:
            return web.json_response({"success": False, "code": "planted"}, status=500)
        return web.Response(body=body or b'{"success": true}', content_type="application/json")

    async def _event(self, event: str, _sid: str, *data: Any) -> Any:
        at_us = now_us()
        number = self._arrived()
        if number in self.truth.lost:
            await asyncio.Event().wait()  # an acknowledgement that never comes
        await self._wait(number, at_us)
        return data[0] if data else None

    def _arrived(self) -> int:
        self.tally.messages += 1
        if self.tally.messages == 1 and self.truth.freeze_s:
            asyncio.get_running_loop().call_later(self.truth.freeze_at_s, self._freeze)
        return self.tally.messages

    def _freeze(self) -> None:
        """Stand still: really, so that nothing is read, accepted or answered."""
        time.sleep(self.truth.freeze_s)

    async def _wait(self, number: int, at_us: int) -> None:
        truth = self.truth
        delay_us = int(truth.delay_ms(number) * 1000)
        if truth.most_per_s:
            self._free_us = max(self._free_us, at_us) + int(1e6 / truth.most_per_s)
            delay_us += self._free_us - at_us
        if number in truth.swapped:
            delay_us += 50_000
        if delay_us:
            await self._sleeper.until(at_us + delay_us)
        self.took.record(now_us() - at_us)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
