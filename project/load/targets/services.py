"""HTTP services by name, from a TOML file: where each runs, and which endpoints are called."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from project.load.errors import BadUsage
from project.load.targets.http import Endpoint, HttpTarget, checked_headers

OWN: Final = Path(__file__).with_name("services.toml")
_SERVICE: Final = {"port", "host", "scheme", "endpoints", "headers", "auth_header"}
_ENDPOINT: Final = {"path", "method", "json", "body", "headers", "weight", "expect"}


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its address, its endpoints, and headers that go with every call."""

    name: str
    port: int
    endpoints: tuple[Endpoint, ...]
    host: str = "127.0.0.1"
    scheme: str = "http"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.port, bool) or not isinstance(self.port, int) or not 1 <= self.port <= 65535:
            raise BadUsage(f"{self.name}: the port is a number from 1 to 65535, not {self.port!r}")
        if self.scheme not in ("http", "https"):
            raise BadUsage(f"{self.name}: the scheme is http or https, not {self.scheme!r}")
        if not self.endpoints:
            raise BadUsage(f"{self.name} has no endpoints")

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://{self.host}:{self.port}"

    def target(self, timeout_s: float = 30.0, headers: Mapping[str, str] | None = None) -> HttpTarget:
        """It as a target; ``headers`` win over its own."""
        return HttpTarget(self.url, self.endpoints, {**self.headers, **(headers or {})}, timeout_s, name=self.name)


def service_from(name: str, table: Mapping[str, Any]) -> Service:
    """A service from a table: ``port``, ``endpoints``, and where wanted ``host``, ``scheme``, ``headers``.

    ``auth_header`` is another word for ``headers``. Raises BadUsage, naming the service and the field.
    """
    if not isinstance(table, Mapping):
        raise BadUsage(f"{name} is not a table")
    _known(name, table, _SERVICE)
    endpoints = table.get("endpoints", ())
    if not isinstance(endpoints, (list, tuple)):
        raise BadUsage(f"{name}: endpoints is a list")
    return Service(
        name,
        table.get("port", 80),
        tuple(_endpoint(name, item) for item in endpoints),
        str(table.get("host", "127.0.0.1")),
        str(table.get("scheme", "http")),
        {**_headers(name, table.get("auth_header", {})), **_headers(name, table.get("headers", {}))},
    )


def _endpoint(name: str, table: Any) -> Endpoint:
    if isinstance(table, str):
        return Endpoint(table)
    if not isinstance(table, Mapping):
        raise BadUsage(f"{name}: an endpoint is a table with a path, not {table!r}")
    _known(name, table, _ENDPOINT)
    body = table.get("body")
    if not isinstance(body, (str, bytes, type(None))):
        raise BadUsage(f"{name}: a body is a text, not {body!r}; json is sent as JSON")
    if body is not None and "json" in table:
        raise BadUsage(f"{name}: an endpoint sends json or body, not both")
    weight, expect = table.get("weight", 1), table.get("expect", ())
    if isinstance(weight, bool) or not isinstance(weight, int):
        raise BadUsage(f"{name}: a weight is a whole number, not {weight!r}")
    if not isinstance(expect, (list, tuple)) or not all(isinstance(status, int) for status in expect):
        raise BadUsage(f"{name}: expect is a list of statuses")
    return Endpoint(
        str(table.get("path", "/")),
        str(table.get("method", "GET")).upper(),
        table.get("json"),
        body.encode("utf-8") if isinstance(body, str) else body,
        _headers(name, table.get("headers", {})),
        weight,
        tuple(expect),
    )


def _headers(name: str, table: Any) -> dict[str, str]:
    if not isinstance(table, Mapping) or not all(isinstance(value, str) for value in table.values()):
        raise BadUsage(f"{name}: headers are texts by their names")
    return checked_headers(table)


def _known(name: str, table: Mapping[str, Any], known: set[str]) -> None:
    if unknown := set(table) - known:
        raise BadUsage(f"{name}: {', '.join(sorted(unknown))} is not one of {', '.join(sorted(known))}")


def read_services(path: Path | None = None) -> dict[str, Service]:
    """The services of a file, or those that come with the engine. Raises BadUsage."""
    file = path or OWN
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("services")
    except OSError as error:
        raise BadUsage(f"Cannot read the services {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadUsage(f"{file} is not TOML: {error}") from error
    if not isinstance(tables, dict) or not tables:
        raise BadUsage(f"{file} has no table [services.NAME]")
    return {name: service_from(name, table) for name, table in tables.items()}


def service_named(name: str, path: Path | None = None) -> Service:
    """One service. Raises BadUsage, naming those there are."""
    services = read_services(path)
    if name not in services:
        raise BadUsage(f"There is no service {name!r}; there are {', '.join(services)}")
    return services[name]
