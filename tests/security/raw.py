"""Talking to a site byte by byte, as somebody would who means it no good."""

from __future__ import annotations

import base64
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.conftest import PATIENCE_S, LiveSite

MB = 1024 * 1024
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{more}\r\n"
)


def connect(site: LiveSite, *, timeout_s: float = PATIENCE_S) -> socket.socket:
    """A bare connection."""
    made = socket.create_connection(("127.0.0.1", site.port), timeout=timeout_s)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def head(sock: socket.socket) -> str:
    """The head of an answer, or as much of it as came before the end; the body stays unread."""
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            break
        read += byte
    return read.decode("latin-1")


def status(sock: socket.socket) -> int:
    """The status of the next answer; 0 if the connection was closed instead."""
    try:
        words = head(sock).split(" ", 2)
    except ConnectionError:
        return 0
    return int(words[1]) if len(words) > 1 else 0


def closes(sock: socket.socket) -> bool:
    """Whether the other end closes before the timeout, whatever it says before."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


class RawWebSocket:
    """A WebSocket of which every bit can be chosen."""

    def __init__(self, site: LiveSite, *headers: str, path: str = "/socket.io/?EIO=4&transport=websocket"):
        self.socket = connect(site)
        key = base64.b64encode(os.urandom(16)).decode()
        more = "".join(f"{header}\r\n" for header in headers)
        self.socket.sendall(HANDSHAKE.format(path=path, port=site.port, key=key, more=more).encode())
        self.head = head(self.socket)
        self.status = int(self.head.split(" ", 2)[1]) if self.head else 0

    def frame(self, data: bytes, *, opcode: int = 1, fin: bool = True, flags: int = 0) -> None:
        """Send one masked frame (with a mask of zeros)."""
        first = (0x80 if fin else 0) | flags | opcode
        length = len(data)
        if length < 126:
            lengths = struct.pack("!BB", first, 0x80 | length)
        elif length < 65536:
            lengths = struct.pack("!BBH", first, 0xFE, length)
        else:
            lengths = struct.pack("!BBQ", first, 0xFF, length)
        self.socket.sendall(lengths + b"\0\0\0\0" + data)

    def receive(self) -> str | None:
        """The next text message; None once the connection is over."""
        while True:
            read = self._exactly(2)
            if read is None:
                return None
            length = read[1] & 127
            if length > 125:
                size = 2 if length == 126 else 8
                length = int.from_bytes(self._exactly(size) or b"", "big")
            data = self._exactly(length) if length else b""
            if data is None or read[0] & 15 == 8:
                return None
            if read[0] & 15 == 1:
                return data.decode()

    def until(self, start: str) -> str | None:
        """The next text message that begins so; pings are answered on the way."""
        while (text := self.receive()) is not None:
            if text == "2":
                self.frame(b"3")
            if text.startswith(start):
                return text
        return None

    def join(self) -> None:
        """Enter the default namespace."""
        self.frame(b"40")
        assert self.until("40{")

    def is_cut(self) -> bool:
        """Whether the site closes the connection before the timeout."""
        try:
            return closes(self.socket)
        finally:
            self.socket.close()

    def _exactly(self, count: int) -> bytes | None:
        read = b""
        while len(read) < count:
            try:
                more = self.socket.recv(count - len(read))
            except ConnectionError:
                return None
            if not more:
                return None
            read += more
        return read


@contextmanager
def growth_of(site: LiveSite, *, lasting: bool = False) -> Iterator[list[int]]:
    """How many bytes of memory the site has gained in the block, where it had the most: ``[bytes]`` at its end.

    ``lasting``: only what it has not given back.
    """
    assert site.process
    process = psutil.Process(site.process.pid)
    before = most = process.memory_info().rss
    over = threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(0.005):
            most = max(most, process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    gained: list[int] = []
    try:
        yield gained
    finally:
        over.set()
        looking.join()
    now = process.memory_info().rss
    gained.append((now if lasting else max(most, now)) - before)
