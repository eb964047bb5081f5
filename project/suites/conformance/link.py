"""One WebSocket of a worker at the stand-in site: frames in, frames out, nothing decided."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.events import Request as Handshake
from wsproto.utilities import ProtocolError

BLOCK_BYTES: Final = 65536


class Link:
    """A WebSocket. ``number`` tells one from the other, 1 is the first."""

    def __init__(self, connection: socket.socket, number: int):
        self.number = number
        self.ended = threading.Event()
        self.is_cut = False
        self._socket = connection
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._sending = threading.Lock()

    def accept(self, path: str, headers: Iterable[tuple[str, str]]) -> None:
        """Answer the worker's handshake. Raises OSError or ProtocolError."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self._protocol.initiate_upgrade_connection(raw, path)
        for each in self._protocol.events():
            if isinstance(each, Handshake):
                self._write(self._protocol.send(AcceptConnection()))

    def send(self, text: str) -> bool:
        """Send a packet; whether the connection is still there."""
        try:
            with self._sending:
                self._write(self._protocol.send(TextMessage(text)))
        except (OSError, ProtocolError):
            # The worker is gone. It is for a check to say whether it should be.
            return False
        return True

    def texts(self, on_binary: Callable[[int], None]) -> Iterator[str]:
        """Whole messages as they come, until the connection ends; ``on_binary`` is told the size of others."""
        pieces: list[str] = []
        with suppress(OSError, ProtocolError):
            while data := self._socket.recv(BLOCK_BYTES):
                with self._sending:
                    self._protocol.receive_data(data)
                    events = list(self._protocol.events())
                for each in events:
                    if isinstance(each, TextMessage):
                        pieces.append(each.data)
                        if each.message_finished:
                            yield "".join(pieces)
                            pieces.clear()
                    elif isinstance(each, BytesMessage):
                        on_binary(len(each.data))
                    elif isinstance(each, Ping | CloseConnection):
                        self._answer(each)
                        if isinstance(each, CloseConnection):
                            return

    def cut(self) -> None:
        """End it without a word, as a broken line does."""
        self.is_cut = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _answer(self, said: Ping | CloseConnection) -> None:
        with self._sending:
            self._write(self._protocol.send(said.response()))

    def _write(self, data: bytes) -> None:
        self._socket.sendall(data)
