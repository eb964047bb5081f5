"""``make bench-floods``: what others feel while one stranger, or one account, keeps the site as busy as it can.

Each flood comes from one address, in a process of its own, on loopback and bounded in time. Somebody else, from another
address, asks ``/healthz`` and sends requests meanwhile; printed are those two waits, and what the flood was answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from client import Client

from run import ROOT, connected, start

PASSWORD = "a-password-of-our-own-7"
STRANGER, VICTIM = "192.0.2.66", "198.51.100.7"
PERSON, VICTIMS_NAME = "flooder", "bystander"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Ask:
    """One request of a flood. ``hold``: do not wait for the answer's end, but for this long, then hang up."""

    method: str
    path: str
    body: bytes = b""
    kind: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    hold_s: float = 0.0


@dataclass(frozen=True)
class Flood:
    """What is asked again and again over ``connections``; ``member``: by somebody who is logged in."""

    name: str
    ask: Callable[[str], Ask]
    connections: int = 20
    member: bool = True


def _parts(count: int) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n'
    return part * count + b"--b--\r\n"


def _submit(body: bytes, kind: str) -> Callable[[str], Ask]:
    return lambda space: Ask("POST", f"/websockets/submit/{space}", body, kind)


def _get(path: str, *headers: tuple[str, str], hold_s: float = 0.0) -> Callable[[str], Ask]:
    return lambda space: Ask("GET", path.replace("SPACE", space), headers=headers, hold_s=hold_s)


DEEP = b'{"prompt":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
FLOODS = (
    Flood("pages, by a stranger", _get("/"), member=False),
    Flood("health, by a stranger", _get("/healthz"), member=False),
    Flood("pages, by a member", _get("/requests")),
    Flood("the page of a space", _get("/ai_project/SPACE")),
    Flood("form of 2 MB, a million fields", _submit(b"a&" * 1_000_000, FORM)),
    Flood("form of 2 MB, one long field", _submit(b"prompt=" + b"%E4%BD%A0" * 220_000, FORM)),
    Flood("form of 250 KB to /login", lambda s: Ask("POST", "/login", b"a&" * 125_000, FORM), member=False),
    Flood("JSON of 1.9 MB", _submit(b'{"prompt":"x","params":{' + b'"a":[[1],[2]],' * 130_000 + b'"b":1}}', JSON)),
    Flood("JSON nested deeply", _submit(DEEP, JSON)),
    Flood("multipart of 20,000 parts", _submit(_parts(20_000), "multipart/form-data; boundary=b")),
    Flood(
        "Accept-Language of 24 KB",
        _get("/", ("Accept-Language", ",".join(f"a{n}-b;q=0.{n % 9}" for n in range(2000))[:24_000])),
        member=False,
    ),
    Flood(
        "Accept of 24 KB", _get("/", ("Accept", ",".join(f"a/b{n};q=0.1" for n in range(1600))[:24_000])), member=False
    ),
    Flood("cookies of 24 KB", _get("/", ("Cookie", "; ".join(f"c{n}=v" for n in range(3000))[:24_000])), member=False),
    Flood("a query of 24 KB", _get("/?" + "&".join("a=b" for _ in range(6000))), member=False),
    Flood(
        "logins with wrong passwords", lambda s: Ask("POST", "/login", b"username=admin&password=x", FORM), member=False
    ),
    Flood("registrations", lambda s: Ask("POST", "/register", b"username=%00&password=x", FORM), member=False),
    Flood("streams held open", _get("/websockets/stream?space_id=SPACE", hold_s=30), 60),
    Flood("streams opened and left", _get("/websockets/stream?space_id=SPACE", hold_s=0.05), 20),
    Flood("calls that wait", _submit(b"prompt=x&wait=20", FORM), 60),
    Flood(
        "WebSockets opened and left",
        _get(
            "/socket.io/?EIO=4&transport=websocket",
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
            ("Sec-WebSocket-Version", "13"),
            hold_s=0.02,
        ),
        member=False,
    ),
)


async def _once(port: int, ask: Ask, cookie: str, connection: list[Line]) -> str:
    """Ask once; the status of the answer."""
    if not connection:
        connection.append(await asyncio.open_connection("127.0.0.1", port, limit=2**20))
    reader, writer = connection[0]
    headers = {"Host": f"127.0.0.1:{port}", "X-Forwarded-For": STRANGER, "Accept": "text/html", "Cookie": cookie}
    if ask.method == "POST":
        headers |= {"Content-Type": ask.kind, "Content-Length": str(len(ask.body))}
    headers |= dict(ask.headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    try:
        writer.write(f"{ask.method} {ask.path} HTTP/1.1\r\n{head}\r\n".encode() + ask.body)
        raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        told = {name.lower(): value for name, _, value in (line.partition(": ") for line in raw.split("\r\n")[1:])}
        if ask.hold_s:
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), ask.hold_s)
        elif "content-length" in told:
            await reader.readexactly(int(told["content-length"]))
        if ask.hold_s or told.get("connection", "").lower() == "close":
            raise ConnectionResetError(raw[9:12])
        return raw[9:12]
    except (OSError, asyncio.IncompleteReadError) as error:
        connection.clear()
        writer.close()
        return str(error) if isinstance(error, ConnectionResetError) and str(error).isdigit() else "closed"


async def attack(port: int, space: str, flood: Flood, cookie: str, seconds: float) -> Counter[str]:
    """Ask for so many seconds over all the connections; how often which status was the answer."""
    answers: Counter[str] = Counter()
    ask = flood.ask(space)

    async def go() -> None:
        connection: list[Line] = []
        while True:
            try:
                answers[await _once(port, ask, cookie, connection)] += 1
            except OSError:
                answers["closed"] += 1
                await asyncio.sleep(0.05)

    tasks = [asyncio.ensure_future(go()) for _ in range(flood.connections)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    return answers


class Visitor(Client):
    """A client whose address a proxy tells."""

    def __init__(self, port: int, address: str):
        super().__init__(port)
        self._address = address

    async def call(self, method, path, form=None):  # type: ignore[no-untyped-def]
        # The small client writes its head in one place: the cookie's line carries the address along.
        cookie, self._cookie = self._cookie, f"{self._cookie}\r\nX-Forwarded-For: {self._address}"
        try:
            return await super().call(method, path, form)
        finally:
            if self._cookie.endswith(self._address):
                self._cookie = cookie

    @property
    def cookie(self) -> str:
        """What the browser would keep."""
        return self._cookie


async def member(port: int, address: str, name: str) -> Visitor:
    """Somebody with an account of their own."""
    visitor = Visitor(port, address)
    status, headers, body = await visitor.call("POST", "/register", {"username": name, "password": PASSWORD})
    if status != 302:
        raise SystemExit(f"{name} cannot register: {status} {body[:300]!r}")
    visitor._cookie = headers["set-cookie"].split(";")[0]
    return visitor


async def watch(port: int, victim: Visitor, space: str, seconds: float) -> tuple[list[float], list[float]]:
    """Milliseconds of /healthz, and of a request from submission to result, again and again."""
    health: list[float] = []
    relay: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        await victim.call("GET", "/healthz")
        health.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        status, _, answer = await victim.call("POST", f"/websockets/submit/{space}", {"prompt": "x", "wait": "30"})
        done = status == 200 and json.loads(answer)["status"] == "completed"
        relay.append((time.perf_counter() - began) * 1000 if done else math.inf)
        await asyncio.sleep(0.02)
    return health, relay


def show(name: str, health: list[float], relay: list[float], answers: str) -> None:
    """One line of figures; what failed took for ever."""
    figures = [statistics.median(health), max(health), statistics.median(relay), max(relay)]
    print(f"  {name:<34}" + "".join(f"{figure:>8.0f}" for figure in figures) + f"   {answers}", flush=True)


async def measure(port: int, space: str, victim: Visitor, cookie: str, flood: Flood, seconds: float) -> None:
    """One flood, beside somebody who wants to work."""
    command = [sys.executable, __file__, "--attack", flood.name, "--port", str(port), "--space", space]
    process = subprocess.Popen(
        [*command, "--cookie", cookie if flood.member else "", "--seconds", str(seconds + 2)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        await asyncio.sleep(1.5)
        figures = await watch(port, victim, space, seconds)
        said = process.communicate(timeout=120)[0]
    finally:
        if process.poll() is None:
            process.kill()
    show(flood.name, *figures, said.strip())


async def make_space(port: int, owner: Visitor) -> str:
    """A space to measure in; its id."""
    form = {"name": "Bench", "card_type": "websockets", "ws_enable_prompt": "on", "ws_max_queue": "50000"}
    _, headers, _ = await owner.call("POST", "/admin/space/add", form)
    return headers["location"].rsplit("/", 1)[-1]


async def main() -> None:
    """Measure and print, or flood."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each flood")
    parser.add_argument("--only", default="", help="floods whose name has this in it")
    parser.add_argument("--unlimited", action="store_true", help="without bounds on the pace and the quotas")
    for name in ("attack", "port", "space", "cookie"):
        parser.add_argument(f"--{name}", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        flood = next(flood for flood in FLOODS if flood.name == options.attack)
        answers = await attack(int(options.port), options.space, flood, options.cookie, options.seconds)
        print(json.dumps(dict(answers.most_common())))
        return
    await floods(options.seconds, options.only, unlimited=options.unlimited)


async def floods(seconds: float, only: str, *, unlimited: bool) -> None:
    """A site behind a proxy, as others reach it, its worker, its victim and each flood in turn."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "SPACES_DATA_DIR": folder,
            "SPACES_LOG_FILE": f"{folder}/error.log",
            "SPACES_PROXY_HOPS": "1",
            "SPACES_ADMIN_PASSWORD": PASSWORD,
            "SPACES_QUOTA_REQUESTS_PER_MINUTE": "1000000",
        }
        if unlimited:
            environment |= {"SPACES_ADDRESS_REQUESTS_PER_S": "1000000", "SPACES_MAX_CONNECTIONS_PER_ADDRESS": "1000000"}
        site, port = start("run.py", "--port", "0", environment=environment)
        worker: subprocess.Popen[bytes] | None = None
        try:
            owner = Visitor(port, VICTIM)
            await owner.login("admin", PASSWORD)
            space = await make_space(port, owner)
            _, _, page = await owner.call("POST", f"/admin/space/{space}/tokens", {"token_name": "bench"})
            token = "wsp_" + page.decode().partition("wsp_")[2].partition("<")[0]
            worker = subprocess.Popen(
                [sys.executable, "bench/worker.py", f"http://127.0.0.1:{port}", "Bench", "8"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "SPACES_WORKER_TOKEN": token},
            )
            await connected(port, space)
            victim = await member(port, VICTIM, VICTIMS_NAME)
            flooder = await member(port, "203.0.113.9", PERSON)
            print(f"  {'ms':<34}{'health':>8}{'most':>8}{'relay':>8}{'most':>8}   answers to the flood")
            show("nobody else", *await watch(port, victim, space, seconds), "")
            for flood in FLOODS:
                if only in flood.name:
                    await measure(port, space, victim, flooder.cookie, flood, seconds)
        finally:
            for process in (worker, site):
                if process is not None and process.poll() is None:
                    process.kill()


if __name__ == "__main__":
    asyncio.run(main())
