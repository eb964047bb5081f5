"""The files in deploy/ fit the site they are for."""

from __future__ import annotations

import re
import shlex

import pytest

from project.backup.cli import main as backup_command
from project.config import TABLE, Settings
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
WAIT_S = 30
"""The longest that a call with ``wait`` is held."""
UNITS = sorted(path.name for path in DEPLOY.glob("*.service"))


def unit(name: str) -> dict[str, list[str]]:
    """A unit's keys with their values, in order."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_every_setting_in_them_is_one() -> None:
    named = {
        f"{path.name}: {name}"
        for path in DEPLOY.iterdir()
        for name in re.findall(r"SPACES_[A-Z_]+", path.read_text(encoding="utf-8"))
        if name not in {row.variable for row in TABLE} | {"SPACES_WORKER_TOKEN"}
    }
    assert named == set()


def test_the_settings_are_usable_and_close_the_development_logins() -> None:
    lines = (DEPLOY / "site.env").read_text(encoding="utf-8").splitlines()
    environment = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    settings = Settings.from_environment(environment)
    assert (settings.is_loopback, settings.development_logins) == (True, False)


@pytest.mark.parametrize("name", UNITS)
def test_units_are_kept_to_what_they_need(name: str) -> None:
    keys = unit(name)
    assert keys["User"] != ["root"]
    assert [
        keys[key] for key in ("NoNewPrivileges", "ProtectSystem", "ProtectHome", "UMask", "CapabilityBoundingSet")
    ] == [
        ["yes"],
        ["strict"],
        ["yes"],
        ["0077"],
        [""],
    ]


def test_units_start_what_is_there_and_wait_for_its_end() -> None:
    assert set(UNITS) == {"spaces.service", "spaces-worker.service", "spaces-backup.service"}
    [command] = unit("spaces.service")["ExecStart"]
    assert (ROOT / shlex.split(command)[1]).is_file()
    [command] = unit("spaces-backup.service")["ExecStart"]
    assert shlex.split(command)[1:3] == ["-m", "project.backup"]
    assert shlex.split(command)[3] in backup_command.commands


def test_proxies_let_through_what_the_site_takes() -> None:
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    caddy = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    most = Settings().max_upload_bytes
    [body] = re.findall(r"client_max_body_size (\d+)m;", nginx)
    assert int(body) * 1024**2 > most
    [body] = re.findall(r"max_size (\d+)MB", caddy)
    assert int(body) * 1000**2 > most
    assert int(re.findall(r"proxy_read_timeout (\d+)s;", nginx)[0]) > WAIT_S
    assert int(re.findall(r"response_header_timeout (\d+)s", caddy)[0]) > WAIT_S
    # With its port: a worker's Origin is compared with it.
    assert set(re.findall(r"proxy_set_header (?:Host|X-Forwarded-Host)\s+(\S+);", nginx)) == {"$http_host"}
    assert "proxy_buffering off;" in nginx
    assert "flush_interval -1" in caddy


def test_proxies_keep_what_signs_a_workers_links_out_of_their_logs() -> None:
    """Each with its own pattern, on a link as the site makes them."""
    link, kept = "/websockets/work/files/abc~def~4.x", "/websockets/work/files/..."
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    [pattern] = re.findall(r"~(\^\S+)\s", nginx)
    assert re.sub(pattern.replace("?<", "?P<") + ".*", r"\g<place>...", link) == kept
    assert re.search(r"log_format spaces '[^']*\$spaces_logged[^']*'", nginx)
    assert not re.search(r"log_format spaces '[^']*\$(request|request_uri|uri|args)\b", nginx)
    [pattern] = re.findall(r"request>uri regexp (\S+) ", (DEPLOY / "Caddyfile").read_text(encoding="utf-8"))
    assert re.sub(pattern, r"\g<1>...", link) == kept
    assert re.sub(pattern, r"\g<1>...", "/healthz") == "/healthz"
