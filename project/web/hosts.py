"""The names the site answers to. A name that somebody else's DNS points here is not one of them."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import urlsplit

from project.config import Settings
from project.errors import BadHost

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(:[0-9]{1,5})?")


class Hosts:
    """Host headers, judged.

    On loopback: its own names. Elsewhere also any address, because an address cannot be pointed here by somebody
    else's DNS, and the machine's own name. Always: ``public_origin`` and ``trusted_hosts``.
    """

    def __init__(self, settings: Settings):
        own = urlsplit(settings.public_origin).hostname or ""
        self._names = LOCAL_HOSTS | set(settings.allowed_hosts) | ({own} if own else set())
        self._addresses = not settings.is_loopback
        if self._addresses:
            machine = socket.gethostname().lower()
            self._names |= {machine, f"{machine}.local"}

    def refusal(self, host: str) -> BadHost | None:
        """BadHost for a host header that is not the site's, or is none at all."""
        found = _HOST.fullmatch(host)
        if found is None:
            return BadHost()
        name = found[1].lower()
        if name.rstrip(".") in self._names or name in self._names or (self._addresses and _is_address(name)):
            return None
        return BadHost(f"The site does not answer to {name}; SPACES_TRUSTED_HOSTS lists the names it does answer to")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
