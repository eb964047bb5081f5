"""Exported scenarios in k6 and Artillery themselves, and Locust at the relay. Run by ``make test-exports``."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from project.load.cli.main import main
from tests.conftest import LiveSite, Process
from tests.load.conftest import Calibration

Start = Callable[..., Calibration]
TARGETS = {"websocket": "ws", "socketio": "http", "http": "http"}
DELAY_MS = 20
PATIENCE_S = 280
"""Artillery alone takes half a minute to begin on a busy machine."""
OPEN = ("steady", "--clients", "4", "--rate", "40", "--duration", "3")
CLOSED = ("load", "--users", "4", "--think", "0.05", "--duration", "3")
RUNS = [pytest.param(flags, kind, id=f"{flags[0]}-{kind}") for flags in (OPEN, CLOSED) for kind in TARGETS]


def exported(tool: str, server: Calibration, kind: str, flags: tuple[str, ...], folder: Path) -> Path:
    url = getattr(server, TARGETS[kind])
    main(["export", tool, *flags, "--url", url, "--target", kind, "--name", "run", "--output", str(folder)])
    (script,) = (path for path in folder.iterdir() if path.suffix != ".cjs")
    return script


def run(*command: str) -> None:
    environment = {**os.environ, "ARTILLERY_DISABLE_TELEMETRY": "true", "K6_NO_USAGE_REPORT": "true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def arrived(server: Calibration) -> int:
    """Messages the server has got since it started."""
    return int(requests.get(server.http + "/_calibration", timeout=60).json()["messages"])


@pytest.mark.parametrize(("flags", "kind"), RUNS)
def test_k6_does_what_the_engine_would(calibration: Start, tmp_path: Path, flags: tuple[str, ...], kind: str) -> None:
    server = calibration("--delays", str(DELAY_MS))
    script = exported("k6", server, kind, flags, tmp_path / "out")
    summary = tmp_path / "summary.json"
    run("k6", "run", "--quiet", "--summary-export", str(summary), str(script))
    metrics = json.loads(summary.read_text(encoding="utf-8"))["metrics"]
    count, times = ("http_reqs", "http_req_duration") if kind == "http" else ("messages_answered", "round_trip")
    check(int(metrics[count]["count"]), metrics[times]["med"], arrived(server), flags)


@pytest.mark.parametrize(("flags", "kind"), RUNS)
def test_artillery_does_what_the_engine_would(
    calibration: Start, tmp_path: Path, flags: tuple[str, ...], kind: str
) -> None:
    server = calibration("--delays", str(DELAY_MS))
    script = exported("artillery", server, kind, flags, tmp_path / "out")
    report = tmp_path / "report.json"
    run("artillery", "run", "--quiet", "--output", str(report), str(script))
    whole = json.loads(report.read_text(encoding="utf-8"))["aggregate"]
    assert not [name for name in whole["counters"] if name.startswith("errors.")]
    times = whole["summaries"][f"{kind}.response_time"]
    check(times["count"], times["median"], arrived(server), flags)


def check(answered: int, median_ms: float, got: int, flags: tuple[str, ...]) -> None:
    assert answered == got
    if flags is OPEN:
        assert got == pytest.approx(120, abs=4)
    else:
        # Four users, each 20 ms and a pause of 50 ms on average, for three seconds.
        assert 60 < got <= 4 * 3 / 0.045
    assert median_ms >= DELAY_MS - 1


def test_the_tools_are_there() -> None:
    for tool in ("k6", "artillery"):
        told = subprocess.run([tool, "version"], capture_output=True, text=True, timeout=60, check=False)
        assert re.search(r"\d+\.\d+\.\d+", told.stdout)


def test_locust_drives_the_relay_and_keeps_nothing_in_safe_mode(
    own_site: LiveSite, start_mock: Callable[..., Process], tmp_path: Path
) -> None:
    own_site.start()
    own_site.make_space("Locust")
    start_mock(own_site.host, "Locust", "--min-seconds", "0", "--max-seconds", "0")
    assert relayed(own_site, tmp_path / "kept") > 3
    rows = rows_of(own_site)
    assert rows > 3
    assert relayed(own_site, tmp_path / "safe", "--safe") > 3
    assert rows_of(own_site) == rows


def rows_of(site: LiveSite) -> int:
    with sqlite3.connect(site.data_dir / "spaces.db") as database:
        (count,) = database.execute("select count(*) from requests").fetchone()
    return int(count)


def test_a_failed_threshold_fails_the_tools_run(calibration: Start, tmp_path: Path) -> None:
    server = calibration("--delays", str(DELAY_MS))
    for tool in ("k6", "artillery"):
        flags = (*CLOSED, "--threshold", "p95_ms<1")
        script = exported(tool, server, "websocket", flags, tmp_path / tool)
        done = subprocess.run([tool, "run", str(script)], capture_output=True, timeout=PATIENCE_S, check=False)
        assert done.returncode != 0, done.stdout


def relayed(site: LiveSite, prefix: Path, *flags: str) -> int:
    """Requests that Locust got results of in a few seconds."""
    run("locust", "-f", "examples/locust_relay.py", "--host", site.host, "--space", "Locust", "--headless",
        "-u", "4", "-r", "4", "-t", "6s", "--csv", str(prefix), *flags)  # fmt: skip
    with Path(f"{prefix}_stats.csv").open(encoding="utf-8", newline="") as file:
        (row,) = (row for row in csv.DictReader(file) if row["Type"] == "RELAY")
    assert row["Failure Count"] == "0"
    return int(row["Request Count"])


@pytest.mark.parametrize("tool", ["k6", "artillery"])
def test_uploads_are_marked_and_end_at_a_backend_that_keeps_them(
    own_site: LiveSite, calibration: Start, tmp_path: Path, tool: str
) -> None:
    flags = ("upload", "--batch-size", "20", "--concurrency", "2", "--duration", "2")
    own_site.start()
    session = own_site.login()
    cookie = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
    main(["export", tool, *flags, "--url", f"{own_site.host}/clients/upload/process/", "--header", f"Cookie: {cookie}",
          "--name", "run", "--output", str(tmp_path / "safe")])  # fmt: skip
    (script,) = (path for path in (tmp_path / "safe").iterdir() if path.suffix != ".cjs")
    run(tool, "run", str(script))
    assert session.get(f"{own_site.host}/clients/batches/", timeout=60).json()["batches"] == []
    server = calibration()
    main(["export", tool, *flags, "--url", f"{server.http}/clients/upload/process/", "--name", "run", "--output",
          str(tmp_path / "unsafe")])  # fmt: skip
    (script,) = (path for path in (tmp_path / "unsafe").iterdir() if path.suffix != ".cjs")
    subprocess.run([tool, "run", str(script)], capture_output=True, timeout=PATIENCE_S, check=False)
    assert arrived(server) <= 2
