"""Who is at the other end of a worker's connection, and whether it may do without a token."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from project.config import Settings
from project.relay.registration import Peer

FORWARDING = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


def peer_of(connection_id: str, environ: Mapping[str, Any], settings: Settings) -> Peer:
    """The peer of a connection whose handshake had this WSGI environment."""
    host = str(environ.get("HTTP_HOST", ""))
    base_url = settings.public_origin or f"{environ.get('wsgi.url_scheme', 'http')}://{host}"
    address = str(environ.get("REMOTE_ADDR", ""))
    return Peer(connection_id, is_local(environ, settings), base_url.rstrip("/"), address)


def is_local(environ: Mapping[str, Any], settings: Settings) -> bool:
    """Whether the peer runs on this machine for certain.

    Behind a proxy every peer seems to be local, so one sign of a proxy, or a name that a page elsewhere could
    have pointed here, is enough to say no.
    """
    forwarded = any(name in environ for name in FORWARDING) or any(n.startswith("HTTP_X_FORWARDED") for n in environ)
    host = str(environ.get("HTTP_HOST", "")).rsplit(":", 1)[0] if environ.get("HTTP_HOST") else ""
    return (
        settings.development_logins
        and not settings.public_origin
        and not forwarded
        and host in LOCAL_NAMES
        and _is_loopback(str(environ.get("REMOTE_ADDR", "")))
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.split("%")[0]).is_loopback
    except ValueError:
        return False
