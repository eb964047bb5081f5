"""What is examined, what is known of it so far, and how a step says that something is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies


class Trouble(Exception):
    """A step failed: ``what`` is wrong, and what ``mends`` it."""

    def __init__(self, what: str, mends: str):
        super().__init__(what)
        self.what = what
        self.mends = mends


@dataclass
class Case:
    """An address, a space and a token, and what the steps have found out. Times are in seconds."""

    host: str
    space: str
    token: str
    timeout_s: float = 10.0
    socket: Any = None
    opening: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def secure(self) -> bool:
        """Whether the site is spoken to by TLS."""
        return self.host.startswith("https:")

    @property
    def name(self) -> str:
        """The site's host name."""
        return urlsplit(self.host).hostname or ""

    @property
    def port(self) -> int:
        """The site's port."""
        return urlsplit(self.host).port or (443 if self.secure else 80)

    @property
    def proxy(self) -> tuple[str, int] | None:
        """Name and port of the proxy that the environment names for this site."""
        proxies = get_environ_proxies(self.host)
        address = proxies.get("https" if self.secure else "http") or proxies.get("all")
        if not address:
            return None
        found = urlsplit(address if "://" in address else f"http://{address}")
        return found.hostname or "", found.port or 80

    def close(self) -> None:
        """Let go of the connection, if one is open."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
