"""Floods for ``floods.py``: what is asked, and who asks it again and again until the standard input ends."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from openpyxl import Workbook

STRANGER = "192.0.2.66"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Ask:
    """One request of a flood. ``{n}`` in its path is the next of the ids that the flood was given.

    ``hold_s``: do not wait for the answer's end, but for this long, then hang up. ``then``: say that when it is begun.
    """

    method: str
    path: str
    body: bytes = b""
    kind: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    hold_s: float = 0.0
    then: bytes = b""


@dataclass(frozen=True)
class Flood:
    """What is asked again and again over ``connections``; ``who``: a stranger, or somebody who is logged in."""

    name: str
    ask: Callable[[str], Ask]
    connections: int = 20
    who: str = "member"


def _parts(count: int) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n'
    return part * count + b"--b--\r\n"


def _submit(body: bytes, kind: str) -> Callable[[str], Ask]:
    return lambda space: Ask("POST", f"/websockets/submit/{space}", body, kind)


def _get(path: str, *headers: tuple[str, str], hold_s: float = 0.0) -> Callable[[str], Ask]:
    return lambda space: Ask("GET", path.replace("SPACE", space), headers=headers, hold_s=hold_s)


def _frame(text: str) -> bytes:
    """A WebSocket message of a client, masked with zeros."""
    sent = text.encode()
    return bytes([0x81, 0x80 | 126]) + len(sent).to_bytes(2, "big") + bytes(4) + sent


def _websocket(text: str = "", hold_s: float = 0.02) -> Callable[[str], Ask]:
    headers = (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("Sec-WebSocket-Version", "13"),
    )
    then = _frame(text) if text else b""
    return lambda space: Ask("GET", "/socket.io/?EIO=4&transport=websocket", headers=headers, hold_s=hold_s, then=then)


def _chat(messages: int, text: str) -> Callable[[str], Ask]:
    said = [{"role": "user" if n % 2 else "assistant", "content": text} for n in range(messages)]
    return lambda space: Ask(
        "POST", "/v1/chat/completions", json.dumps({"model": space, "messages": said}).encode(), JSON
    )


def _file(name: str, content: bytes) -> Callable[[str], Ask]:
    part = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    body = part + content + b"\r\n--b--\r\n"
    return lambda space: Ask("POST", "/clients/upload/process/", body, "multipart/form-data; boundary=b")


def _workbook(rows: int) -> bytes:
    book, file = Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet()
    for number in range(rows):
        sheet.append([f"name {number}", number, "a@b.example", "text", 1.5])
    book.save(file)
    return file.getvalue()


DEEP = b'{"prompt":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
FLOODS = (
    Flood("pages, by a stranger", _get("/"), who="stranger"),
    Flood("health, by a stranger", _get("/healthz"), who="stranger"),
    Flood("pages, by a member", _get("/requests")),
    Flood("the page of a space", _get("/ai_project/SPACE")),
    Flood("form of 2 MB, a million fields", _submit(b"a&" * 1_000_000, FORM)),
    Flood("form of 2 MB, one long field", _submit(b"prompt=" + b"%E4%BD%A0" * 220_000, FORM)),
    Flood("form of 1.4 MB, one long field", _submit(b"prompt=" + b"a%41" * 350_000, FORM)),
    Flood("prompts of 100,000 characters", _submit(b"prompt=" + b"%E4%BD%A0" * 100_000, FORM)),
    Flood("form of 250 KB to /login", lambda s: Ask("POST", "/login", b"a&" * 125_000, FORM), who="stranger"),
    Flood("JSON of 1.9 MB", _submit(b'{"prompt":"x","params":{' + b'"a":[[1],[2]],' * 130_000 + b'"b":1}}', JSON)),
    Flood("JSON nested deeply", _submit(DEEP, JSON)),
    Flood("multipart of 20,000 parts", _submit(_parts(20_000), "multipart/form-data; boundary=b")),
    Flood(
        "Accept-Language of 24 KB",
        _get("/", ("Accept-Language", ",".join(f"a{n}-b;q=0.{n % 9}" for n in range(2000))[:24_000])),
        who="stranger",
    ),
    Flood(
        "Accept of 24 KB",
        _get("/", ("Accept", ",".join(f"a/b{n};q=0.1" for n in range(1600))[:24_000])),
        who="stranger",
    ),
    Flood(
        "cookies of 24 KB", _get("/", ("Cookie", "; ".join(f"c{n}=v" for n in range(3000))[:24_000])), who="stranger"
    ),
    Flood("a query of 24 KB", _get("/?" + "&".join("a=b" for _ in range(6000))), who="stranger"),
    Flood(
        "logins with wrong passwords",
        lambda s: Ask("POST", "/login", b"username=admin&password=x", FORM),
        who="stranger",
    ),
    Flood("registrations", lambda s: Ask("POST", "/register", b"username=%00&password=x", FORM), who="stranger"),
    Flood("streams held open", _get("/websockets/stream?space_id=SPACE", hold_s=30), 60),
    Flood("streams opened and left", _get("/websockets/stream?space_id=SPACE", hold_s=0.05), 20),
    Flood("calls that wait", _submit(b"prompt=x&wait=20", FORM), 60),
    Flood("WebSockets opened and left", _websocket(), who="stranger"),
    Flood("workers with wrong tokens", _websocket('40{"space":"Bench","token":"wsp_no"}', 0.2), who="stranger"),
    Flood("status of unknown requests", _get("/websockets/status?request_id=none")),
    Flood("chats of 1,000 messages", _chat(1000, "x" * 60)),
    Flood("chats of too many messages", _chat(12_000, "x" * 90)),
    Flood("markdown that is all signs", _get("/websockets/rendered/{n}")),
    Flood("tables of clients, CSV", _file("a.csv", b"name,phone,email\n" + b"a,1,b@c.example\n" * 20_000)),
    Flood("tables of clients, XLSX", lambda s: _file("a.xlsx", _workbook(4000))(s)),
    Flood("the console's page", _get("/cfg/ipc/"), who="admin"),
    Flood("the console's log as CSV", _get("/cfg/ipc/monitor/export.csv"), who="admin"),
    Flood("the console's log as JSON", _get("/cfg/ipc/monitor/export.json"), who="admin"),
    Flood("the audit log", _get("/admin/audit"), who="admin"),
    Flood("the audit log as CSV", _get("/admin/audit.csv"), who="admin"),
)
BOMBS = ("*a _b ", "[a](", "- a\n", "> a\n\n", "a**b*", "&#x", "|*a|b|c|d|e|f|g|h|i|j\n")
"""What markdown takes longest over."""


async def _once(port: int, ask: Ask, path: str, cookie: str, connection: list[Line]) -> str:
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
        writer.write(f"{ask.method} {path} HTTP/1.1\r\n{head}\r\n".encode() + ask.body)
        raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        told = {name.lower(): value for name, _, value in (line.partition(": ") for line in raw.split("\r\n")[1:])}
        if ask.hold_s:
            writer.write(ask.then)
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), ask.hold_s)
        elif told.get("transfer-encoding") == "chunked":
            await reader.readuntil(b"\r\n0\r\n\r\n")
        elif "content-length" in told:
            await reader.readexactly(int(told["content-length"]))
        if ask.hold_s or told.get("connection", "").lower() == "close":
            raise ConnectionResetError(raw[9:12])
        return raw[9:12]
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        connection.clear()
        writer.close()
        return str(error) if isinstance(error, ConnectionResetError) and str(error).isdigit() else "closed"


async def attack(port: int, flood: Flood, space: str, cookie: str, ids: list[str]) -> None:
    """Ask over all the connections until the standard input ends; print how often which status was the answer."""
    answers: Counter[str] = Counter()
    ask, each = flood.ask(space), itertools.cycle(ids or [""])

    async def go() -> None:
        connection: list[Line] = []
        while True:
            try:
                answers[await _once(port, ask, ask.path.replace("{n}", next(each)), cookie, connection)] += 1
            except OSError:
                answers["closed"] += 1
                await asyncio.sleep(0.05)

    tasks = [asyncio.ensure_future(go()) for _ in range(flood.connections)]
    print("begun", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    print(json.dumps(dict(answers.most_common())))


if __name__ == "__main__":
    name, port, space, cookie, *ids = sys.argv[1:]
    asyncio.run(attack(int(port), next(flood for flood in FLOODS if flood.name == name), space, cookie, ids))
