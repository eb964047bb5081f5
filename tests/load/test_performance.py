"""Service tests by the names of their document: the framework, the scripts, the make targets, the monitoring."""

from __future__ import annotations

import ast
import asyncio
import csv
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import promql_parser
import pytest
import yaml

from project.load import MetricsCollector, PerformanceTestFramework
from project.load.api.performance import stress_options
from project.load.errors import BadUsage, RunRefused, TargetUnreachable
from project.load.output.folder import COLUMNS, read_record
from project.load.output.monitoring import alerts, dashboard, set_up
from project.load.output.shapes import service_shape
from tests.conftest import ROOT, one_of_trials
from tests.load.conftest import Calibration

PAGE = (ROOT / "docs" / "service-tests.md").read_text(encoding="utf-8")


def services_file(folder: Path, port: int) -> Path:
    path = folder / "services.toml"
    path.write_text(f'[services.pkd_service]\nport = {port}\nendpoints = ["/", "/docs"]\n', encoding="utf-8")
    return path


def test_the_pages_custom_test_runs_as_written(
    echo: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    names: dict[str, object] = {}
    text = text.replace('"port": 8090', f'"port": {echo.port}').replace("15, 90", "3, 0.5")
    exec(compile(text, "docs/service-tests.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    custom_test = names["custom_test"]
    assert inspect.iscoroutinefunction(custom_test)
    asyncio.run(custom_test())
    (folder,) = (tmp_path / "reports" / "performance").iterdir()
    assert re.fullmatch(r"custom_test_\d{8}_\d{6}", folder.name)
    record = read_record(folder)
    assert set(record.endpoints) == {"POST /api/custom", "GET /api/status"}
    assert record.counts.failed == 0
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["total_requests"] == record.counts.done > 0
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == record.counts.done


async def _framework(port: int, folder: Path) -> None:
    async with PerformanceTestFramework(folder) as framework:
        framework.service_configs["slow"] = {"port": port, "endpoints": ["/x"]}
        results = await framework.load_test("slow", 5, 1, requests_per_second=40)
        assert len(results) == pytest.approx(40, abs=4)
        assert {row["endpoint"] for row in results} == {"/x"}
        stressed = await framework.stress_test("slow", max_users=5, ramp_up_time=1.5)
        assert stressed.record.findings["breaking_point"] == "not reached"
        saved = framework.save_results(results, "mine", {**framework.calculate_metrics(results), "build": 7})
        assert read_record(saved).findings == {"build": 7}
        with pytest.raises(BadUsage):
            await framework.load_test("nobody's", 1, 1)
        framework.service_configs["down"] = {"port": 1, "endpoints": ["/"]}
        with pytest.raises(TargetUnreachable, match="Service down is not running on port 1"):
            await framework.load_test("down", 1, 1)
        framework.service_configs["far"] = {"port": 80, "host": "example.org", "endpoints": ["/"]}
        with pytest.raises(RunRefused):
            await framework.load_test("far", 1, 1)


@one_of_trials
def test_framework_limits_stresses_and_refuses(echo: Calibration, tmp_path: Path) -> None:
    asyncio.run(_framework(echo.port, tmp_path))


def test_metrics_have_the_documents_names_and_units() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    metrics = MetricsCollector()
    for number in range(1200):
        metrics.record_latency(145)
        if number < 2:
            metrics.record_error("timeout")
    found = json.loads(json.dumps(_service_metrics(metrics)))
    assert set(json.loads(shown)) <= set(found)
    assert found["average_response_time"] == pytest.approx(0.145, rel=0.01), "seconds"
    assert found["error_rate"] == pytest.approx(0.17, abs=0.01), "per cent"


def _service_metrics(metrics: MetricsCollector) -> dict[str, object]:
    return service_shape(metrics.record())


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_scripts_of_the_document_run(echo: Calibration, tmp_path: Path) -> None:
    file = services_file(tmp_path, echo.port)
    script = str(ROOT / "scripts" / "performance_test.py")
    more = ("--", "--services", str(file), "--allow-invalid")
    done = run(sys.executable, script, "load", "pkd_service", "--users", "2", "--duration", "1", *more, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(
        sys.executable, script, "stress", "pkd_service", "--max-users", "4", "--ramp-up", "1", *more, folder=tmp_path
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    names = sorted(path.name for path in (tmp_path / "reports" / "performance").iterdir())
    assert [re.sub(r"_\d{8}_\d{6}$", "", name) for name in names] == [
        "load_test_pkd_service",
        "stress_test_pkd_service",
    ]
    monitoring = str(ROOT / "scripts" / "performance_monitoring.py")
    done = run(sys.executable, monitoring, "--summary", "reports/performance/", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "load_test" in done.stdout
    done = run(sys.executable, monitoring, "--setup", folder=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "monitoring/grafana/dashboards/performance-testing.json").is_file()
    assert (tmp_path / "monitoring/prometheus/rules/performance-alerts.yml").is_file()
    assert run(sys.executable, monitoring, folder=tmp_path).returncode == 2


def test_the_shell_script_tells_when_a_service_is_not_running(tmp_path: Path) -> None:
    script = str(ROOT / "scripts" / "run_perf_test.sh")
    done = run("sh", script, "nobody", "load", "10", "60", folder=tmp_path)
    assert done.returncode == 2
    assert "There is no service 'nobody'" in done.stderr
    for wrong in ((), ("pkd_service",), ("pkd_service", "nonsense")):
        assert run("sh", script, *wrong, folder=tmp_path).returncode == 2


@one_of_trials
def test_all_services_that_run_are_tested_and_the_others_named(echo: Calibration, tmp_path: Path) -> None:
    file = services_file(tmp_path, echo.port)
    file.write_text(file.read_text() + '[services.ui_app]\nport = 1\nendpoints = ["/"]\n', encoding="utf-8")
    command = [sys.executable, "-m", "project.load", "services", "quick", "--services", str(file), "--users", "2",
               "--duration", "0.5", "--allow-invalid", "--output", str(tmp_path / "out")]  # fmt: skip
    done = run(*command, folder=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Service ui_app is not running on port 1" in done.stdout
    assert "Verdict: good" in done.stdout
    (folder,) = (tmp_path / "out").iterdir()
    assert 2 <= read_record(folder).counts.done <= 60, "a light load is no flood"
    assert run(*command, "--only", "ui_app", folder=ROOT).returncode == 2


def test_make_targets_say_what_the_document_says() -> None:
    def said(*arguments: str) -> str:
        done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=True,
                              env={**os.environ, "MAKEFLAGS": "-o .venv/.installed"})  # fmt: skip
        return done.stdout

    assert "services quick" in said("perf-test")
    assert "load pkd_service --users 10 --duration 60" in said("perf-test-load")
    assert "load ui_app --users 3 --duration 5" in said("perf-test-load", "SERVICE=ui_app", "USERS=3", "DURATION=5")
    assert "stress pkd_service --max-users 100 --ramp-up 300" in said("perf-test-stress")
    assert "services all" in said("perf-test-all")
    assert "rm -rf reports/performance" in said("perf-reports-clean")
    assert stress_options(100, 300)["target_latency"] == 5000


class TestMonitoring:
    def test_every_expression_is_promql_over_metrics_that_are_served(self, tmp_path: Path) -> None:
        rules = yaml.safe_load((set_up(tmp_path)[1]).read_text(encoding="utf-8"))
        (group,) = rules["groups"]
        assert [rule["alert"] for rule in group["rules"]] == [rule["alert"] for rule in alerts()]
        assert {rule["labels"]["severity"] for rule in group["rules"]} == {"warning", "critical"}
        expressions = [rule["expr"] for rule in group["rules"]]
        expressions += [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
        served = asyncio.run(_served())
        for expression in expressions:
            promql_parser.parse(expression)
            for name in re.findall(r"perf_test_\w+", expression):
                assert name in served, name

    def test_the_dashboard_is_json_with_panels_that_do_not_overlap(self, tmp_path: Path) -> None:
        read = json.loads(set_up(tmp_path)[0].read_text(encoding="utf-8"))
        places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in read["panels"]}
        assert len(places) == len(read["panels"]) == 6


async def _served() -> set[str]:
    """Names of the samples that a run serves."""
    metrics = MetricsCollector()
    metrics.record_latency(5)
    metrics.record_error("timeout")
    port = await metrics.start_prometheus()
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics") as response:
        text = await response.text()
    await metrics.stop_prometheus()
    return set(re.findall(r"^(perf_test_\w+)", text, re.MULTILINE))
