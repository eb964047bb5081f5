"""The Python API: managers, pools, generators, lifecycles and metrics against a real server."""

from __future__ import annotations

import asyncio
import csv
import gc
import json
import re
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

import project.load as api
from project.load import (
    BurstyLifecycle,
    CommandMessageGenerator,
    ConnectionPool,
    ConnectionState,
    EventMessageGenerator,
    FailoverLifecycle,
    IntermittentLifecycle,
    LoadScenario,
    MessageGenerator,
    MetricsCollector,
    MixedMessageGenerator,
    MonitoringMessageGenerator,
    PersistentLifecycle,
    QueryMessageGenerator,
    RealisticScenarioGenerator,
    ScenarioConfig,
    SteadyLoadScenario,
    WebSocketClientManager,
)
from project.load.core.thresholds import Threshold
from project.load.errors import BadUsage, CallFailed, OutputFailed, TargetUnreachable
from tests.conftest import PATIENCE_S, lasting_port, one_of_trials
from tests.load.conftest import Calibration

Start = Callable[..., Calibration]


def run(work: Awaitable[Any]) -> Any:
    async def whole() -> Any:
        return await work

    return asyncio.run(whole())


async def until(is_true: Callable[[], Any], within_s: float = PATIENCE_S) -> None:
    async with asyncio.timeout(within_s):
        while not is_true():
            await asyncio.sleep(0.01)


def test_every_public_name_is_there_and_no_other() -> None:
    for name in api.__all__:
        assert getattr(api, name).__name__ == name
    assert set(api._NAMES) == set(api.__all__)
    with pytest.raises(AttributeError, match="Nonsense"):
        api.Nonsense  # noqa: B018


class TestGenerators:
    MAKERS: tuple[Callable[[int, Callable[[], float]], MessageGenerator], ...] = (
        EventMessageGenerator,
        CommandMessageGenerator,
        QueryMessageGenerator,
        MonitoringMessageGenerator,
        lambda seed, clock: MixedMessageGenerator(seed=seed, clock=clock),
        lambda seed, clock: RealisticScenarioGenerator("active", seed, clock),
    )

    @pytest.mark.parametrize("make", MAKERS)
    def test_same_seed_same_messages(self, make: Callable[[int, Callable[[], float]], MessageGenerator]) -> None:
        first, second, other = make(7, lambda: 1.5), make(7, lambda: 1.5), make(8, lambda: 1.5)
        messages = first.generate_batch(200)
        assert messages == second.generate_batch(200)
        assert messages != other.generate_batch(200)
        assert len({message["metadata"]["message_id"] for message in messages}) == 200
        assert {message["metadata"]["timestamp"] for message in messages} == {1.5}
        json.dumps(messages, allow_nan=False)

    def test_only_what_was_subscribed_is_unsubscribed(self) -> None:
        subscribed: set[str] = set()
        for message in EventMessageGenerator(3).generate_batch(500):
            if message["type"] == "subscribe":
                subscribed |= set(message["event_types"])
            else:
                assert set(message["event_types"]) <= subscribed
                subscribed -= set(message["event_types"])

    def test_weights_are_kept(self) -> None:
        mixed = MixedMessageGenerator({"command": 3, "query": 1}, seed=1)
        kinds = [message["type"] for message in mixed.generate_batch(4000)]
        assert set(kinds) == {"agent_command", "query"}
        assert kinds.count("agent_command") == pytest.approx(3000, rel=0.05)

    def test_people_differ(self) -> None:
        def commands(profile: str) -> int:
            made = RealisticScenarioGenerator(profile, seed=1).generate_batch(1000)
            return sum(message["type"] == "agent_command" for message in made)

        assert commands("active") > 1.5 * commands("regular") > 3 * commands("passive")

    @pytest.mark.parametrize("weights", [{}, {"event": 0}, {"event": -1, "query": 2}, {"nonsense": 1}])
    def test_impossible_weights_are_refused(self, weights: dict[str, float]) -> None:
        with pytest.raises(BadUsage):
            MixedMessageGenerator(weights)
        with pytest.raises(BadUsage):
            RealisticScenarioGenerator("lazy")


class TestManager:
    def test_a_request_gets_its_own_answer_among_many(self, echo: Calibration) -> None:
        async def work() -> None:
            async with WebSocketClientManager(echo.ws, metrics=MetricsCollector()) as manager:
                clients = await manager.create_clients(5)
                assert await manager.connect_clients(clients, concurrency=2) == 5
                answers = await asyncio.gather(
                    *(client.request({"type": "ask", "number": n}) for client in clients for n in range(20))
                )
                assert [answer["number"] for answer in answers] == [*range(20)] * 5
                metrics = manager.get_client_metrics()["client-1"]
                assert (metrics["messages_sent"], metrics["answers"]) == (20, 20)
                assert 0 < metrics["latency_min_ms"] <= metrics["latency_avg_ms"] <= metrics["latency_max_ms"]
                assert manager.get_statistics()["connected_clients"] == 5

        run(work())

    def test_no_more_at_once_than_allowed(self, echo: Calibration) -> None:
        async def work() -> None:
            async with WebSocketClientManager(echo.ws, metrics=MetricsCollector(), max_concurrent=3) as manager:
                clients = await manager.create_clients(12)
                now, most = 0, 0

                async def one(_client: object) -> None:
                    nonlocal now, most
                    now += 1
                    most = max(most, now)
                    await asyncio.sleep(0.01)
                    now -= 1

                await manager.run_batch(one, clients)
                assert most == 3

        run(work())

    @one_of_trials
    def test_cut_off_clients_come_back_and_the_loss_is_counted(self, calibration: Start) -> None:
        async def work() -> None:
            server = calibration("--port", str(lasting_port()))
            metrics = MetricsCollector()
            async with WebSocketClientManager(server.ws, metrics=metrics, auto_reconnect=True) as manager:
                clients = await manager.create_clients(3)
                await manager.connect_clients(clients)
                server.process.signal(signal.SIGKILL)
                await until(lambda: not manager.connected)
                assert not await clients[0].send_message({"type": "ping"})
                calibration("--port", str(server.port))
                await until(lambda: len(manager.connected) == 3)
                assert await clients[0].request({"type": "ping"})
                assert clients[0].metrics.reconnections == 1
                states = [state for _, state in clients[0].history]
                assert ConnectionState.RECONNECTING in states
                counts = metrics.recorder.counts
                assert (counts.connections_lost, counts.reconnections) == (3, 3)
                assert counts.connections_failed >= 0
            assert metrics.recorder.users == 0

        run(work())

    @one_of_trials
    def test_what_fails_says_so_and_counts(self, calibration: Start) -> None:
        async def work() -> None:
            server = calibration("--lose", "1")
            metrics = MetricsCollector()
            async with WebSocketClientManager(server.ws, metrics=metrics, response_timeout_s=0.2) as manager:
                (client,) = await manager.create_clients(1)
                with pytest.raises(CallFailed, match="not_connected"):
                    await client.request({"type": "ping"})
                await client.connect()
                with pytest.raises(CallFailed, match="timeout"):
                    await client.request({"type": "ping"})
                assert await client.request({"type": "ping"})
                assert metrics.recorder.errors == {"not_connected": 1, "timeout": 1}
                assert metrics.recorder.counts.lost == 1
            async with WebSocketClientManager("ws://127.0.0.1:1", metrics=metrics) as manager:
                assert await manager.connect_clients(await manager.create_clients(2)) == 0
            assert metrics.get_metrics()["connection_metrics"] == {
                "total_connections": 3, "successful_connections": 1, "failed_connections": 2, "success_rate": 0.333333,
            }  # fmt: skip

        run(work())

    @one_of_trials
    def test_memory_does_not_grow_with_answers_that_never_come(self, calibration: Start) -> None:
        async def work() -> None:
            server = calibration("--lose", ",".join(str(number) for number in range(1, 2001)))
            collector = MetricsCollector()
            async with WebSocketClientManager(server.ws, metrics=collector, response_timeout_s=0.05) as manager:
                (client,) = await manager.create_clients(1)
                await client.connect()
                for _ in range(40):
                    for _ in range(50):
                        await client.send_message({"type": "ping"})
                    await asyncio.sleep(0.01)
                assert len(client._sent_us) <= 600
                assert collector.recorder.counts.lost >= 1400

        run(work())

    @pytest.mark.parametrize("url", ["http://x", "localhost", ""])
    def test_an_address_that_is_none_is_refused(self, url: str) -> None:
        with pytest.raises(BadUsage):
            WebSocketClientManager(url)


class TestPool:
    @one_of_trials
    def test_connections_are_lent_reused_and_bounded(self, echo: Calibration) -> None:
        async def work() -> None:
            async with WebSocketClientManager(echo.ws, metrics=MetricsCollector()) as manager:
                pool = ConnectionPool(manager, min_size=1, max_size=2, acquire_timeout=0.1)
                with pytest.raises(CallFailed):
                    await pool.acquire()
                await pool.initialize()
                first, second = await pool.acquire(), await pool.acquire()
                assert first is not None
                assert second is not None
                assert await pool.acquire() is None, "both are lent out"
                waiting = asyncio.create_task(pool.acquire())
                await asyncio.sleep(0.02)
                await pool.release(first)
                await pool.release(first)
                assert await waiting is first
                assert (pool.size, pool.available) == (2, 0)
                await second.disconnect()
                await pool.release(second)
                third = await pool.acquire()
                assert third is not None
                assert third is not second, "a dead one is replaced"
                await pool.shutdown()
                assert not manager.connected

        run(work())

    def test_many_users_share_few_connections(self, echo: Calibration) -> None:
        async def work() -> None:
            async with WebSocketClientManager(echo.ws, metrics=MetricsCollector()) as manager:
                pool = ConnectionPool(manager, min_size=2, max_size=5, acquire_timeout=10)
                await pool.initialize()

                async def one(number: int) -> int:
                    async with pool.connection() as client:
                        answer: int = (await client.request({"type": "ask", "number": number}))["number"]
                        return answer

                assert await asyncio.gather(*(one(number) for number in range(100))) == list(range(100))
                assert pool.size <= 5

        run(work())

    def test_a_pool_that_was_shut_down_leaves_nothing_open(self, echo: Calibration, caplog: Any) -> None:
        async def work() -> None:
            pool = ConnectionPool(WebSocketClientManager(echo.ws, metrics=MetricsCollector()), min_size=2)
            await pool.initialize()
            await pool.shutdown()

        run(work())
        gc.collect()
        assert "Unclosed" not in caplog.text

    def test_a_pool_without_a_server_says_so(self) -> None:
        async def work() -> None:
            async with WebSocketClientManager("ws://127.0.0.1:1", metrics=MetricsCollector()) as manager:
                with pytest.raises(TargetUnreachable):
                    await ConnectionPool(manager, min_size=2).initialize()
                for sizes in ((5, 2), (-1, 2), (0, 0)):
                    with pytest.raises(BadUsage):
                        ConnectionPool(manager, *sizes)

        run(work())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"clients": 2.5}, "--clients must be a whole number, not 2.5"),
        ({"clients": "many"}, "--clients must be a number, not 'many'"),
        ({"users": 3}, "users"),
    ],
)
def test_an_option_that_a_scenario_cannot_take_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadUsage, match=re.escape(says)):
        run(SteadyLoadScenario(ScenarioConfig("odd", "ws://127.0.0.1:1", options=options)).execute())


class TestLifecycles:
    @one_of_trials
    def test_one_comes_and_goes_one_bursts_one_stays(self, echo: Calibration) -> None:
        async def work() -> None:
            async with WebSocketClientManager(echo.ws, metrics=MetricsCollector()) as manager:
                going, bursting, staying = await manager.create_clients(3)
                comes = IntermittentLifecycle(going, connected_s=0.1, disconnected_s=0.1, message_interval_s=0.02)
                bursts = BurstyLifecycle(bursting, burst_messages=10, burst_interval_s=0.001, idle_s=0.2)
                stays = PersistentLifecycle(staying, message_interval_s=0.05)
                await asyncio.gather(*(life.run(0.8) for life in (comes, bursts, stays)))
                assert going.metrics.connections >= 2
                assert staying.metrics.connections == 1
                assert bursting.metrics.messages_sent % 10 == 0
                assert bursting.metrics.messages_sent >= 20
                assert [life.state for life in (comes, bursts, stays)] == [ConnectionState.CLOSED] * 3
                assert not manager.connected

        run(work())

    @one_of_trials
    def test_one_moves_to_the_next_server_when_its_own_dies(self, calibration: Start) -> None:
        async def work() -> None:
            first, second = calibration(), calibration()
            async with WebSocketClientManager(first.ws, metrics=MetricsCollector()) as manager:
                (client,) = await manager.create_clients(1)
                life = FailoverLifecycle(client, urls=(first.ws, second.ws), message_interval_s=0.02)
                living = asyncio.create_task(life.run(20))
                await until(lambda: client.metrics.answers > 3)
                first.process.signal(signal.SIGKILL)
                await until(lambda: life.failovers == 1 and client.is_connected)
                assert client.url == second.ws
                life.stop()
                await living
                assert [what for _, what in life.events][:3] == [
                    f"connected to {first.ws}", f"lost {first.ws}", f"connected to {second.ws}",
                ]  # fmt: skip

        run(work())


class TestMetrics:
    @one_of_trials
    def test_figures_of_now_and_of_the_whole(self, tmp_path: Path) -> None:
        metrics = MetricsCollector()
        metrics.record_connection_attempt(True, 3.0)
        for number in range(100):
            metrics.record_message_sent(10)
            metrics.record_message_received(20)
            metrics.record_latency(10 + number % 10)
        metrics.record_error("timeout")
        now = metrics.get_real_time_stats()
        assert now["error_rate"] == pytest.approx(1 / 101)
        assert now["current_latency_ms"] == pytest.approx(14.5, rel=0.05)
        assert now["messages_per_second"] > 0
        whole = metrics.get_metrics()
        assert whole["message_metrics"] == {
            "messages_sent": 100, "messages_received": 100, "bytes_sent": 1000, "bytes_received": 2000,
        }  # fmt: skip
        assert whole["latency_metrics"]["max_ms"] == pytest.approx(19, abs=0.01)
        saved = json.loads(metrics.save_metrics(tmp_path / "new" / "a.json").read_text(encoding="utf-8"))
        assert saved["errors"] == {"timeout": 1}
        (point,) = saved["time_series"]["latency_ms"]
        assert point[1] == pytest.approx(14.36, rel=0.05)
        with metrics.save_metrics(tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
            assert sum(int(row["succeeded"]) for row in csv.DictReader(file)) == 100
        assert "1 x timeout" in metrics.generate_summary_report()
        with pytest.raises(BadUsage):
            metrics.get_time_series_data("nonsense")
        with pytest.raises(OutputFailed):
            metrics.save_metrics("/proc/nowhere/a.json")

    def test_prometheus_reads_them(self) -> None:
        async def work() -> None:
            metrics = MetricsCollector()
            for number in range(50):
                metrics.record_latency(number * 10)
            metrics.record_error('odd "kind"\n')
            port = await metrics.start_prometheus()
            with pytest.raises(OutputFailed):
                await MetricsCollector().start_prometheus(port)
            async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics") as response:
                text = await response.text()
            await metrics.stop_prometheus()
            samples = {
                (sample.name, *sorted(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
            assert samples["perf_test_requests_total", ("result", "success")] == 50
            assert samples["perf_test_errors_total", ("error_type", 'odd "kind"\n')] == 1
            name = "perf_test_request_duration_seconds"
            assert samples[f"{name}_count",] == 50
            assert samples[f"{name}_bucket", ("le", "0.1")] == pytest.approx(11, abs=1)
            assert samples[f"{name}_sum",] == pytest.approx(12.25, rel=0.01)

        run(work())

    def test_empty_ones_divide_by_nothing(self) -> None:
        metrics = MetricsCollector()
        assert metrics.get_real_time_stats()["error_rate"] == 0
        assert metrics.get_metrics()["connection_metrics"]["success_rate"] == 0
        assert "0 sent" in metrics.generate_summary_report()


class TestScenarios:
    def test_the_shells_scenarios_run_from_python_with_a_verdict(self, echo: Calibration) -> None:
        config = ScenarioConfig(
            "mine",
            echo.ws,
            options={"clients": 3, "duration": 0.5, "message_interval": 0.05},
            thresholds=(Threshold("error_percent", 1, 5), Threshold("p95_ms", 0.001, 60_000)),
        )
        record = run(SteadyLoadScenario(config).execute())
        assert (record.name, record.scenario, record.counts.succeeded) == ("mine", "steady", 30)
        assert record.verdict.level == "warning"

    def test_wrong_options_are_named(self, echo: Calibration) -> None:
        with pytest.raises(BadUsage, match="steady has no 'users'"):
            run(SteadyLoadScenario(ScenarioConfig(base_url=echo.ws, options={"users": 3})).execute())

    def test_a_scenario_that_fails_still_disconnects(self, echo: Calibration) -> None:
        class Failing(LoadScenario):
            async def run(self) -> None:
                clients = await self.client_manager.create_clients(3)
                await self.client_manager.connect_clients(clients)
                raise RuntimeError("mine")

        async def work() -> None:
            scenario = Failing(ScenarioConfig(base_url=echo.ws))
            with pytest.raises(RuntimeError, match="mine"):
                await scenario.execute()
            assert not scenario.client_manager.connected

        run(work())
