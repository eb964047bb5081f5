"""Scenarios from Python: one's own by deriving from ``LoadScenario``, and those of the command line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from project.load.api.clients import WebSocketClientManager
from project.load.api.metrics import MetricsCollector
from project.load.core.record import RunRecord
from project.load.core.thresholds import Threshold, judge
from project.load.generators import MessageGenerator, MixedMessageGenerator
from project.load.permission import Caps, config_path, permit
from project.load.scenarios.scenario import Conductor
from project.load.scenarios.table import scenario_named
from project.load.targets.kinds import TargetOptions, make_target


@dataclass(frozen=True)
class ScenarioConfig:
    """What a scenario is told. ``options`` are the flags of the command line's scenario, by their names."""

    name: str = "scenario"
    base_url: str = "ws://localhost:8000"
    seed: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    generator: Callable[[int], MessageGenerator] = lambda seed: MixedMessageGenerator(seed=seed)
    thresholds: tuple[Threshold, ...] = ()
    timeout_s: float = 30.0


class LoadScenario(ABC):
    """Derive from it and write ``run``; ``execute`` calls it, disconnects every client and returns the record."""

    def __init__(
        self,
        config: ScenarioConfig | None = None,
        client_manager: WebSocketClientManager | None = None,
        metrics: MetricsCollector | None = None,
    ):
        self.config = config or ScenarioConfig()
        self.caps = Caps()
        self.metrics = metrics or MetricsCollector()
        self.client_manager = client_manager or WebSocketClientManager(
            self.config.base_url, metrics=self.metrics, response_timeout_s=self.config.timeout_s
        )

    @abstractmethod
    async def run(self) -> RunRecord | None:
        """The scenario itself. What it returns, if anything, is the record; otherwise the metrics are."""

    async def execute(self) -> RunRecord:
        """Run it from beginning to end. Raises RunRefused for a target that may not be put under load."""
        self.caps = await permit(self.config.base_url, config_path())
        await self.metrics.start_real_time_stats()
        try:
            record = await self.run()
        finally:
            await self.client_manager.disconnect_all()
            await self.metrics.stop_real_time_stats()
        if record is None:
            record = self.metrics.record(self.config.name)
            record.url = self.config.base_url
        record.verdict = judge(record, self.config.thresholds, "own" if self.config.thresholds else "")
        return record


class EngineScenario(LoadScenario):
    """One of the command line's scenarios."""

    scenario: ClassVar[str]

    async def run(self) -> RunRecord:
        """Play it on the engine, on connections of the engine's own."""
        config, scenario = self.config, scenario_named(self.scenario)
        target = TargetOptions(
            config.base_url,
            timeout_s=config.timeout_s,
            seed=config.seed,
            source=lambda number: config.generator(config.seed * 1_000_003 + number).generate,
        )
        conductor = Conductor(lambda number: make_target(target, number), seed=config.seed, name=config.name)
        conductor.check = self.caps.check
        return await scenario.play(conductor, scenario.checked(config.options))


class SteadyLoadScenario(EngineScenario):
    """A constant number of connections and messages per second."""

    scenario = "steady"


class BurstLoadScenario(EngineScenario):
    """Bursts with rests between."""

    scenario = "burst"


class RampUpScenario(EngineScenario):
    """More and more clients."""

    scenario = "ramp"


class StressTestScenario(EngineScenario):
    """More and more clients until it breaks."""

    scenario = "stress"


class RealisticUsageScenario(EngineScenario):
    """People of different kinds at work."""

    scenario = "realistic"
