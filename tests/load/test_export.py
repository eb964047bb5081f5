"""Scenarios as scripts for other tools."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from project.load.cli.main import cli
from project.load.core import profile
from project.load.core.thresholds import PROFILES
from project.load.errors import BadUsage
from project.load.output.export import Call, Exported, artillery_file, k6_script

PLAN = Exported(
    "load",
    "http://localhost:8000/",
    (Call("GET", "/"), Call("POST", "/x", {"a": [1, "</script>\n"]}, {"X-Load-Test": "true"})),
    "closed",
    profile.steady(20, 30),
    2.0,
    PROFILES["services"],
)


def options_of(script: str) -> dict[str, object]:
    found = re.search(r"export const options = (\{.*?\n\});", script, re.DOTALL)
    assert found
    options: dict[str, object] = json.loads(found[1])
    return options


def test_k6_gets_the_shape_the_calls_and_the_limits() -> None:
    script = k6_script(PLAN)
    options = options_of(script)
    assert options["scenarios"] == {
        "load": {
            "executor": "ramping-vus",
            "startVUs": 0,
            "stages": [{"duration": "0s", "target": 20}, {"duration": "30s", "target": 20}],
            "gracefulRampDown": "10s",
        }
    }
    assert options["thresholds"] == {
        "http_req_failed": ["rate<0.05"],
        "http_req_duration": ["avg<3000", "p(95)<5000"],
        "http_reqs": ["rate>1"],
    }
    assert "sleep(2)" in script
    opened = Exported("spike now", PLAN.url, PLAN.calls, "open", profile.spike(5, 50, 10, 2, 10))
    scenario = options_of(k6_script(opened))["scenarios"]["spike_now"]  # type: ignore[index]
    assert scenario["executor"] == "ramping-arrival-rate"
    assert [stage["target"] for stage in scenario["stages"]] == [5, 5, 50, 50, 5, 5]


@pytest.mark.parametrize("url", ["http://localhost:8000", "ws://localhost:8000/ws"])
def test_k6_scripts_are_javascript(url: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    script = k6_script(Exported("load", url, PLAN.calls, "closed", PLAN.profile, 1.0))
    assert script.count("{") == script.count("}")
    assert script.count("(") == script.count(")")
    if node is not None:
        path = tmp_path / "load.mjs"
        path.write_text(script, encoding="utf-8")
        checked = subprocess.run([node, "--check", str(path)], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_artillery_gets_phases_flows_and_limits() -> None:
    found = json.loads(artillery_file(PLAN))
    assert found["config"]["target"] == "http://localhost:8000"
    assert found["config"]["phases"] == [{"name": "load 1", "duration": 30, "arrivalRate": 5, "rampTo": 5}]
    assert {"http.response_time.p95": 5000} in found["config"]["ensure"]["thresholds"]
    (scenario,) = found["scenarios"]
    assert scenario["flow"] == [
        {"get": {"url": "/"}},
        {"post": {"url": "/x", "headers": {"X-Load-Test": "true"}, "json": {"a": [1, "</script>\n"]}}},
    ]
    sockets = json.loads(artillery_file(Exported("s", "ws://x/ws", (Call(),), "open", profile.steady(3, 5))))
    assert sockets["scenarios"][0]["engine"] == "ws"


def test_the_command_writes_what_was_asked_for(tmp_path: Path) -> None:
    runner = CliRunner()
    path = tmp_path / "load.js"
    done = runner.invoke(cli, ["export", "ramp", "--format", "k6", "--service", "ui_app", "--set", "clients=30",
                               "--set", "ramp-steps=3", "--set", "step_duration=5", "--out", str(path)])  # fmt: skip
    assert done.exit_code == 0, done.output
    scenario = options_of(path.read_text(encoding="utf-8"))["scenarios"]["ramp"]  # type: ignore[index]
    assert [stage["target"] for stage in scenario["stages"][::2]] == [10, 20, 30]
    assert '"/health"' in path.read_text(encoding="utf-8")
    printed = runner.invoke(cli, ["export", "steady", "--format", "artillery", "--url", "http://x/a?b=1"])
    assert json.loads(printed.output)["scenarios"][0]["flow"] == [{"get": {"url": "/a?b=1"}}]
    for wrong in (["--set", "nonsense"], ["--set", "nonsense=1"], ["--url", "ftp://x"], ["--service", "nobody's"]):
        done = runner.invoke(cli, ["export", "load", "--format", "k6", *wrong])
        assert done.exit_code != 0 or isinstance(done.exception, BadUsage), wrong
