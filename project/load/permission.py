"""What may be put under load: this machine, freely; any other target only with three things.

1. An entry in the config file, with caps:
       [targets."https://staging.example.org"]
       token = "something long that nobody guesses"
       users = 50          # at most, at once
       rate = 100          # calls per second, at most
       duration_s = 600    # of a run, at most
2. The same token served by the target itself at ``/.well-known/load-test-token``: whoever runs it agreed.
3. A proof, at most a day old, that the target processes marked requests without storing them (``verify`` writes it).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import math
import os
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
from yarl import URL

from project.load.core.plan import Plan
from project.load.errors import BadUsage, OutputFailed, RunRefused
from project.load.output.folder import write_atomically

TOKEN_PATH: Final = "/.well-known/load-test-token"
PROOF_S: Final = 24 * 3600
PROOFS: Final = Path("load_test_results") / "proofs"
LEAST_TOKEN_CHARS: Final = 16
SAFE: Final = {"X-Load-Test": "true"}
_MARK: Final = {name.lower() for name in SAFE}
_SCHEMES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


@dataclass(frozen=True, slots=True)
class Caps:
    """What a run on a target may not exceed."""

    users: float = math.inf
    rate: float = math.inf
    duration_s: float = math.inf

    def check(self, plan: Plan) -> None:
        """Raises RunRefused when a plan is over them."""
        is_open = plan.model == "open"
        users = plan.connections if is_open else plan.profile.highest
        rate = plan.profile.highest if is_open else plan.rate_limit
        asked = rate if rate is not None else _most_by_thinking(plan, math.ceil(users))
        if users > self.users:
            raise RunRefused(f"{users:g} users are more than the {self.users:g} this target may get")
        if plan.profile.duration_s > self.duration_s:
            raise RunRefused(f"{plan.profile.duration_s:g} s are more than the {self.duration_s:g} s it may last")
        if asked > self.rate:
            many = f"{asked:g} calls per second are" if math.isfinite(asked) else "calls without a pause may be"
            limit = "" if rate is not None else "; say --rps"
            raise RunRefused(f"{many} more than the {self.rate:g} per second this target may get{limit}")


def _most_by_thinking(plan: Plan, users: int) -> float:
    """Calls per second of the closed model where every answer comes at once, and only thinking takes time."""
    thinks = [plan.think_of(number) for number in range(users)]
    return sum(1 / think for think in thinks) if all(thinks) else math.inf


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry of the config: a target, its token, its caps."""

    origin: str
    token: str
    caps: Caps


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own. No name is looked up: it must say so itself. Raises BadUsage."""
    host = (URL(origin_of(url)).host or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """``https://host:port`` of an address, a WebSocket's as that of its HTTP site. Raises BadUsage.

    The address is read by what will call it, so that what is judged is what is called.
    """
    try:
        parts = URL(url)
        scheme, host, port = _SCHEMES[parts.scheme], parts.raw_host, parts.port
    except (KeyError, ValueError):
        scheme, host, port = "", None, None
    if not host:
        raise BadUsage(f"{url!r} is no address of a target: it begins with http://HOST, https://, ws:// or wss://")
    standard = 443 if scheme == "https" else 80
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + ("" if port in (None, standard) else f":{port}")


def marked(url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of a run: on another machine each request says that it is a load test, for that is what was proved."""
    if is_loopback(url):
        return dict(headers)
    return {**{name: value for name, value in headers.items() if name.lower() not in _MARK}, **SAFE}


def read_allowed(path: Path) -> dict[str, Allowed]:
    """The targets a config file allows, by origin. Raises BadUsage."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("targets", {})
    except OSError as error:
        raise BadUsage(f"Cannot read the config {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadUsage(f"{path} is not TOML: {error}") from error
    if not isinstance(tables, dict):
        raise BadUsage(f'{path}: targets are tables, [targets."https://..."]')
    allowed = (_allowed(path, url, table) for url, table in tables.items())
    return {entry.origin: entry for entry in allowed}


def _allowed(path: Path, url: str, table: Any) -> Allowed:
    token = table.get("token") if isinstance(table, Mapping) else None
    if not isinstance(token, str) or len(token) < LEAST_TOKEN_CHARS:
        raise BadUsage(f"{path}: {url} needs a token of at least {LEAST_TOKEN_CHARS} characters")
    limits = {name: table.get(name) for name in ("users", "rate", "duration_s")}
    for name, limit in limits.items():
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0:
            raise BadUsage(f"{path}: {url} needs {name}, a number above 0: nothing is unlimited on another machine")
    return Allowed(origin_of(url), token, Caps(**{name: float(limit or 0) for name, limit in limits.items()}))


def config_path(given: str = "") -> Path:
    """The config file: the one given, ``SPACES_LOAD_CONFIG``, or ``load.toml`` here."""
    return Path(given or os.environ.get("SPACES_LOAD_CONFIG", "") or "load.toml")


def allowed_entry(url: str, config: Path) -> Allowed:
    """The config's entry of a target. Raises RunRefused when there is none."""
    origin = origin_of(url)
    entry = (read_allowed(config) if config.exists() else {}).get(origin)
    if entry is None:
        raise RunRefused(f"{origin} is not this machine, and not among the targets of {config}")
    return entry


async def permit(url: str, config: Path, proofs: Path = PROOFS) -> Caps:
    """The caps of a target that may be put under load now. Raises RunRefused and says what is missing."""
    if is_loopback(url):
        return Caps()
    entry = allowed_entry(url, config)
    await check_token(entry)
    if not has_proof(entry, proofs):
        raise RunRefused(
            f"There is no proof of the last {PROOF_S // 3600} hours that {entry.origin} stores nothing of a load test; "
            f"run: python -m project.load verify --url {entry.origin}/clients/upload/process/"
        )
    return entry.caps


async def check_token(entry: Allowed) -> None:
    """See that the target itself serves the token. Raises RunRefused."""
    timeout = aiohttp.ClientTimeout(total=10)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(entry.origin + TOKEN_PATH, allow_redirects=False) as response,
        ):
            told = (await response.content.read(4096)).decode("utf-8", "replace").strip()
            status = response.status
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise RunRefused(f"{entry.origin}{TOKEN_PATH} cannot be read: {error}") from error
    if status != 200 or not hmac.compare_digest(told.encode("utf-8"), entry.token.encode("utf-8")):
        raise RunRefused(f"{entry.origin}{TOKEN_PATH} does not hold the config's token: its owner has not agreed")


def _proof_path(entry: Allowed, proofs: Path) -> Path:
    return proofs / f"{hashlib.sha256(entry.origin.encode()).hexdigest()[:16]}.json"


def _seal(entry: Allowed, at_epoch_s: int) -> str:
    return hmac.new(entry.token.encode(), f"{entry.origin} {at_epoch_s}".encode(), hashlib.sha256).hexdigest()


def write_proof(entry: Allowed, proofs: Path = PROOFS, now_epoch_s: float | None = None) -> Path:
    """Keep that a target was seen to store nothing. Raises OutputFailed."""
    at = int(time.time() if now_epoch_s is None else now_epoch_s)
    path = _proof_path(entry, proofs)
    try:
        proofs.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({"origin": entry.origin, "at": at, "seal": _seal(entry, at)}) + "\n")
    except OSError as error:
        raise OutputFailed(f"Cannot write {path}: {error.strerror}") from error
    return path


def has_proof(entry: Allowed, proofs: Path = PROOFS, now_epoch_s: float | None = None) -> bool:
    """Whether there is a proof for that target and token which is not too old."""
    now = time.time() if now_epoch_s is None else now_epoch_s
    try:
        told = json.loads(_proof_path(entry, proofs).read_text(encoding="utf-8"))
        at, seal = int(told["at"]), str(told["seal"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return 0 <= now - at <= PROOF_S and hmac.compare_digest(seal, _seal(entry, at))
