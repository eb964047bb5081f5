"""The engine plays the workers of a space, too: then the work is known, and the relay's overhead is the rest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import socketio

from project.load.core.recorder import Recorder
from project.load.engine.clock import Sleeper, now_us
from project.load.errors import TargetUnreachable
from project.wire import events
from project.wire.limits import PROTOCOL

log = logging.getLogger(__name__)

REGISTER_TIMEOUT_S: Final = 10.0
REMEMBERED: Final = 100_000
"""Requests whose work is remembered until their answer is read."""


@dataclass
class PlayedWorkers:
    """``count`` workers on one space, each taking ``capacity`` requests at once and ``work_s`` for every one.

    They answer what this run submitted, known by how its prompts begin. A request of anybody else ends the run: the
    workers leave without an answer, and the site hands the request to the next worker that comes.
    """

    url: str
    space_name: str
    sleeper: Sleeper
    count: int = 1
    capacity: int = 64
    work_s: float = 0.0
    token: str = ""
    seed: int = 1
    prefix: str = ""
    """How the prompts of this run begin."""
    recorder: Recorder | None = None
    work_us: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._workers: list[_Worker] = []
        self._leaving: asyncio.Task[None] | None = None
        self.hurried = False

    async def open(self, http: aiohttp.ClientSession) -> None:
        """Register every worker. Raises TargetUnreachable when one is refused."""
        for number in range(self.count):
            worker = _Worker(self, number, http)
            self._workers.append(worker)
            await worker.open()

    async def close(self) -> None:
        """Take them away."""
        workers, self._workers = self._workers, []
        await asyncio.gather(*(worker.close() for worker in workers))

    def is_ours(self, request: Mapping[str, Any]) -> bool:
        """Whether this run submitted a request. The first of anybody else's ends the run."""
        if self.left:
            return False
        if str((request.get("payload") or {}).get("prompt", "")).startswith(self.prefix):
            return True
        if self.recorder is not None:
            self.recorder.trouble = "space_in_use"
        self._leaving = asyncio.create_task(self.close())
        return False

    @property
    def left(self) -> bool:
        """Whether they left because somebody else's request came."""
        return self._leaving is not None

    def hurry(self) -> None:
        """Answer at once from now on, whatever the work should take: the run is over, and nothing is to be left."""
        self.hurried = True
        for worker in self._workers:
            worker.wake()

    def done(self, request_id: str, took_us: int) -> None:
        """One request was worked on for so long."""
        if request_id in self.work_us:
            log.debug("request %s was handed over again", request_id)  # as at-least-once allows
        self.work_us[request_id] = took_us
        if len(self.work_us) > REMEMBERED:
            self.work_us.popitem(last=False)


class _Worker:
    def __init__(self, owner: PlayedWorkers, number: int, http: aiohttp.ClientSession):
        self._owner = owner
        self._id = f"load-{owner.seed}-{number}-{uuid.uuid4().hex[:8]}"
        self._client = socketio.AsyncClient(reconnection=False, http_session=http, handle_sigint=False)
        self._held: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sleeping: set[asyncio.Task[Any]] = set()
        self._response: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._client.on(events.REGISTER_RESPONSE, self._registered)
        self._client.on(events.REQUEST, self._requested)
        self._client.on(events.CANCEL, self._cancelled)

    async def open(self) -> None:
        owner = self._owner
        try:
            await self._client.connect(owner.url, transports=["websocket"], wait_timeout=REGISTER_TIMEOUT_S)
            register = {
                "space_name": owner.space_name,
                "token": owner.token,
                "protocol": PROTOCOL,
                "worker_id": self._id,
                "boot_id": uuid.uuid4().hex,
                "capacity": owner.capacity,
                "sdk": "load",
            }
            await self._client.emit(events.REGISTER, register)
            response = await asyncio.wait_for(self._response, REGISTER_TIMEOUT_S)
        except (socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TargetUnreachable(f"A played worker cannot register at {owner.url}: {error}") from error
        if not response.get("success"):
            raise TargetUnreachable(f"A played worker was refused: {response.get('message')}")
        self._keep(self._beat(float(response.get("heartbeat_seconds") or 5.0)))

    async def _registered(self, response: Mapping[str, Any]) -> None:
        if not self._response.done():
            self._response.set_result(response)

    async def _requested(self, request: Mapping[str, Any]) -> None:
        if not self._owner.is_ours(request):
            return
        self._held[request["request_id"]] = request.get("lease_id", "")
        self._keep(self._work(request))

    async def _cancelled(self, message: Mapping[str, Any]) -> None:
        self._held.pop(str(message.get("request_id")), None)

    async def _work(self, request: Mapping[str, Any]) -> None:
        owner, request_id = self._owner, request["request_id"]
        began = now_us()
        if owner.work_s and not owner.hurried:
            await self._sleep(began + int(owner.work_s * 1e6))
        took_us = now_us() - began
        if request_id not in self._held:
            return
        owner.done(request_id, took_us)
        prompt = (request.get("payload") or {}).get("prompt", "")
        result = {
            "request_id": request_id,
            "lease_id": request.get("lease_id", ""),
            "status": "completed",
            "result": {"text_output": prompt},
            "run_s": took_us / 1e6,
        }
        with contextlib.suppress(socketio.exceptions.SocketIOError):
            await self._client.emit(events.RESULT, result, callback=self._acknowledged)
        self._held.pop(request_id, None)

    async def _sleep(self, until_us: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sleeping.add(task)
        try:
            await self._owner.sleeper.until(until_us)
        except asyncio.CancelledError:
            if not self._owner.hurried:
                raise
            task.uncancel()
        finally:
            self._sleeping.discard(task)

    def wake(self) -> None:
        for task in set(self._sleeping):
            task.cancel()

    async def _acknowledged(self, answer: Any = None) -> None:
        if isinstance(answer, dict) and not answer.get("ok"):
            log.debug("the site did not take a result: %s", answer)

    async def _beat(self, every_s: float) -> None:
        while self._client.connected:
            await asyncio.sleep(every_s)
            held = [{"request_id": key, "lease_id": lease, "started": True} for key, lease in self._held.items()]
            with contextlib.suppress(socketio.exceptions.SocketIOError):
                await self._client.emit(events.HEARTBEAT, {"in_flight": held})

    def _keep(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in set(self._tasks):
            task.cancel()
        with contextlib.suppress(socketio.exceptions.SocketIOError, aiohttp.ClientError, OSError):
            await self._client.disconnect()
