"""Settings: one table of name, type, default and help; read from the environment, overridden by flags.

``SPACES_<NAME IN CAPITALS>`` sets a value. The table is what ``docs/reference/settings.md`` documents (a test says so).
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from project.core.quotas import NONE, Quota
from project.errors import SettingInvalid


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str
    kind: type
    default: Any
    help: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"SPACES_{self.name.upper()}"


TABLE: Final[tuple[Setting, ...]] = (
    Setting(
        "host",
        str,
        "127.0.0.1",
        "Address to listen on. Anything but loopback needs an administrator with a password of their own.",
    ),
    Setting("port", int, 5001, "Port to listen on; 0 takes a free one."),
    Setting("data_dir", Path, Path("instance"), "Folder of the database, the uploads, the secret key."),
    Setting("async_mode", str, "eventlet", "Server: eventlet, gevent or threading."),
    Setting("database_url", str, "", "SQLAlchemy URL; empty means SQLite in the data folder; memory:// keeps nothing."),
    Setting(
        "redis_url",
        str,
        "",
        "Redis that carries hints between nodes, e.g. redis://:password@host:6379/0; empty: they ask the database.",
    ),
    Setting("admin_user", str, "admin", "Name of the first administrator."),
    Setting(
        "admin_password",
        str,
        "",
        "Password of the first administrator, given once; empty means admin123, on loopback only.",
    ),
    Setting("secret_key", str, "", "What the site signs with; empty means a key made in the data folder."),
    Setting("secret_key_fallbacks", str, "", "Earlier secret keys that are still believed, separated by commas."),
    Setting("public_origin", str, "", "How browsers reach the site, e.g. https://spaces.example, behind a proxy."),
    Setting("proxy_hops", int, 0, "How many reverse proxies stand in front and set X-Forwarded-*."),
    Setting(
        "trusted_hosts",
        str,
        "",
        "Names the site answers to, with commas, besides its addresses, localhost, its host's name and public_origin.",
    ),
    Setting("cors_origins", str, "", "Origins, with commas, whose pages may connect as workers; empty means none."),
    Setting("request_idle_s", float, 15.0, "Seconds a request's head may take, and a wait for more of its body."),
    Setting("max_connections", int, 5000, "Open connections, workers and live pages included; more are closed."),
    Setting(
        "max_connections_per_address",
        int,
        0,
        "Open connections, or behind proxies requests, of one address; 0: 500, and any number on a development site.",
    ),
    Setting(
        "address_requests_per_s",
        int,
        0,
        "Requests a second of one address, ten seconds' worth at once; 0: 100, and any number on a development site.",
    ),
    Setting("register_s", float, 10.0, "Seconds a connection has to register as a worker."),
    Setting("worker_messages_per_s", int, 2000, "Messages a second of one worker; more of them wait."),
    Setting(
        "safe_mode_requests", int, 2000, "Requests in safe mode (X-Load-Test) in memory at a time; 0 refuses them."
    ),
    Setting("safe_mode_keep_s", float, 30.0, "Least seconds a request in safe mode can be asked about after its end."),
    Setting("max_upload_bytes", int, 200 * 1024 * 1024, "Largest submission, all files together."),
    Setting(
        "quota_requests_per_minute",
        int,
        0,
        "Requests a minute of one person, over all spaces; 0: 300, and any number on a development site.",
    ),
    Setting("quota_open_requests", int, 0, "Open requests of one person; 0: 200, and any on a development site."),
    Setting("quota_kept_bytes", int, 0, "Bytes of files kept of one person; 0: 10 GB, and any on a development site."),
    Setting("clamd", str, "", "A clamd that scans files before they are kept: host:port or a path; empty means none."),
    Setting(
        "ping_interval_s", int, 5, "Seconds between pings to a worker; whole ones, as the handshake tells no other."
    ),
    Setting("ping_timeout_s", int, 5, "Seconds a worker has to answer a ping; whole ones as well."),
    Setting("lease_s", float, 15.0, "Seconds a worker keeps an attempt without a sign of life."),
    Setting("heartbeat_s", float, 4.0, "Seconds between heartbeats asked of a worker."),
    Setting("max_attempts", int, 3, "How often a request is handed out before it fails as worker_lost."),
    Setting("session_idle_s", float, 8 * 3600.0, "Seconds after which an unused login ends."),
    Setting("session_max_s", float, 7 * 86400.0, "Seconds after which any login ends."),
    Setting("log_days", float, 30.0, "Days the console's log keeps a call."),
    Setting("log_calls", int, 50_000, "How many calls the console's log keeps; at most half are of load runs."),
    Setting("registration", str, "open", "Whether people make their own accounts: open, or closed."),
    Setting("audit_keep_s", float, 90 * 86400.0, "Seconds the audit log goes back."),
    Setting("audit_most", int, 200_000, "How many entries the audit log has at most."),
    Setting("log_file", Path, Path("error.log"), "Where warnings and errors are written, besides the console."),
)
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")
_CLAMD: Final = re.compile(r"/.+|\[[0-9a-f:.]+\]:[0-9]{1,5}|[A-Za-z0-9_.-]+:[0-9]{1,5}")
_POSTGRES_URL: Final = re.compile(r"^postgres(ql)?://")
_HOST_NAME: Final = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")
_OF_OTHERS: Final = tuple(f"SPACES_{kind}" for kind in ("WORKER_", "LOAD_", "KEY", "TEST_", "FUZZ_", "FAULT_"))
"""How variables of workers, load runs, programs and tests begin."""
REGISTRATION: Final = ("open", "closed")
_MAY_BE_0: Final = (
    "port",
    "proxy_hops",
    "max_connections_per_address",
    "address_requests_per_s",
    "quota_requests_per_minute",
    "quota_open_requests",
    "quota_kept_bytes",
)
USUAL_CONNECTIONS: Final = 500
USUAL_PACE: Final = 100
USUAL_QUOTA: Final = Quota(per_minute=300, open=200, kept_bytes=10 * 1024**3)
ASYNC_MODES: Final = ("eventlet", "gevent", "threading")


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, checked. See ``TABLE`` for meanings and units."""

    host: str = "127.0.0.1"
    port: int = 5001
    data_dir: Path = Path("instance")
    async_mode: str = "eventlet"
    database_url: str = ""
    redis_url: str = ""
    admin_user: str = "admin"
    admin_password: str = ""
    secret_key: str = ""
    secret_key_fallbacks: str = ""
    public_origin: str = ""
    proxy_hops: int = 0
    trusted_hosts: str = ""
    cors_origins: str = ""
    request_idle_s: float = 15.0
    max_connections: int = 5000
    max_connections_per_address: int = 0
    address_requests_per_s: int = 0
    register_s: float = 10.0
    worker_messages_per_s: int = 2000
    safe_mode_requests: int = 2000
    safe_mode_keep_s: float = 30.0
    max_upload_bytes: int = 200 * 1024 * 1024
    quota_requests_per_minute: int = 0
    quota_open_requests: int = 0
    quota_kept_bytes: int = 0
    clamd: str = ""
    ping_interval_s: int = 5
    ping_timeout_s: int = 5
    lease_s: float = 15.0
    heartbeat_s: float = 4.0
    max_attempts: int = 3
    session_idle_s: float = 8 * 3600.0
    session_max_s: float = 7 * 86400.0
    log_days: float = 30.0
    log_calls: int = 50_000
    registration: str = "open"
    audit_keep_s: float = 90 * 86400.0
    audit_most: int = 200_000
    log_file: Path = Path("error.log")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **flags: Any) -> Settings:
        """Read ``SPACES_*``; flags that are not None win. Raises SettingInvalid naming the variable."""
        source = os.environ if environment is None else environment
        values = {row.name: _parse(row, source[row.variable]) for row in TABLE if row.variable in source}
        values.update({name: value for name, value in flags.items() if value is not None})
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        """Raise SettingInvalid for a value, or two that do not go together."""
        if self.async_mode not in ASYNC_MODES:
            raise SettingInvalid(f"SPACES_ASYNC_MODE must be one of {', '.join(ASYNC_MODES)}", field="async_mode")
        if not 0 <= self.port <= 65535:
            raise SettingInvalid("SPACES_PORT must be from 0 to 65535", field="port")
        for row in TABLE:
            if row.kind is int and not isinstance(getattr(self, row.name), int):
                raise SettingInvalid(f"{row.variable} must be a whole number", field=row.name)
            if row.kind in (float, int) and row.name not in _MAY_BE_0 and getattr(self, row.name) <= 0:
                raise SettingInvalid(f"{row.variable} must be above 0", field=row.name)
            if row.name in _MAY_BE_0 and getattr(self, row.name) < 0:
                raise SettingInvalid(f"{row.variable} must be 0 or more", field=row.name)
        self._check_names()
        self._check_redis()
        if self.heartbeat_s * 2 > self.lease_s:
            raise SettingInvalid("SPACES_LEASE_S must be at least twice SPACES_HEARTBEAT_S", field="lease_s")
        if self.registration not in REGISTRATION:
            raise SettingInvalid(f"SPACES_REGISTRATION must be one of {', '.join(REGISTRATION)}", field="registration")

    def _check_redis(self) -> None:
        # The value itself may hold a password, and is not repeated.
        if self.redis_url and not self.redis_url.startswith(("redis://", "rediss://", "unix://")):
            raise SettingInvalid("SPACES_REDIS_URL must be like redis://:password@host:6379/0", field="redis_url")
        if self.redis_url and self.is_alone:
            raise SettingInvalid(
                "SPACES_REDIS_URL is of use only where nodes share a database: set SPACES_DATABASE_URL to PostgreSQL",
                field="redis_url",
            )

    def _check_names(self) -> None:
        for origin in self.allowed_origins:
            if not _ORIGIN.fullmatch(origin):
                raise SettingInvalid(
                    f"SPACES_CORS_ORIGINS must be origins such as https://pages.example, not {origin!r}",
                    field="cors_origins",
                )
        if self.clamd and not _CLAMD.fullmatch(self.clamd):
            raise SettingInvalid("SPACES_CLAMD must be host:port or a path", field="clamd")
        for name in self.allowed_hosts:
            if not _HOST_NAME.fullmatch(name):
                raise SettingInvalid(f"SPACES_TRUSTED_HOSTS must be host names, not {name!r}", field="trusted_hosts")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the site directly."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """``trusted_hosts``, one by one, in lower case."""
        return _listed(self.trusted_hosts.lower())

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """``cors_origins``, one by one; the site's own public origin is among them if there are any."""
        listed = _listed(self.cors_origins)
        return (*listed, self.public_origin.rstrip("/")) if listed and self.public_origin else listed

    @property
    def is_alone(self) -> bool:
        """Whether no other process can write to the store."""
        return self.store_url.startswith(("sqlite:", "memory:"))

    @property
    def address_connections(self) -> int:
        """Open connections of one address; 0: no bound. Each may hold a message of a megabyte before it is known."""
        return self.max_connections_per_address or (0 if self.development_logins else USUAL_CONNECTIONS)

    @property
    def pace(self) -> int:
        """Requests a second of one address; 0: no bound."""
        return self.address_requests_per_s or (0 if self.development_logins else USUAL_PACE)

    @property
    def quota(self) -> Quota:
        """What one person may use, administrators aside. Whoever reaches a development site has its machine."""
        usual = NONE if self.development_logins else USUAL_QUOTA
        return Quota(
            per_minute=self.quota_requests_per_minute or usual.per_minute,
            open=self.quota_open_requests or usual.open,
            kept_bytes=self.quota_kept_bytes or usual.kept_bytes,
        )

    @property
    def development_logins(self) -> bool:
        """Whether admin/admin123 and testuser/testpass123 exist."""
        return self.is_loopback and self.proxy_hops == 0

    @property
    def store_url(self) -> str:
        """The database's SQLAlchemy URL."""
        if not self.database_url:
            return f"sqlite:///{(self.data_dir / 'spaces.db').resolve()}"
        # By whatever name its owner knows the server, there is one driver.
        return _POSTGRES_URL.sub("postgresql+psycopg://", self.database_url)

    @property
    def upload_dir(self) -> Path:
        """Where files are kept, outside the web root; absolute, for Flask looks for others beside its own code."""
        return self.data_dir.resolve() / "files"

    def with_port(self, port: int) -> Settings:
        """The same settings on another port."""
        return replace(self, port=port)


def unknown_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Variables that look like settings and are none, each with the one that may be meant: most are misspelt."""
    known = [row.variable for row in TABLE]
    for variable in sorted(environment):
        if variable.startswith("SPACES_") and variable not in known and not variable.startswith(_OF_OTHERS):
            yield variable, next(iter(difflib.get_close_matches(variable, known, n=1, cutoff=0.7)), None)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _parse(row: Setting, text: str) -> Any:
    try:
        return row.kind(text)
    except ValueError:
        kind = {int: "whole number", float: "number"}.get(row.kind, row.kind.__name__)
        raise SettingInvalid(f"{row.variable}={text!r} is not a {kind}", field=row.name) from None


assert {row.name for row in TABLE} == {entry.name for entry in fields(Settings)}
