"""Row 8: which pages may open a worker's connection, in four configurations, and which configurations are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from project.config import Settings
from project.errors import SettingInvalid
from project.sockets.origins import allowed
from tests.conftest import LiveSite
from tests.security.raw import RawWebSocket

OWN, LISTED, PUBLIC = "own", "https://pages.example", "https://spaces.example:18443"
CONFIGURATIONS: dict[str, dict[str, str]] = {
    "none listed": {},
    "one listed": {"SPACES_CORS_ORIGINS": LISTED},
    "two listed": {"SPACES_CORS_ORIGINS": f"https://other.example:8443, {LISTED}"},
    "public origin alone": {"SPACES_PUBLIC_ORIGIN": PUBLIC, "SPACES_PROXY_HOPS": "1"},
}
ORIGINS = [None, OWN, LISTED, PUBLIC, "https://evil.example", "null"]
MAY_CONNECT: dict[str, set[str | None]] = {
    "none listed": {None, OWN},
    "one listed": {None, LISTED},
    "two listed": {None, LISTED},
    "public origin alone": {None, OWN, PUBLIC},
}


@pytest.mark.slow
@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_origins(own_site: LiveSite, configuration: str) -> None:
    own_site.environment |= CONFIGURATIONS[configuration]
    if "SPACES_PROXY_HOPS" in own_site.environment:
        own_site.environment["SPACES_ADMIN_PASSWORD"] = "a password of our own"
    own_site.start()
    for origin in ORIGINS:
        sent = [] if origin is None else [f"Origin: {own_site.host if origin == OWN else origin}"]
        expected = 101 if origin in MAY_CONNECT[configuration] else 400
        assert RawWebSocket(own_site, *sent).status == expected, origin


def test_no_header_of_a_visitors_makes_an_origin_the_sites_own(tmp_path: Path) -> None:
    evil = "https://evil.example"
    said = {"HTTP_X_FORWARDED_HOST": "evil.example", "HTTP_X_FORWARDED_PROTO": "https", "HTTP_HOST": "127.0.0.1:5001"}
    assert not allowed(Settings(data_dir=tmp_path))(evil, said)
    assert allowed(Settings(data_dir=tmp_path))("http://127.0.0.1:5001", said)
    behind = allowed(Settings(data_dir=tmp_path, proxy_hops=1, public_origin=PUBLIC))
    told = said | {"HTTP_X_FORWARDED_HOST": "evil.example, spaces.example", "HTTP_X_FORWARDED_PROTO": "http, wss"}
    assert not behind(evil, told)
    assert behind("https://spaces.example", told)


@pytest.mark.parametrize(
    "origins",
    ["*", "[]", "null", "https://*.example", "https://a.example, *", "evil.example", "https://a.example/path", "''"],
)
def test_configurations_that_would_let_everybody_in_are_refused(origins: str, tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="SPACES_CORS_ORIGINS"):
        Settings.from_environment({"SPACES_CORS_ORIGINS": origins, "SPACES_DATA_DIR": str(tmp_path)})
