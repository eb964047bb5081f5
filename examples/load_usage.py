"""What the load engine offers from Python, one short example each: ``python examples/load_usage.py ws://localhost:8000``.

A server to try it on: ``python -m project.load.calibration --port 8000 --delays 20``.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from project.load import (
    BurstyLifecycle,
    ConnectionPool,
    IntermittentLifecycle,
    LoadScenario,
    MessageGenerator,
    MetricsCollector,
    MixedMessageGenerator,
    PersistentLifecycle,
    RealisticScenarioGenerator,
    ScenarioConfig,
    SteadyLoadScenario,
    WebSocketClientManager,
)
from project.load.core.thresholds import Threshold


async def basic_clients(url: str) -> None:
    """Connect some clients, ask, and say how long the answers took."""
    metrics = MetricsCollector()
    async with WebSocketClientManager(url, metrics=metrics) as manager:
        clients = await manager.create_clients(5)
        print(f"connected: {await manager.connect_clients(clients)}")
        await manager.run_batch(lambda client: client.request({"type": "ping"}), clients)
    print(metrics.generate_summary_report())


async def message_generators(_url: str) -> None:
    """The same seed gives the same messages."""
    for generator in (MixedMessageGenerator(seed=1), RealisticScenarioGenerator("active", seed=1)):
        print(type(generator).__name__, [message["type"] for message in generator.generate_batch(6)])


async def lifecycles(url: str) -> None:
    """One connection stays, one comes and goes, one works in bursts."""
    async with WebSocketClientManager(url, metrics=MetricsCollector()) as manager:
        first, second, third = await manager.create_clients(3)
        lives = (
            PersistentLifecycle(first, message_interval_s=0.1),
            IntermittentLifecycle(second, connected_s=0.2, disconnected_s=0.2, message_interval_s=0.1),
            BurstyLifecycle(third, burst_messages=10, burst_interval_s=0.01, idle_s=0.3),
        )
        await asyncio.gather(*(life.run(1.0) for life in lives))
        for life in lives:
            used = life.client.metrics
            print(f"{type(life).__name__}: {used.connections} connections, {used.messages_sent} messages")


async def pool(url: str) -> None:
    """Twenty users share five connections."""
    async with WebSocketClientManager(url, metrics=MetricsCollector()) as manager:
        connections = ConnectionPool(manager, min_size=2, max_size=5, acquire_timeout=5.0)
        await connections.initialize()

        async def user(number: int) -> None:
            async with connections.connection() as client:
                await client.request({"type": "query", "number": number})

        await asyncio.gather(*(user(number) for number in range(20)))
        print(f"20 users, {connections.size} connections")
        await connections.shutdown()


async def metrics_of_now(url: str) -> None:
    """Figures while a test runs, and files in the end."""
    metrics = MetricsCollector()
    await metrics.start_real_time_stats()
    async with WebSocketClientManager(url, metrics=metrics) as manager:
        await manager.connect_clients(await manager.create_clients(3))
        for _ in range(20):
            await manager.broadcast_message({"type": "ping"})
            await asyncio.sleep(0.02)
        now = metrics.get_real_time_stats()
        print(f"{now['messages_per_second']:.0f} messages/s, {now['current_latency_ms']:.1f} ms")
    await metrics.stop_real_time_stats()
    with tempfile.TemporaryDirectory() as folder:
        print([metrics.save_metrics(Path(folder) / name).name for name in ("metrics.json", "series.csv")])


async def scenario(url: str) -> None:
    """The shell's steady scenario, with a verdict."""
    config = ScenarioConfig(
        "steady example",
        url,
        options={"clients": 5, "duration": 1.0, "message_interval": 0.05},
        thresholds=(Threshold("p95_ms", 500, 2000), Threshold("error_percent", 1, 5)),
    )
    record = await SteadyLoadScenario(config).execute()
    print(f"{record.counts.done} calls, {record.rate:.0f}/s, verdict {record.verdict.level}")


class Greeting(MessageGenerator):
    """Messages of one's own."""

    def generate(self) -> dict[str, object]:
        """One greeting."""
        return self._add_metadata({"type": "greeting", "data": {"mood": self.random.choice(("good", "better"))}})


class Waves(LoadScenario):
    """A scenario of one's own: more clients in each wave."""

    async def run(self) -> None:
        """Two waves."""
        generator = Greeting(seed=self.config.seed)
        for wave in (2, 4):
            clients = await self.client_manager.create_clients(wave)
            await self.client_manager.connect_clients(clients)
            await self.client_manager.run_batch(lambda client: client.request(generator.generate()), clients)


async def own_scenario(url: str) -> None:
    """Run it; the record is the same as of any other."""
    record = await Waves(ScenarioConfig("waves", url)).execute()
    print(f"{record.name}: {record.counts.connections_opened} connections, {record.counts.succeeded} answers")


EXAMPLES = (basic_clients, message_generators, lifecycles, pool, metrics_of_now, scenario, own_scenario)


async def main(url: str) -> None:
    """Every example, one after another."""
    for example in EXAMPLES:
        print(f"\n{example.__name__.replace('_', ' ')}: {example.__doc__}")
        await example(url)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ws://localhost:8000"))
