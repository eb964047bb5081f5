"""Every sample of the page on load tests runs as it is written, against a server of the tests' own."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import random
import re
import shlex
import time
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from project.load import (
    ConnectionLifecycle,
    ConnectionState,
    LoadScenario,
    MessageGenerator,
    MetricsCollector,
    ScenarioConfig,
    WebSocketClientManager,
)
from project.load.cli.main import cli, joined
from project.load.output.shapes import websocket_shape
from project.load.scenarios.table import SCENARIOS
from tests.conftest import ROOT, Process, one_of_trials
from tests.load.conftest import Calibration

TEXT = (ROOT / "docs" / "load-testing.md").read_text(encoding="utf-8")


def samples(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", TEXT, re.DOTALL)


def sample(containing: str) -> str:
    (found,) = [text for text in samples("python") if containing in text]
    return found


def compiled(text: str) -> CodeType:
    return compile(text, "docs/load-testing.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def run(text: str, **names: Any) -> dict[str, Any]:
    """Run a sample in a loop, as a notebook would; the names it leaves."""
    names = {"asyncio": asyncio, "random": random, "time": time, "Path": Path, **names}
    code = compiled(text)
    pending = eval(code, names)  # the page's own samples
    if inspect.isawaitable(pending):
        await pending
    return names


def test_every_python_sample_is_run_here() -> None:
    assert len(samples("python")) == 6


@one_of_trials
def test_first_test_reports_what_it_did(
    echo: Calibration, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = sample("simple_test").replace("ws://localhost:8000", echo.ws).replace("sleep(0.1)", "sleep(0.01)")
    exec(compiled(text), {"__name__": "sample"})
    report = capsys.readouterr().out
    assert "10 of 10 opened (100.0%)" in report
    sent, received = (int(found) for found in re.search(r"(\d+) sent .*?(\d+) received", report).groups())  # type: ignore[union-attr]
    assert sent == 1000
    assert 990 <= received <= 1000  # the answers to the last may still be under way


async def _custom_messages() -> None:
    names = await run(sample("CustomMessageGenerator"))
    generator = names["CustomMessageGenerator"](seed=3)
    assert isinstance(generator, MessageGenerator)
    first, second = generator.generate_batch(2)
    assert first["type"] == "custom_event"
    assert 1 <= first["data"]["value"] <= 100
    assert (first["metadata"]["sequence"], second["metadata"]["sequence"]) == (1, 2)
    assert first["metadata"]["message_id"] != second["metadata"]["message_id"]


def test_messages_of_ones_own() -> None:
    asyncio.run(_custom_messages())


async def _custom_scenario(url: str) -> None:
    text = sample("CustomScenario").replace("sleep(0.5)", "sleep(0.002)").replace("range(100)", "range(10)")
    names = await run(text)
    scenario = names["CustomScenario"](ScenarioConfig(base_url=url))
    assert isinstance(scenario, LoadScenario)
    record = await scenario.execute()
    assert record.counts.connections_opened == 150
    assert record.counts.sent == 3 * 10 * 50
    assert record.counts.connections_lost == 0
    assert not scenario.client_manager.connected


def test_scenario_of_ones_own(echo: Calibration) -> None:
    asyncio.run(_custom_scenario(echo.ws))


async def _pool(url: str) -> None:
    manager = WebSocketClientManager(url, metrics=MetricsCollector())
    names = await run(sample("ConnectionPool"), client_manager=manager)
    assert manager.collector.recorder.counts.sent == 50
    assert 10 <= manager.collector.recorder.counts.connections_opened <= 50
    assert names["pool"].size == 0
    await manager.disconnect_all()


def test_pool(echo: Calibration) -> None:
    asyncio.run(_pool(echo.ws))


class _TwoTurns:
    """True twice, then the test is over."""

    def __init__(self) -> None:
        self.left = 2

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left >= 0


async def _monitored(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    text = sample("monitor_test").replace("sleep(5)", "sleep(0.3)")
    names = await run(text, MetricsCollector=MetricsCollector, test_running=_TwoTurns())
    watching = asyncio.create_task(names["monitor_test"]())
    await asyncio.sleep(0)
    async with WebSocketClientManager(url, metrics=None) as manager:
        clients = await manager.create_clients(3)
        await manager.connect_clients(clients)
        await manager.run_batch(lambda client: client.request({"type": "ping"}))
        await watching


def test_figures_while_it_runs(
    echo: Calibration, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_monitored(echo.ws, tmp_path, monkeypatch))
    lines = capsys.readouterr().out
    assert lines.count("Messages/sec: ") == lines.count("Current latency: ") == lines.count("Error rate: 0.0%") == 2
    saved = json.loads((tmp_path / "test_results.json").read_text(encoding="utf-8"))
    assert {"connection_metrics", "time_series", "errors"} <= set(saved)


def test_metrics_have_the_shape_of_the_page() -> None:
    def shape(value: Any) -> Any:
        return {key: shape(item) for key, item in value.items()} if isinstance(value, dict) else None

    (shown,) = samples("json")
    assert shape(json.loads(shown)) == shape(websocket_shape(MetricsCollector().record()))


async def _night_owl(url: str) -> None:
    names = await run(sample("NightOwl"))
    async with WebSocketClientManager(url, metrics=MetricsCollector()) as manager:
        (client,) = await manager.create_clients(1)
        lifecycle = names["NightOwl"](client, message_interval_s=0.05)
        assert isinstance(lifecycle, ConnectionLifecycle)
        await lifecycle.run(duration_s=1.0)
        states = [state for _, state in client.history]
        assert states.count(ConnectionState.CONNECTED) >= 2
        assert states[-1] is ConnectionState.CLOSED
        assert client.metrics.messages_sent >= 2


@one_of_trials
def test_lifecycle_of_ones_own(echo: Calibration) -> None:
    asyncio.run(_night_owl(echo.ws))


def commands() -> list[list[str]]:
    (text,) = samples("bash")
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("python")]


def test_every_scenario_of_the_page_is_run() -> None:
    assert [command[3] for command in commands()] == ["steady", "burst", "ramp", "stress", "realistic"]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command[3])
def test_commands_of_the_page_name_the_defaults(command: list[str]) -> None:
    assert command[:3] == ["python", "-m", "project.load.run_load_test"]
    name, *flags = joined(command[3:])
    context = cli.commands[name].make_context(name, list(flags))
    defaults = SCENARIOS[name].checked({})
    given = {flag[2:].replace("-", "_") for flag in flags if flag.startswith("--")}
    assert given
    assert {key: context.params[key] for key in given} == {key: defaults[key] for key in given}


def test_the_examples_run(echo: Calibration) -> None:
    process = Process("examples/load_usage.py", echo.ws)
    try:
        assert process.wait(120) == 0, process.output
        for told in ("connected: 5", "20 users, 5 connections", "100 calls", "verdict ", "6 answers"):
            assert told in process.output, process.output
    finally:
        process.end()
