"""Service tests from Python: ``PerformanceTestFramework``."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from project.load.core.record import RunRecord
from project.load.core.thresholds import PROFILES, judge
from project.load.errors import OutputFailed
from project.load.output.folder import RESULTS, Results, make_folder, write_record
from project.load.output.shapes import service_shape
from project.load.permission import config_path, permit
from project.load.scenarios.scenario import Conductor
from project.load.scenarios.table import scenario_named
from project.load.targets.kinds import TargetOptions, make_target
from project.load.targets.services import Service, read_services, service_from


class ServiceResults:
    """What one test gave: the record, and a row per call (in a file: there may be millions)."""

    def __init__(self, record: RunRecord, rows: Path):
        self.record = record
        self.rows = rows

    def __len__(self) -> int:
        return self.record.counts.done

    def __iter__(self) -> Iterator[dict[str, str]]:
        if self.rows.exists():
            with self.rows.open(encoding="utf-8", newline="") as file:
                yield from csv.DictReader(file)


class PerformanceTestFramework:
    """Tests services by name. Use it as an asynchronous context manager; change ``service_configs`` as you like.

    A configuration is ``{"port", "endpoints": [{"path", "method", ...}]}`` and where wanted ``host``, ``scheme``,
    ``auth_header``; the fields are those of the services' file.
    """

    def __init__(self, output_dir: Path | str = Path("reports") / "performance", services: Path | None = None):
        self.output_dir = Path(output_dir)
        self.service_configs: dict[str, dict[str, Any]] = {
            name: _config(service) for name, service in read_services(services).items()
        }
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._runs = 0

    async def __aenter__(self) -> PerformanceTestFramework:
        self._folder = tempfile.TemporaryDirectory(prefix="performance-")
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def load_test(
        self,
        service: str,
        concurrent_users: int = 10,
        duration_seconds: float = 60,
        requests_per_second: float | None = None,
    ) -> ServiceResults:
        """So many users for so long, each asking again as soon as it is answered. Raises TargetUnreachable."""
        options = {"users": concurrent_users, "duration": duration_seconds, "rps": requests_per_second}
        return await self._run("load", service, options)

    async def stress_test(self, service: str, max_users: int = 100, ramp_up_time: float = 300) -> ServiceResults:
        """More and more users until it breaks. Raises TargetUnreachable."""
        return await self._run("stress", service, stress_options(max_users, ramp_up_time))

    async def _run(self, name: str, service: str, options: Mapping[str, Any]) -> ServiceResults:
        if self._folder is None:
            raise RuntimeError("use the framework as `async with PerformanceTestFramework() as framework`")
        known = service_from(service, self.service_configs.get(service, {}))
        scenario = scenario_named(name)
        self._runs += 1
        rows = Path(self._folder.name) / f"{self._runs}.csv"
        target = TargetOptions(known.url, service=known)
        conductor = Conductor(lambda number: make_target(target, number), name=f"{name}_test_{service}")
        conductor.check = (await permit(known.url, config_path())).check
        results = Results(rows, conductor.epoch_s)
        conductor.sinks = (results.take,)
        try:
            record = await scenario.play(conductor, scenario.checked(options))
        finally:
            results.close()
        record.config = {"service": service, **options}
        record.verdict = judge(record, PROFILES["services"], "services")
        return ServiceResults(record, rows)

    def calculate_metrics(self, results: ServiceResults) -> dict[str, Any]:
        """The figures of ``metrics.json``: times in seconds, ``error_rate`` in per cent."""
        return service_shape(results.record)

    def save_results(self, results: ServiceResults, test_name: str, metrics: Mapping[str, Any] | None = None) -> Path:
        """Write rows, metrics and report into a folder of their own; the folder. Raises OutputFailed.

        ``metrics`` may carry figures of one's own; they are kept in the record and shown in the report.
        """
        own = {name: value for name, value in (metrics or {}).items() if name not in service_shape(results.record)}
        results.record.name = test_name
        results.record.findings |= own
        folder = make_folder(self.output_dir, test_name)
        write_record(folder, results.record)
        try:
            if results.rows.exists():
                shutil.copyfile(results.rows, folder / RESULTS)
        except OSError as error:
            raise OutputFailed(f"Cannot write {folder / RESULTS}: {error.strerror}") from error
        return folder


def stress_options(max_users: int, ramp_up_s: float) -> dict[str, Any]:
    """The stress scenario as services are tested with it: no pauses, and broken where the thresholds are critical."""
    critical = {rule.metric: rule.warning for rule in PROFILES["services"]}
    return {
        "max_clients": max_users,
        "ramp_up": ramp_up_s,
        "message_interval": 0.0,
        "target_latency": critical["p95_ms"],
        "error_threshold": critical["error_percent"] / 100,
    }


def _config(service: Service) -> dict[str, Any]:
    endpoints = [{"path": item.path, "method": item.method} for item in service.endpoints]
    return {"port": service.port, "host": service.host, "scheme": service.scheme, "endpoints": endpoints}
