"""Services by name, from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from project.load.errors import BadUsage
from project.load.output.folder import read_record
from project.load.targets.services import read_services, service_from, service_named
from tests.load.conftest import Calibration, Command


def test_the_documents_services_are_there_with_their_ports_and_endpoints() -> None:
    found = {
        name: (service.port, [item.path for item in service.endpoints]) for name, service in read_services().items()
    }
    assert found == {
        "pkd_service": (8088, ["/", "/docs", "/v1/masterlist", "/v1/dsclist", "/v1/crl"]),
        "document_processing": (8080, ["/", "/api/health", "/api/ping", "/docs"]),
        "ui_app": (8000, ["/", "/health", "/docs"]),
        "site": (5001, ["/", "/login", "/healthz"]),
    }


def test_every_endpoint_is_called_by_its_weight_with_the_services_headers(
    load: Callable[..., Command], echo: Calibration, tmp_path: Path
) -> None:
    file = tmp_path / "services.toml"
    file.write_text(
        f"""
[services.mine]
port = {echo.port}
auth_header = {{ Authorization = "Bearer token" }}
endpoints = [{{ path = "/a", weight = 3 }}, {{ path = "/b", method = "POST", json = {{ n = 1 }} }}]
""",
        encoding="utf-8",
    )
    command = load("load", "--service", "mine", "--services", str(file), "--users", "1", "--requests", "40",
                   "--thresholds", "services", "--allow-invalid")  # fmt: skip
    assert command.wait() == 0, command.process.output
    record = read_record(command.folder)
    assert {name: figures["calls"] for name, figures in record.endpoints.items()} == {"GET /a": 30, "POST /b": 10}
    assert record.verdict.profile == "services"
    assert record.verdict.level == "good"


def test_a_service_that_is_not_running_is_named_with_its_port(load: Callable[..., Command], tmp_path: Path) -> None:
    file = tmp_path / "services.toml"
    file.write_text('[services.pkd_service]\nport = 1\nendpoints = ["/"]\n', encoding="utf-8")
    command = load("load", "--service", "pkd_service", "--services", str(file))
    assert command.wait() == 2
    assert "Service pkd_service is not running on port 1" in command.process.output


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"port": 0, "endpoints": ["/"]}, "the port is a number"),
        ({"port": "x", "endpoints": ["/"]}, "the port is a number"),
        ({"port": 1}, "has no endpoints"),
        ({"port": 1, "endpoints": "/"}, "endpoints is a list"),
        ({"port": 1, "endpoints": [3]}, "an endpoint is a table"),
        ({"port": 1, "endpoints": ["no-slash"]}, "begins with /"),
        ({"port": 1, "endpoints": [{"path": "/", "method": "FETCH"}]}, "is not one of the methods"),
        ({"port": 1, "endpoints": [{"path": "/", "weight": 0}]}, "from 1 to 1000"),
        ({"port": 1, "endpoints": [{"path": "/", "weight": "3"}]}, "a whole number"),
        ({"port": 1, "endpoints": [{"path": "/", "expect": 200}]}, "a list of statuses"),
        ({"port": 1, "endpoints": [{"url": "/"}]}, "url is not one of"),
        ({"port": 1, "prot": 2, "endpoints": ["/"]}, "prot is not one of"),
        ({"port": 1, "endpoints": ["/"], "scheme": "ftp"}, "http or https"),
        ({"port": 1, "endpoints": ["/"], "headers": {"a": 1}}, "headers are texts"),
        ({"port": 1, "endpoints": ["/"], "headers": {"a b": "1"}}, "'a b' is no name of a header"),
        ({"port": 1, "endpoints": ["/"], "auth_header": {"a": "1\r\nb: 2"}}, "the header a has a line's end"),
        ({"port": 1, "endpoints": [{"path": "/", "body": 3}]}, "a body is a text"),
        ({"port": 1, "endpoints": [{"path": "/", "body": "x", "json": 3}]}, "json or body, not both"),
        (3, "is not a table"),
    ],
)
def test_what_is_wrong_with_a_service_is_said(table: object, says: str) -> None:
    with pytest.raises(BadUsage, match=says):
        service_from("mine", table)  # type: ignore[arg-type]


def test_unknown_services_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="there are pkd_service"):
        service_named("nope")
    for text, says in (("[", "is not TOML"), ("a = 1", r"no table \[services.NAME\]")):
        (tmp_path / "x.toml").write_text(text, encoding="utf-8")
        with pytest.raises(BadUsage, match=says):
            read_services(tmp_path / "x.toml")
    with pytest.raises(BadUsage, match="Cannot read"):
        read_services(tmp_path / "nowhere.toml")
