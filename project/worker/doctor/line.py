"""The steps up to HTTP: the address, the proxy, names, connections, certificates, and who answers."""

from __future__ import annotations

import base64
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests

from project.worker.doctor.case import Case, Trouble

HEALTH = "/healthz"
MOST_REPLY_BYTES = 65536


def address(case: Case) -> str:
    """The address is one."""
    parts = urlsplit(case.host)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Trouble(
            f"{case.host!r} is no address of a site", "Give --host as https://NAME or http://NAME:PORT, scheme and all."
        )
    try:
        port = case.port
    except ValueError:
        raise Trouble(f"{case.host!r} has no usable port", "A port is a number from 1 to 65535.") from None
    if parts.path.strip("/") or parts.query:
        raise Trouble(f"{case.host!r} is an address inside a site", "Give only scheme, name and port.")
    return f"{case.name}, port {port}, {'with' if case.secure else 'without'} TLS"


def proxy(case: Case) -> str:
    """The environment's proxy, if it names one for this site, takes connections."""
    found = case.proxy
    if found is None:
        return "none"
    used = "HTTPS_PROXY" if case.secure else "HTTP_PROXY"
    if not (os.environ.get(used) or os.environ.get(used.lower())):
        raise Trouble(
            "only ALL_PROXY is set, and WebSockets do not go by it", f"Set {used} to the same address, or NO_PROXY."
        )
    try:
        socket.create_connection(found, timeout=case.timeout_s).close()
    except OSError as error:
        raise Trouble(
            f"{found[0]}:{found[1]} ({used}): {error.strerror or error}",
            f"Correct or unset {used}, or add {case.name} to NO_PROXY.",
        ) from error
    return f"{found[0]}:{found[1]} ({used})"


def names(case: Case) -> str:
    """The site's name has addresses."""
    if case.proxy is not None:
        return "left to the proxy"
    try:
        found = socket.getaddrinfo(case.name, case.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Trouble(
            f"{case.name} is not known ({getattr(error, 'strerror', None) or error})",
            "Is the name spelt right? Does this machine have a network and a name server?",
        ) from error
    return ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))


def connection(case: Case) -> str:
    """Somebody takes connections there."""
    began = time.monotonic()
    with _connected(case):
        return f"connected in {(time.monotonic() - began) * 1000:.0f} ms"


def tls(case: Case) -> str:
    """The certificate is in order, for this name and this day."""
    if not case.secure:
        return "not asked for"
    with _connected(case) as plain:
        try:
            with ssl.create_default_context().wrap_socket(plain, server_hostname=case.name) as secured:
                certificate = secured.getpeercert() or {}
                ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
                day = datetime.fromtimestamp(ends, UTC).date().isoformat()
                return f"{secured.version()}, certificate good until {day}"
        except ssl.SSLCertVerificationError as error:
            raise Trouble(f"the certificate is refused: {error.verify_message}", _certificate(error, case)) from error
        except (ssl.SSLError, OSError) as error:
            raise Trouble(
                f"no TLS there: {getattr(error, 'reason', None) or error}",
                f"Does the site speak TLS on port {case.port}? If it does not, begin --host with http://.",
            ) from error


def http(case: Case) -> str:
    """It is a site of ours that answers, and not something on the way."""
    began = time.monotonic()
    try:
        answer = requests.get(case.host + HEALTH, timeout=case.timeout_s, allow_redirects=False)
    except requests.RequestException as error:
        raise Trouble(f"no answer to GET {HEALTH}: {_innermost(error)}", _no_answer(error)) from error
    took_ms = (time.monotonic() - began) * 1000
    if answer.is_redirect:
        raise Trouble(
            f"it sends everybody on to {answer.headers['Location']}",
            "Give that address as --host: workers do not follow.",
        )
    if answer.status_code == 400 and "bad_host" in answer.text:
        raise Trouble(
            f"the site does not answer to the name {case.name}",
            "Set SPACES_PUBLIC_ORIGIN on the site to the address that workers use.",
        )
    if answer.status_code in (502, 503, 504):
        raise Trouble(
            f"{answer.headers.get('Server', 'a proxy')} answers {answer.status_code} for the site",
            "The proxy in front of the site does not reach it: is the site running, and does the proxy know its port?",
        )
    if answer.status_code == 407:
        raise Trouble("the proxy wants a login", "Write it into the proxy's address: http://USER:PASSWORD@NAME:PORT.")
    if answer.status_code != 200 or '"ok"' not in answer.text:
        raise Trouble(
            f"GET {HEALTH} is answered by something else ({answer.status_code}, {answer.headers.get('Content-Type')})",
            "Is that the address of the site itself, and nothing, such as a login page of the network, in between?",
        )
    return f"the site answers in {took_ms:.0f} ms"


@contextmanager
def _connected(case: Case) -> Iterator[socket.socket]:
    """A connection to the site, through the proxy if there is one."""
    target = case.proxy or (case.name, case.port)
    try:
        made = socket.create_connection(target, timeout=case.timeout_s)
    except OSError as error:
        raise Trouble(
            f"{target[0]}:{target[1]}: {error.strerror or error}",
            "Is the site running, is that its port, and does no firewall stand in between? "
            "A site that listens on 127.0.0.1 is reached from its own machine only.",
        ) from error
    with made:
        if case.proxy is not None:
            _tunnel(case, made)
        yield made


def _tunnel(case: Case, line: socket.socket) -> None:
    target = f"{case.name}:{case.port}"
    line.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{_login(case)}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < MOST_REPLY_BYTES:
        block = line.recv(4096)
        if not block:
            break
        answer += block
    status = answer.split(b"\r\n", 1)[0].decode("latin-1")
    if " 200" not in status:
        raise Trouble(
            f"the proxy lets no tunnel through to {target}: {status or 'no answer'}",
            "WebSockets go through a proxy by CONNECT: ask for it to be allowed, or go round it with NO_PROXY.",
        )


def _login(case: Case) -> str:
    proxies = requests.utils.get_environ_proxies(case.host)
    found = urlsplit(proxies.get("https" if case.secure else "http", ""))
    if not found.username:
        return ""
    text = base64.b64encode(f"{found.username}:{found.password or ''}".encode()).decode()
    return f"Proxy-Authorization: Basic {text}\r\n"


def _certificate(error: ssl.SSLCertVerificationError, case: Case) -> str:
    text = error.verify_message.lower()
    if "expired" in text:
        return "Renew it on the site; or is this machine's clock wrong?"
    if "hostname" in text or "ip address" in text:
        return f"The certificate is for another name than {case.name}: use the one it is for."
    return (
        "An authority of your own? Set both SSL_CERT_FILE and REQUESTS_CA_BUNDLE to its certificate. "
        "Otherwise somebody on the way may be reading along."
    )


def _no_answer(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "Files go by REQUESTS_CA_BUNDLE, WebSockets by SSL_CERT_FILE: set both."
    return "Something takes connections there, but it does not speak HTTP. Is that the site's port?"


def _innermost(error: BaseException) -> BaseException:
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return error
