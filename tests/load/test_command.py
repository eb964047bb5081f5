"""The load command as it is typed: results, exit codes, signals, and one clear line for whatever is wrong."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from project.load.cli.main import main
from project.load.output.folder import COLUMNS, read_record
from tests.conftest import ROOT, Process, lasting_port, one_of_trials
from tests.load.conftest import Calibration, Command, Ended

Start = Callable[..., Calibration]
Load = Callable[..., Command]
Here = Callable[..., Ended]
QUICK = ("--allow-invalid",)


def test_results_progress_and_metrics_of_one_run_agree(load: Load, echo: Calibration) -> None:
    command = load(
        "load", "--url", f"{echo.http}/a?b=c", "--users", "4", "--requests", "200", "--body", '{"x": 1}', *QUICK
    )
    assert command.wait() == 0, command.process.output
    told, metrics, record = command.told(), command.file("metrics.json"), read_record(command.folder)
    assert {"status": "finished", "total": 200, "done": 200, "success": 200, "failed": 0, "exit_code": 0}.items() <= (
        told.items()
    )
    assert told["folder"] == str(command.folder)
    assert metrics["total_requests"] == record.counts.done == 200
    assert metrics["error_rate"] == 0
    assert metrics["average_response_time"] == pytest.approx(told["avg_ms"] / 1000, rel=0.01)
    with (command.folder / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 200
    assert {(row["method"], row["endpoint"], row["status_code"]) for row in rows} == {("POST", "/a?b=c", "200")}
    assert "200 calls, 200 succeeded" in command.process.output


def test_headers_come_from_a_file_and_stay_out_of_the_record(load: Load, echo: Calibration, tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text("# who we are\nCookie: session=secret\nX-Load-Test: true\n", encoding="utf-8")
    command = load("load", "--url", echo.http, "--requests", "3", "--headers-file", str(headers), *QUICK)
    assert command.wait() == 0
    assert read_record(command.folder).config["headers"] == ["Cookie", "X-Load-Test"]
    assert "secret" not in (command.folder / "run.json").read_text(encoding="utf-8")


def test_same_seed_same_messages(here: Here, echo: Calibration) -> None:
    kinds = []
    for seed in ("5", "5", "6"):
        flags = ("--clients", "3", "--rate", "200", "--requests", "60", "--seed", seed)
        done = here("steady", "--url", echo.ws, *flags)
        kinds.append({name: figures["calls"] for name, figures in done.record.endpoints.items()})
    assert kinds[0] == kinds[1]
    assert kinds[0] != kinds[2]


@pytest.mark.parametrize(
    ("rules", "code", "level"),
    [
        (("p95_ms<60000:90000",), 0, "good"),
        (("p95_ms<0.001:60000",), 0, "warning"),
        (("p95_ms<0.001:0.002", "rate>1"), 1, "critical"),
    ],
)
def test_the_verdict_is_in_the_exit_code(
    here: Here, echo: Calibration, rules: tuple[str, ...], code: int, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [flag for rule in rules for flag in ("--threshold", rule)]
    done = here("load", "--url", echo.http, "--requests", "50", *flags)
    assert done.code == code
    assert done.record.verdict.level == level
    assert f"Verdict: {level}" in capsys.readouterr().out


def test_strict_makes_a_warning_fail(here: Here, echo: Calibration) -> None:
    flags = ("--threshold", "p95_ms<0.001:60000", "--strict")
    assert here("load", "--url", echo.http, "--requests", "5", *flags).code == 1


def test_a_generator_that_cannot_keep_up_blames_itself_not_the_target(load: Load, echo: Calibration) -> None:
    command = load("steady", "--url", echo.ws, "--rate", "200000", "--duration", "1", "--clients", "10",
                   "--messages", "ping", "--no-results")  # fmt: skip
    assert command.wait() == 3, command.process.output
    assert command.file("run.json")["counts"]["never_started"] > 0
    assert "the generator was the bottleneck" in command.process.output


@pytest.mark.parametrize(
    ("number", "code", "outcome"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_what_was_measured_is_kept_when_it_is_ended_early(
    load: Load, echo: Calibration, number: int, code: int, outcome: str
) -> None:
    command = load("load", "--url", echo.http, "--users", "3", "--duration", "60")
    command.process.until(lambda: command.told().get("done", 0) > 20, what="20 calls are done")
    command.process.signal(number)
    assert command.wait(60) == code
    record = read_record(command.folder)
    assert record.outcome == command.told()["status"] == outcome
    assert record.counts.done > 20
    assert record.counts.failed == 0, record.errors


def test_a_server_that_dies_ends_the_run_and_what_was_measured_is_kept(load: Load, calibration: Start) -> None:
    server = calibration()
    command = load(
        "steady", "--url", server.ws, "--clients", "5", "--rate", "100", "--duration", "60", "--give-up", "1"
    )
    command.process.until(lambda: command.told().get("done", 0) > 20, what="20 calls are done")
    server.process.signal(signal.SIGKILL)
    assert command.wait(60) == 4, command.process.output
    record = read_record(command.folder)
    assert record.outcome == "target_lost"
    assert record.counts.succeeded > 20
    assert record.errors["not_connected"] > 0


@one_of_trials
def test_debug_tells_what_connections_do_and_not_how_a_library_loads(load: Load, calibration: Start) -> None:
    server = calibration()
    command = load("steady", "--url", server.ws, "--clients", "2", "--rate", "50", "--duration", "60",
                   "--give-up", "0.2", "--debug")  # fmt: skip
    command.process.until(lambda: command.told().get("done", 0) > 20, what="20 calls are done")
    server.process.signal(signal.SIGKILL)
    assert command.wait(60) == 4
    said = command.process.output
    assert re.search(r"user 0: connected in [\d.]+ ms", said)
    assert re.search(r"connection \S+ lost \(close code \d+\)", said)
    assert re.search(r"user \d: cannot connect \(connection_refused\)", said)
    assert "faker" not in said


def test_a_server_that_comes_back_does_not_end_the_run(load: Load, calibration: Start) -> None:
    server = calibration("--port", str(lasting_port()))
    command = load("load", "--url", server.ws, "--users", "3", "--think", "0.02", "--duration", "4", *QUICK)
    command.process.until(lambda: command.told().get("done", 0) > 20, what="20 calls are done")
    server.process.signal(signal.SIGKILL)
    server.process.wait()
    calibration("--port", str(server.port))
    assert command.wait(60) == 0, command.process.output
    record = read_record(command.folder)
    assert 0 < record.counts.reconnections <= 3, "on a slow machine not all are back in time"
    assert record.series[-1].succeeded > 0


def test_a_full_disk_costs_the_results_not_the_measurement(echo: Calibration, tmp_path: Path) -> None:
    """A limit on the size of files is what a full disk is to the one who writes."""
    program = tmp_path / "limited.py"
    program.write_text(
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, {resource.RLIM_INFINITY}))\n"
        "from project.load.cli.main import main\n"
        f"main(['load', '--url', {echo.http!r}, '--requests', '3000', '--output', {str(tmp_path / 'runs')!r},"
        " '--allow-invalid'])\n",
        encoding="utf-8",
    )
    process = Process(str(program), environment={"PYTHONPATH": "."})
    try:
        assert process.wait(60) == 5, process.output
        assert "3000 calls, 3000 succeeded" in process.output
        assert process.output.count("✗ Cannot write") == 1
        assert "Traceback" not in process.output
        (folder,) = (tmp_path / "runs").iterdir()
        assert json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["total_requests"] == 3000
    finally:
        process.end()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["stedy"], "There is no scenario or command 'stedy'; there are steady"),
        (["steady", "--clients", "0"], "--clients must be a number from 1 to 100000, not 0"),
        (["steady", "--clients", "-5"], "--clients must be a number from 1"),
        (["steady", "--clients", "many"], "'many' is not a valid integer"),
        (["steady", "--duration", "0"], "--duration must be a number from 0.05"),
        (["steady", "--duration", "nan"], "--duration must be a number from 0.05"),
        (["steady", "--duration", "inf"], "--duration must be a number from 0.05"),
        (["steady", "--rate", "1e12"], "--rate must be a number"),
        (["steady", "--clients"], "requires an argument"),
        (["steady", "--nope"], "No such option"),
        (["steady", "--url", "localhost:8000"], "A target begins with ws://"),
        (["steady", "--url", "ws://127.0.0.1:1/"], "Cannot reach ws://127.0.0.1:1/"),
        (["load", "--url", "http://127.0.0.1:1/"], "Cannot reach http://127.0.0.1:1: connection refused"),
        (["load", "--url", "http://no-such-host.invalid/"], "is not this machine, and not among the targets of"),
        (["load", "--url", "http://127.0.0.1.example.org/"], "is not this machine"),
        (["load", "--url", "http://127.0.0.1:1/", "--target", "socketio"], "Cannot reach http://127.0.0.1:1/"),
        (["load", "--url", "http://127.0.0.1:1/", "--space", "x"], "Cannot reach http://127.0.0.1:1"),
        (["load", "--url", "http://x/", "--body", "{"], "The body is not JSON"),
        (["load", "--url", "http://x/", "--body", "@/nowhere"], "Cannot read the body /nowhere"),
        (["load", "--url", "http://x/", "--header", "nonsense"], "a header is written as Name: value"),
        (["load", "--url", "http://x/", "--header", "a b: c"], "'a b' is no name of a header"),
        (["load", "--url", "http://x/", "--header", "a: b\nc: d"], "the header a has a line's end"),
        (["load", "--url", "http://x/", "--method", "FETCH"], "'FETCH' is not one of the methods"),
        (["steady", "--messages", "/nowhere"], "nor a file that can be read"),
        (["steady", "--thresholds", "/nowhere"], "neither a profile"),
        (["steady", "--threshold", "p95"], "a threshold is written as"),
        (["realistic", "--user-profiles", "lazy:1"], "a user is active, regular, passive"),
        (["realistic", "--user-profiles", "active:x"], "a share is a number"),
        (["failover", "--url", "ws://127.0.0.1:1"], "failover needs --failover-url"),
        (
            ["failover", "--url", "http://127.0.0.1:1", "--failover-url", "http://127.0.0.1:2"],
            "failover needs connections that stay (websocket, socketio), which http has not",
        ),
        (["storm", "--url", "http://127.0.0.1:1"], "storm needs connections that stay"),
        (["load", "--url", "http://x/", "--output", "/proc/nowhere"], "Cannot make a folder in /proc/nowhere"),
        (["load", "--url", "http://x/", "--progress-json", "/proc/x"], "Cannot write /proc/x"),
    ],
)
def test_what_is_wrong_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    output = [] if "--output" in arguments or arguments == ["stedy"] else ["--output", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *output] if not arguments[-1].startswith("--") else arguments)
    error = capsys.readouterr().err
    expected = 5 if says.startswith(("Cannot make", "Cannot write")) else 6 if "not this machine" in says else 2
    assert ended.value.code == expected
    assert says in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


SHORT = {
    "steady": ["--clients", "10", "--duration", "0.5", "--message-interval", "0.05"],
    "load": ["--users", "5", "--duration", "0.3"],
    "burst": ["--clients", "10", "--burst-size", "10", "--burst-duration", "0.5", "--idle-duration", "0.2", "--cycles",
              "2", "--message-interval", "0.1"],
    "ramp": ["--clients", "10", "--initial-clients", "2", "--ramp-steps", "3", "--step-duration", "0.3",
             "--message-interval", "0.05"],
    "stress": ["--max-clients", "20", "--target-latency", "5000", "--error-threshold", "0.05", "--steps", "2",
               "--step-duration", "1", "--message-interval", "0.05"],
    "realistic": ["--clients", "10", "--duration", "0.8", "--user-profiles", "active:0.2", "regular:0.5", "passive:0.3",
                  "--pace", "50", "--arrive", "0.2"],
    "soak": ["--clients", "5", "--duration", "0.5", "--message-interval", "0.05"],
    "spike": ["--clients", "5", "--base-rate", "20", "--spike-rate", "100", "--before", "1", "--spike-duration", "1",
              "--after", "1"],
    "capacity": ["--clients", "5", "--initial-rate", "50", "--max-rate", "100", "--trial-duration", "0.5",
                 "--target-latency", "5000", "--confirmations", "1"],
    "storm": ["--clients", "30", "--storms", "2", "--hold", "0.2"],
}  # fmt: skip
FINDS = {
    "stress": "breaking_point",
    "realistic": "users",
    "spike": "recovery_s",
    "capacity": "capacity",
    "storm": "all_back_s",
    "failover": "failovers",
}


@pytest.mark.parametrize("name", SHORT)
@one_of_trials
def test_every_scenario_runs(here: Here, echo: Calibration, name: str) -> None:
    done = here(name, "--url", echo.ws, *SHORT[name])
    assert done.code == 0
    record = done.record
    assert record.scenario == name
    assert record.counts.succeeded > 5
    assert record.counts.failed == 0, record.errors
    assert name not in FINDS or FINDS[name] in record.findings


def test_the_documents_module_is_the_same_command(load: Load, echo: Calibration) -> None:
    command = load("steady", "--url", echo.ws, *SHORT["steady"], *QUICK, module="project.load.run_load_test")
    assert command.wait() == 0, command.process.output
    assert read_record(command.folder).scenario == "steady"


@one_of_trials
def test_stress_ends_where_it_breaks(here: Here, calibration: Start) -> None:
    server = calibration("--delays", "100")
    done = here("stress", "--url", server.ws, "--target-latency", "50", "--steps", "5", "--step-duration", "1",
                   "--message-interval", "0.01", "--max-clients", "50")  # fmt: skip
    assert done.code == 0
    record = done.record
    assert record.findings["breaking_point"]["users"] == 10
    assert "target 50 ms" in record.findings["breaking_point"]["because"]
    assert (record.counts.failed, record.counts.unfinished) == (0, 0), "what was under way when it broke"
    assert record.duration_s < 4


@one_of_trials
def test_clients_move_to_another_server_when_theirs_dies(load: Load, calibration: Start) -> None:
    first, second = calibration(), calibration()
    command = load("failover", "--url", first.ws, "--failover-url", second.ws, "--clients", "5", "--duration", "4",
                   "--message-interval", "0.05", *QUICK)  # fmt: skip
    command.process.until(lambda: command.told().get("done", 0) > 50, what="50 calls are done")
    first.process.signal(signal.SIGKILL)
    assert command.wait(60) == 0, command.process.output
    record = read_record(command.folder)
    assert record.findings["failovers"] == 1
    assert 0 < record.findings["longest_gap_s"] < 3
    assert record.series[-1].succeeded > 0


def test_socketio_round_trips_are_measured_to_the_acknowledgement(here: Here, calibration: Start) -> None:
    server = calibration("--delays", "50")
    done = here("load", "--url", server.http, "--target", "socketio", "--users", "5", "--requests", "50")
    assert done.code == 0
    record = done.record
    assert record.kind == "socketio"
    assert record.histogram("response").lowest_us >= 50_000


def test_metrics_are_served_while_it_runs(load: Load, echo: Calibration) -> None:
    command = load("load", "--url", echo.http, "--duration", "30", "--metrics-port", "0")
    command.process.says("Metrics: http://127.0.0.1:")
    found = re.search(r"Metrics: (\S+)", command.process.output)
    assert found
    command.process.until(
        lambda: re.search(r'perf_test_requests_total{result="success"} [1-9]', requests.get(found[1], timeout=60).text),
        what="calls are in the metrics",
    )
    assert command.interrupt() == 130


def test_nothing_is_written_when_nothing_should_be(
    echo: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["load", "--url", echo.http, "--requests", "5", "--no-output", "--quiet", *QUICK])
    assert ended.value.code == 0
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_without_a_word_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "\nCommands:\n" in capsys.readouterr().err


def run_in_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip


@pytest.mark.parametrize("onlooker", ["| head -c 1; exit ${PIPESTATUS[0]}", ">&-"])
def test_a_run_is_kept_whoever_leaves_before_it_ends(echo: Calibration, tmp_path: Path, onlooker: str) -> None:
    done = run_in_shell(
        f"{sys.executable} -m project.load load --url {echo.http} --requests 20 --allow-invalid --output runs "
        f"--metrics-port 0 --threshold 'p95_ms<0.001' {onlooker}",
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (1, "")
    (folder,) = (tmp_path / "runs").iterdir()
    assert read_record(folder).counts.done == 20
