"""A small HTTP client for measuring: asyncio, keep-alive, no more work per request than it must."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode


class Client:
    """One connection, one user."""

    def __init__(self, port: int, cookie: str = ""):
        self._port = port
        self._cookie = cookie
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(
        self, method: str, path: str, form: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        body = urlencode(form).encode() if form is not None else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nCookie: {self._cookie}\r\n"
        if form is not None:
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        # The server closes a connection that was idle for long: then open another before sending anything.
        if self._writer is None or self._reader is None or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(head.encode() + b"\r\n" + body)
        raw = await self._reader.readuntil(b"\r\n\r\n")
        status, *lines = raw.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        answer = await self._reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection", "").lower() == "close":
            self._writer.close()
            self._writer = None
        return int(status.split()[1]), headers, answer

    async def json(self, method: str, path: str, form: dict[str, Any] | None = None) -> dict[str, Any]:
        status, _, answer = await self.call(method, path, form)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {answer[:200]!r}")
        body: dict[str, Any] = json.loads(answer)
        return body

    async def login(self, username: str, password: str) -> None:
        status, headers, _ = await self.call("POST", "/login", {"username": username, "password": password})
        if status != 302:
            raise RuntimeError(f"login: {status}")
        self._cookie = headers["set-cookie"].split(";")[0]
