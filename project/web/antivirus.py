"""Asking a clamd about files before they are kept; off unless ``SPACES_CLAMD`` says where one listens."""

from __future__ import annotations

import socket
import struct
from typing import IO, Final

from project.errors import FileRefused, ScannerUnavailable

BLOCK_BYTES: Final = 64 * 1024
PATIENCE_S: Final = 30.0
MOST_ANSWER_BYTES: Final = 4096


def scan(address: str, file: IO[bytes]) -> None:
    """Have ``file`` scanned from its beginning by the clamd at ``address`` (``host:port``, or a socket's path).

    Raises FileRefused for what it finds, and ScannerUnavailable when it gives no clear answer: a file that should
    have been scanned and was not is not kept. The protocol is clamd's INSTREAM (clamd(8)).
    """
    try:
        answer = _ask(address, file)
    except OSError as error:
        raise ScannerUnavailable(retry_after_s=10.0) from error
    if answer.endswith("FOUND"):
        raise FileRefused
    if not answer.endswith("OK"):
        raise ScannerUnavailable(retry_after_s=10.0)


def _ask(address: str, file: IO[bytes]) -> str:
    with _connected(address) as clamd:
        clamd.sendall(b"zINSTREAM\0")
        file.seek(0)
        while block := file.read(BLOCK_BYTES):
            clamd.sendall(struct.pack("!I", len(block)) + block)
        clamd.sendall(struct.pack("!I", 0))
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < MOST_ANSWER_BYTES:
            more = clamd.recv(MOST_ANSWER_BYTES)
            if not more:
                break
            answer += more
    return answer.rstrip(b"\0\n").decode("utf-8", "replace")


def _connected(address: str) -> socket.socket:
    if address.startswith("/"):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(PATIENCE_S)
        made.connect(address)
        return made
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_S)
