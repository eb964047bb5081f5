"""The relay: log in, submit to a space, and follow the request to its result."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args
from urllib.parse import urlencode

import aiohttp

from project.load.core.recorder import Recorder
from project.load.engine.clock import Sleeper, now_us
from project.load.errors import BadUsage, CallFailed, SpaceInUse, TargetUnreachable
from project.load.targets.base import Answer, failure_of, went_out
from project.load.targets.fence import Fence
from project.load.targets.login import log_in
from project.load.targets.workers import PlayedWorkers

Following = Literal["wait", "poll", "sse"]
OVER: Final = ("completed", "failed", "cancelled")
MOST_WAIT_S: Final = 30.0
TEST_ID_HEADER: Final = "X-Load-Test-Id"
MOST_TEST_ID_CHARS: Final = 64
EMPTYING_S: Final = 10.0
"""How long played workers stay at the end to do what a run that was broken off left in the queue."""
CANCELLED_AT_ONCE: Final = 20
WRONG_RESULT: Final = "wrong_result"
MOST_TOLD_CHARS: Final = 200
ROUNDING_US: Final = 2_000
"""The site's times are in whole milliseconds."""
MOST_TOLD_SPACES: Final = 5
_NOT_UNDERSTOOD: Final = (ValueError, KeyError, TypeError, AttributeError)
"""What reading an answer raises that is not what a site of this kind says."""
_ERRORS: Final = (aiohttp.ClientError, OSError, asyncio.TimeoutError)


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """How the relay is driven."""

    space: str
    """Id or name."""
    username: str = "testuser"
    password: str = "testpass123"
    following: Following = "wait"
    poll_s: float = 0.05
    workers: int = 0
    """Workers the engine plays itself."""
    work_s: float = 0.0
    capacity: int = 64
    token: str = ""
    prompt_chars: int = 32
    test_id: str = field(default_factory=lambda: secrets.token_hex(4))
    """By which the console's log finds the requests of the run."""
    echoed: bool = False
    """Whether the space's worker repeats the prompt in its result, so that a wrong one is known."""

    def __post_init__(self) -> None:
        if self.following not in get_args(Following):
            raise BadUsage(f"a result is followed by {', '.join(get_args(Following))}, not {self.following!r}")
        if not self.space:
            raise BadUsage("a relay's target needs --space, a space's id or name")
        printable = all("!" <= char <= "~" for char in self.test_id)
        if not printable or not 1 <= len(self.test_id) <= MOST_TEST_ID_CHARS:
            raise BadUsage(f"a test id has 1 to {MOST_TEST_ID_CHARS} letters, digits and signs, not {self.test_id!r}")


class RelaySession:
    """One user of a space. Calls of one session may overlap."""

    def __init__(self, target: RelayTarget, http: aiohttp.ClientSession, recorder: Recorder, prefix: str):
        self._target = target
        self._http = http
        self._counts = recorder.counts
        self._prefix = prefix
        self._number = 0

    @property
    def is_open(self) -> bool:
        """Connections are opened as needed."""
        return not self._http.closed

    async def call(self) -> Answer:
        """Submit, and return when the result is there."""
        self._number += 1
        prompt = f"{self._prefix}{self._number} ".ljust(self._target.options.prompt_chars, "x")
        began_us = now_us()
        accepted = False
        try:
            async with asyncio.timeout(self._target.timeout_s):
                body = await self._submit(prompt)
                self._counts.sent += 1
                accepted = True
                body = await self._follow(body)
        except CallFailed as error:
            self._counts.lost += accepted
            return Answer(error.kind, "submit", 0 if accepted else error.status, message=error.message)
        except _ERRORS as error:
            self._counts.lost += accepted
            is_sent = accepted or went_out(error)
            return Answer(failure_of(error), "submit", message=str(error), is_sent=is_sent)
        except _NOT_UNDERSTOOD as error:
            self._counts.lost += accepted
            return Answer("bad_answer", "submit", message=f"{type(error).__name__}: {error}")
        self._counts.received += 1
        self._target.open_requests.discard(str(body["request_id"]))
        return self._answer(body, prompt, now_us() - began_us)

    def _answer(self, body: Mapping[str, Any], prompt: str, took_us: int) -> Answer:
        stages = stages_of(body, took_us)
        work_us = self._target.work_of(str(body.get("request_id")))
        if work_us is not None:
            stages["overhead"] = max(0, took_us - work_us)
        told = f"request {body['request_id']}"
        if body["status"] != "completed":
            told += f": {body['status']}, {body.get('error')}"
            return Answer(str(body.get("code") or body["status"]), "submit", 200, message=told, stages=stages)
        result = body.get("result")
        if not self._is_right(result, prompt, played=work_us is not None):
            told += f" got the result of another one: {str(result)[:MOST_TOLD_CHARS]}"
            return Answer(WRONG_RESULT, "submit", 200, message=told, stages=stages)
        return Answer("", "submit", 200, stages=stages)

    def _is_right(self, result: Any, prompt: str, *, played: bool) -> bool:
        if played:
            return isinstance(result, Mapping) and result.get("text_output") == prompt
        return not self._target.options.echoed or prompt in str(result)

    async def _submit(self, prompt: str) -> dict[str, Any]:
        """Submit, to the end even when the call is given up meanwhile: what was accepted can then be cancelled."""
        task = asyncio.create_task(self._submitted(prompt))
        self._target.submitting.add(task)
        task.add_done_callback(self._target.submission_ended)
        return await asyncio.shield(task)

    async def _submitted(self, prompt: str) -> dict[str, Any]:
        body = await self._ask("POST", f"/websockets/submit/{self._target.space_id}", {"prompt": prompt})
        self._target.open_requests.add(str(body["request_id"]))
        return body

    async def _follow(self, body: dict[str, Any]) -> dict[str, Any]:
        options = self._target.options
        request_id = body["request_id"]
        if body.get("status") not in OVER and options.following == "sse":
            body = await self._listen(request_id)
        while body.get("status") not in OVER or "finished_at" not in body:
            query = {"request_id": request_id}
            if options.following == "wait":
                query["wait"] = f"{MOST_WAIT_S:g}"
            elif body.get("status") not in OVER:
                await asyncio.sleep(options.poll_s)
            body = await self._ask("GET", f"/websockets/status?{urlencode(query)}")
        return body

    async def _listen(self, request_id: str) -> dict[str, Any]:
        """Read the stream of events until the request is over; whatever the last one said."""
        url = f"{self._target.url}/websockets/stream?{urlencode({'request_id': request_id})}"
        body: dict[str, Any] = {}
        async with self._http.get(url, headers=self._target.cookie) as response:
            if response.status != 200:
                raise await _refusal(response)
            async for line in response.content:
                if line.startswith(b"data: "):
                    body = json.loads(line[6:])
                    if body.get("status") in OVER:
                        break
        return body

    async def _ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        async with self._http.request(
            method, self._target.url + path, data=form, headers=self._target.cookie, allow_redirects=False
        ) as response:
            raw = await response.read()
            self._counts.bytes_received += len(raw)
            if response.status != 200:
                raise await _refusal(response)
            body: dict[str, Any] = json.loads(raw)
            return body

    async def close(self) -> None:
        """Nothing: the connections belong to the target."""


async def _refusal(response: aiohttp.ClientResponse) -> CallFailed:
    """A refusal by the site's own code, where it gives one."""
    try:
        body = json.loads(await response.read())
        return CallFailed(str(body["code"]), str(body.get("error", "")), response.status)
    except (ValueError, KeyError, TypeError):
        return CallFailed(f"http_{response.status}", "", response.status)


def stages_of(body: Mapping[str, Any], took_us: int) -> dict[str, int]:
    """Times (µs) from the site's own record of one request, and what is left of the whole.

    ``queue``: until it was handed to a worker; ``dispatch``: until the worker said it began; ``run``: until the result
    was recorded (from the hand-over where the worker did not say); ``return``: the rest of ``took_us``, the way there
    and back. Clocks of two machines are never compared. Nothing where the site's clock was set meanwhile: by it the
    request would have taken longer than the whole, or less than nothing.
    """
    queued, dispatched, started, finished = (
        _epoch_us(body.get(name)) for name in ("queued_at", "dispatched_at", "started_at", "finished_at")
    )
    if queued is None or finished is None or not 0 <= finished - queued <= took_us + ROUNDING_US:
        return {}
    stages = {"return": max(0, took_us - (finished - queued))}
    if dispatched is None:
        return stages | {"queue": finished - queued}
    # Each begins where the one before it ended, so that they add up.
    dispatched = min(max(dispatched, queued), finished)
    stages["queue"] = dispatched - queued
    began = dispatched
    if started is not None:
        began = min(max(started, dispatched), finished)
        stages["dispatch"] = began - dispatched
    stages["run"] = finished - began
    return stages


def _epoch_us(text: Any) -> int | None:
    return int(datetime.fromisoformat(text).timestamp() * 1e6) if isinstance(text, str) else None


@dataclass
class RelayTarget:
    """One space of a site, as one user; with ``options.workers`` the engine serves the space as well."""

    url: str
    options: RelayOptions
    timeout_s: float = 60.0
    headers: dict[str, str] = field(default_factory=dict)
    seed: int = 1
    kind: str = "relay"
    space_id: str = ""
    cookie: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise BadUsage(f"a site's address begins with http:// or https://, not as {self.url!r}")
        self.url = self.url.rstrip("/")
        self._http: aiohttp.ClientSession | None = None
        self._recorder: Recorder | None = None
        self._sleeper = Sleeper()
        self.workers: PlayedWorkers | None = None
        self.open_requests: set[str] = set()
        """Accepted, and not known to be over."""
        self.submitting: set[asyncio.Task[dict[str, Any]]] = set()

    def submission_ended(self, task: asyncio.Task[dict[str, Any]]) -> None:
        """One submission was answered, or failed; whoever made it may have left."""
        self.submitting.discard(task)
        if not task.cancelled():
            task.exception()

    def work_of(self, request_id: str) -> int | None:
        """How long (µs) a played worker worked on a request; None when that is not known."""
        return self.workers.work_us.pop(request_id, None) if self.workers is not None else None

    async def open(self, recorder: Recorder) -> None:
        """Log in, find the space, and bring the workers. Raises TargetUnreachable, SpaceInUse."""
        self._recorder = recorder
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={**self.headers, TEST_ID_HEADER: self.options.test_id},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            middlewares=(Fence(self.url),),
        )
        await self._sleeper.__aenter__()
        try:
            await self._log_in()
            name = await self._find_space()
            if self.options.workers:
                await self._bring_workers(name)
        except _ERRORS as error:
            await self.close()
            reason = failure_of(error).replace("_", " ")
            raise TargetUnreachable(f"Cannot reach {self.url}: {reason}") from error
        except BaseException:
            await self.close()
            raise

    async def _log_in(self) -> None:
        if not self.options.username:
            return  # a key among the headers says who we are
        assert self._http is not None
        self.cookie = await log_in(self._http, self.url, self.options.username, self.options.password)

    async def _find_space(self) -> str:
        """Set the space's id; its name."""
        assert self._http is not None
        headers = {"Accept": "application/json", **self.cookie}
        async with self._http.get(f"{self.url}/", headers=headers) as response:
            if response.status != 200:
                raise TargetUnreachable(f"{self.url} does not list its spaces ({response.status})")
            spaces = (await response.json()).get("spaces", [])
        wanted = self.options.space
        found = [space for space in spaces if wanted in (space.get("id"), space.get("space_id"), space.get("name"))]
        if len(found) != 1:
            few = "no space" if not found else "more than one space"
            names = ", ".join(repr(str(space.get("name"))) for space in spaces[:MOST_TOLD_SPACES])
            there = f"there are {names}" if names else "there are none yet"
            raise TargetUnreachable(f"{self.url} has {few} {wanted!r}; {there}")
        self.space_id = str(found[0].get("id") or found[0].get("space_id"))
        return str(found[0]["name"])

    async def _space_state(self) -> dict[str, Any]:
        assert self._http is not None
        async with self._http.get(f"{self.url}/websockets/space/{self.space_id}/status") as response:
            if response.status != 200:
                raise TargetUnreachable(f"{self.url} does not say how the space is ({response.status})")
            state: dict[str, Any] = await response.json()
            return state

    async def _bring_workers(self, name: str) -> None:
        """Serve the space, unless it is somebody's: a played worker gives worthless answers. Raises SpaceInUse."""
        assert self._http is not None
        options = self.options
        state = await self._space_state()
        instead = "use a space of its own for load tests, or leave out --workers"
        if state.get("connected"):
            raise SpaceInUse(f"A worker serves {name!r} already: {instead}")
        if waiting := state.get("queue_size"):
            raise SpaceInUse(f"In {name!r} requests wait ({waiting}), which played workers would answer: {instead}")
        self.workers = PlayedWorkers(
            self.url,
            name,
            self._sleeper,
            options.workers,
            options.capacity,
            options.work_s,
            options.token,
            self.seed,
            self._prefix,
            self._recorder,
        )
        await self.workers.open(self._http)

    async def session(self, number: int, *, shared: bool) -> RelaySession:
        """One more user."""
        if self._http is None or self._recorder is None:
            raise CallFailed("not_connected")
        return RelaySession(self, self._http, self._recorder, f"{self._prefix}{number}-")

    @property
    def _prefix(self) -> str:
        return f"load {self.seed}-"

    async def close(self) -> None:
        """Leave nothing in the queue, take the workers away, and close the connections."""
        with contextlib.suppress(*_ERRORS, TargetUnreachable, CallFailed):
            async with asyncio.timeout(EMPTYING_S):
                await self._empty()
        if self.workers is not None:
            await self.workers.close()
        if self._http is not None:
            await self._http.close()
            self._http = None
        await self._sleeper.__aexit__(None, None, None)

    async def _empty(self) -> None:
        """Have done, or cancel, what a run that was broken off left waiting: a real worker must not get it."""
        if self._http is None or not self.space_id:
            return
        if self.workers is not None and not self.workers.left:
            self.workers.hurry()
            while not self.workers.left and (await self._space_state()).get("queue_size"):
                await asyncio.sleep(self.options.poll_s)
            return
        await asyncio.gather(*self.submitting, return_exceptions=True)
        gate = asyncio.Semaphore(CANCELLED_AT_ONCE)
        await asyncio.gather(*(self._cancel(request_id, gate) for request_id in self.open_requests))

    async def _cancel(self, request_id: str, gate: asyncio.Semaphore) -> None:
        assert self._http is not None
        async with gate, self._http.post(f"{self.url}/websockets/cancel/{request_id}", headers=self.cookie) as response:
            await response.read()
