"""Settings: read, checked, refused with the variable's name."""

from __future__ import annotations

import pytest

from project.config import Settings, unknown_variables
from project.errors import SettingInvalid


def test_environment_and_flags() -> None:
    settings = Settings.from_environment({"SPACES_PORT": "8080", "SPACES_LEASE_S": "30"}, port=9090, host=None)
    assert (settings.port, settings.lease_s, settings.host) == (9090, 30.0, "127.0.0.1")


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SPACES_PORT": "many"}, "SPACES_PORT"),
        ({"SPACES_PORT": "70000"}, "SPACES_PORT"),
        ({"SPACES_ASYNC_MODE": "fast"}, "SPACES_ASYNC_MODE"),
        ({"SPACES_LEASE_S": "0"}, "SPACES_LEASE_S"),
        ({"SPACES_LEASE_S": "5", "SPACES_HEARTBEAT_S": "4"}, "SPACES_LEASE_S"),
        ({"SPACES_PROXY_HOPS": "-1"}, "SPACES_PROXY_HOPS"),
        ({"SPACES_PING_INTERVAL_S": "2.5"}, "SPACES_PING_INTERVAL_S='2.5' is not a whole number"),
        ({"SPACES_PING_TIMEOUT_S": "0.5"}, "SPACES_PING_TIMEOUT_S='0.5' is not a whole number"),
        ({"SPACES_REGISTRATION": "sometimes"}, "SPACES_REGISTRATION"),
    ],
)
def test_what_cannot_be_used_is_named(environment: dict[str, str], named: str) -> None:
    with pytest.raises(SettingInvalid, match=named):
        Settings.from_environment(environment)


def test_a_ping_of_half_seconds_is_refused_from_code_as_well() -> None:
    """The handshake announces whole seconds: a client would wait for less, or for more, than is meant."""
    with pytest.raises(SettingInvalid, match="SPACES_PING_TIMEOUT_S must be a whole number"):
        Settings(ping_timeout_s=0.5).check()  # type: ignore[arg-type]


def test_development_logins_are_for_loopback() -> None:
    assert Settings.from_environment({}).development_logins
    assert Settings.from_environment({"SPACES_HOST": "::1"}).development_logins
    assert not Settings.from_environment({"SPACES_PROXY_HOPS": "1"}).development_logins
    away = Settings.from_environment({"SPACES_HOST": "0.0.0.0", "SPACES_ADMIN_PASSWORD": "correct horse"})
    assert not away.development_logins


def test_misspelt_settings_are_found() -> None:
    environment = {
        "SPACES_LEASE_SECONDS": "9",
        "SPACES_NONSENSE": "1",
        "SPACES_LEASE_S": "15",
        "SPACES_WORKER_TOKEN": "of a worker",
        "HOME": "/",
    }
    assert dict(unknown_variables(environment)) == {"SPACES_LEASE_SECONDS": "SPACES_LEASE_S", "SPACES_NONSENSE": None}
