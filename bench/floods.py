"""``make bench-floods``: what others feel while one stranger, one account, or one administrator floods the site.

Each flood comes from one address, in a process of its own, on loopback and bounded in time. Somebody else, from another
address, asks ``/healthz`` and sends requests meanwhile, to the same space, whose order is fair; printed
are those two waits, and what the flood was answered.
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
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

from client import Client
from flooding import BOMBS, FLOODS, Flood

from run import ROOT, connected, start

PASSWORD = "a-password-of-our-own-7"
VICTIM = "198.51.100.7"
PERSON, VICTIMS_NAME = "flooder", "bystander"
HARM_MS = 100.0
"""What others may have to wait for, by half of their requests."""
LEAD_S = 0.3
"""A flood runs for so long before anybody measures."""
SETTLED_S, QUIET_MS = 1.5, 30.0
LONGEST_S = 10.0
"""What takes longer is said to take for ever, so that no flood keeps the ones after it from being measured."""


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
        health.append(await _timed(victim.call("GET", "/healthz")))
        form = {"prompt": "x", "wait": "10"}
        relay.append(await _timed(victim.call("POST", f"/websockets/submit/{space}", form)))
        await asyncio.sleep(0.02)
    return health, relay


async def _timed(call: Awaitable[tuple[int, dict[str, str], bytes]]) -> float:
    """Milliseconds until a good answer; for ever, for any other."""
    began = time.perf_counter()
    try:
        status, _, answer = await asyncio.wait_for(call, LONGEST_S)
    except TimeoutError:
        return math.inf
    is_good = status == 200 and json.loads(answer).get("status") in ("ok", "completed")
    return (time.perf_counter() - began) * 1000 if is_good else math.inf


def show(name: str, health: list[float], relay: list[float], answers: str) -> float:
    """One line of figures; what failed took for ever. The median of the requests."""
    half = statistics.median(relay)
    figures = [statistics.median(health), max(health), half, max(relay)]
    mark = "!" if half > HARM_MS else " "
    print(f"{mark} {name:<34}" + "".join(f"{figure:>8.0f}" for figure in figures) + f"   {answers}", flush=True)
    return half


async def measure(place: Place, flood: Flood, seconds: float) -> float:
    """One flood, beside somebody who wants to work."""
    command = [flood.name, str(place.port), place.space, place.cookies[flood.who], *place.bombs]
    # In life the flood comes from another machine: its process leaves this one's cores to the site.
    process = await asyncio.create_subprocess_exec(
        "nice", sys.executable, str(Path(__file__).with_name("flooding.py")), *command,
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout
        await process.stdout.readline()
        await asyncio.sleep(LEAD_S)
        figures = await watch(place.port, place.victim, place.space, seconds)
        said = (await asyncio.wait_for(process.communicate(b""), LONGEST_S))[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
    half = show(flood.name, *figures, said.strip())
    await settled(place)
    return half


async def settled(place: Place) -> None:
    """Return when what a flood has left behind is done, or soon."""
    end = time.perf_counter() + SETTLED_S
    while time.perf_counter() < end and max((await watch(place.port, place.victim, place.space, 0.05))[1]) > QUIET_MS:
        pass


@dataclass(frozen=True)
class Place:
    """A site with a space and its worker; who is there, and requests whose results are markdown that is all signs."""

    port: int
    space: str
    victim: Visitor
    cookies: dict[str, str]
    bombs: list[str]


async def make_space(port: int, owner: Visitor, name: str) -> tuple[str, str]:
    """A space to measure in; its id, and a token for its worker."""
    form = {"name": name, "card_type": "websockets", "ws_enable_prompt": "on", "ws_max_queue": "50000"}
    form["ws_order"] = "fair"
    _, headers, _ = await owner.call("POST", "/admin/space/add", form)
    space = headers["location"].rsplit("/", 1)[-1]
    _, _, page = await owner.call("POST", f"/admin/space/{space}/tokens", {"token_name": "bench"})
    return space, "wsp_" + page.decode().partition("wsp_")[2].partition("<")[0]


def worker(port: int, name: str, token: str, *options: str) -> subprocess.Popen[bytes]:
    """A worker of a space."""
    return subprocess.Popen(
        [sys.executable, "bench/worker.py", f"http://127.0.0.1:{port}", name, "8", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SPACES_WORKER_TOKEN": token},
    )


async def make_bombs(port: int, person: Visitor, space: str) -> list[str]:
    """Ids of requests whose results take long to render, more than the site keeps rendered."""
    made: list[str] = []
    for number in range(70):
        text = f"{number} {BOMBS[number % len(BOMBS)] * 50_000}"[:50_000]
        rows = text.splitlines()[:900]
        form = {"prompt": "\n".join(rows), "wait": "10"}
        made.append((await person.json("POST", f"/websockets/submit/{space}", form))["request_id"])
    return made


async def floods(seconds: float, only: str, *, unlimited: bool) -> None:
    """A site behind a proxy, as others reach it, its workers, its victim and each flood in turn."""
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
        started: list[subprocess.Popen[bytes]] = []
        try:
            owner = Visitor(port, "203.0.113.5")
            await owner.login("admin", PASSWORD)
            space, token = await make_space(port, owner, "Bench")
            signs, other_token = await make_space(port, owner, "Signs")
            started += [worker(port, "Bench", token), worker(port, "Signs", other_token, "markdown")]
            await connected(port, space)
            await connected(port, signs)
            victim = await member(port, VICTIM, VICTIMS_NAME)
            flooder = await member(port, "203.0.113.9", PERSON)
            cookies = {"stranger": "", "member": flooder.cookie, "admin": owner.cookie}
            place = Place(port, space, victim, cookies, await make_bombs(port, flooder, signs))
            print(f"  {'ms':<34}{'health':>8}{'most':>8}{'relay':>8}{'most':>8}   answers to the flood")
            show("nobody else", *await watch(port, victim, space, seconds), "")
            halves = [await measure(place, flood, seconds) for flood in FLOODS if only in flood.name]
            print(f"  {sum(half > HARM_MS for half in halves)} of {len(halves)} floods above {HARM_MS:.0f} ms")
        finally:
            for process in (*started, site):
                if process.poll() is None:
                    process.kill()


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.8, help="length of each flood")
    parser.add_argument("--only", default="", help="floods whose name has this in it")
    parser.add_argument("--unlimited", action="store_true", help="without bounds on the pace and the quotas")
    options = parser.parse_args()
    await floods(options.seconds, options.only, unlimited=options.unlimited)


if __name__ == "__main__":
    asyncio.run(main())
