"""Scenarios as scripts of other tools: what is in them, what is refused. ``make test-exports`` runs them for real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from project.load.cli.main import main
from project.load.permission import read_allowed, write_proof


def ended(*arguments: str) -> object:
    with pytest.raises(SystemExit) as exit_:
        main(["export", *arguments])
    return exit_.value.code


def k6_of(folder: Path, *arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options and the data of the script that was written."""
    write(folder, "k6", *arguments)
    (path,) = folder.iterdir()
    text = path.read_text(encoding="utf-8")
    read = json.JSONDecoder().raw_decode
    options, _ = read(text, text.index("options = ") + len("options = "))
    run, _ = read(text, text.index("RUN = ") + len("RUN = "))
    return options, run


def write(folder: Path, *arguments: str) -> None:
    main(["export", *arguments, "--output", str(folder)])


def artillery_of(folder: Path, *arguments: str) -> dict[str, Any]:
    write(folder, "artillery", *arguments)
    test: dict[str, Any] = json.loads((folder / "run.artillery.yml").read_text(encoding="utf-8"))
    assert (folder / test["config"]["processor"]).is_file()
    return test


HTTP = ("--url", "http://127.0.0.1:1/a", "--name", "run")
WS = ("--url", "ws://127.0.0.1:1/ws", "--name", "run")


def test_an_open_run_is_an_arrival_rate_in_k6(tmp_path: Path) -> None:
    flags = ("--burst-size", "20", "--burst-duration", "1.5", "--idle-duration", "2", "--cycles", "2")
    options, _ = k6_of(tmp_path, "burst", *HTTP, *flags)
    executor = options["scenarios"]["burst"]
    assert executor["executor"] == "ramping-arrival-rate"
    assert executor["startRate"] == 1200  # 20 a second, per minute
    assert [(stage["duration"], stage["target"]) for stage in executor["stages"]] == [
        ("1500ms", 1200), ("0s", 0), ("2000ms", 0), ("0s", 1200), ("1500ms", 1200), ("0s", 0), ("2000ms", 0),
    ]  # fmt: skip


def test_a_closed_run_is_a_number_of_users_in_k6(tmp_path: Path) -> None:
    flags = ("--clients", "9", "--initial-clients", "3", "--ramp-steps", "3", "--step-duration", "2")
    options, run = k6_of(tmp_path, "ramp", *HTTP, *flags)
    executor = options["scenarios"]["ramp"]
    assert (executor["executor"], executor["startVUs"]) == ("ramping-vus", 3)
    assert [stage["target"] for stage in executor["stages"]] == [3, 6, 6, 9, 9]
    assert run["thinks"] == [1.0]
    assert [(call["method"], call["path"]) for call in run["calls"]] == [("GET", "/a")]


def test_a_number_of_calls_ends_the_stages_of_an_open_run(tmp_path: Path) -> None:
    _, run = k6_of(tmp_path, "steady", *WS, "--rate", "50", "--duration", "60", "--requests", "100")
    assert run["stages"] == [{"seconds": 2.0, "from": 50.0, "to": 50.0}]
    assert len({json.dumps(message, sort_keys=True) for message in run["messages"]}) > 50


def test_services_come_with_their_endpoints_and_headers(tmp_path: Path) -> None:
    services = tmp_path / "services.toml"
    services.write_text(
        '[services.mine]\nport = 1\nauth_header = { Authorization = "Bearer token" }\n'
        'endpoints = [{ path = "/a", weight = 2 }, '
        '{ path = "/b", method = "POST", json = { n = 1 }, expect = [201] }]\n',
        encoding="utf-8",
    )
    flags = ("--service", "mine", "--services", str(services), "--name", "run")
    _, run = k6_of(tmp_path / "k6", "load", *flags)
    assert [call["path"] for call in run["calls"]] == ["/a", "/a", "/b"]
    assert run["calls"][2]["body"] == '{"n": 1}'
    assert run["calls"][2]["expect"] == [201]
    headers = {"Authorization": "Bearer token", "Content-Type": "application/json"}
    assert run["calls"][2]["headers"] == headers
    test = artillery_of(tmp_path / "artillery", "load", *flags)
    (scenario,) = test["scenarios"]
    assert scenario["flow"][0]["loop"][4]["post"]["headers"] == headers


def test_an_open_run_is_so_many_arrivals_in_artillery(tmp_path: Path) -> None:
    flags = ("--base-rate", "5", "--spike-rate", "40", "--before", "2", "--spike-duration", "1", "--after", "3")
    phases = artillery_of(tmp_path, "spike", *HTTP, *flags)["config"]["phases"]
    assert [phase["arrivalCount"] for phase in phases] == [10, 40, 15]
    assert [phase["duration"] for phase in phases] == ["2000ms", "1000ms", "3000ms"]


def test_users_come_and_stay_in_artillery(tmp_path: Path) -> None:
    flags = ("--max-clients", "9", "--initial-clients", "3", "--steps", "3", "--step-duration", "2")
    phases = artillery_of(tmp_path, "stress", *WS, *flags)["config"]["phases"]
    assert [phase.get("arrivalCount") or phase["pause"] for phase in phases] == [3, "2000ms", 3, "2000ms", 3]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("k6", "capacity", *WS), 2, "'capacity' is not one of"),
        ((), 2, "Choose from: k6, artillery"),
        (("vegeta", "steady", *WS), 2, "'vegeta' is not one of"),
        (("k6", "steady", *WS, "--clients", "0"), 2, "--clients must be a number from 1"),
        (("k6", "steady", *WS, "--nonsense"), 2, "No such option"),
        (("k6", "load", *WS, "--requests", "5"), 2, "a script ends by time"),
        (("k6", "load", *WS, "--rps", "5"), 2, "k6 limits the rate of HTTP only"),
        (("artillery", "load", *HTTP, "--rps", "5"), 2, "Artillery does not limit the rate"),
        (("k6", "load", "--url", "http://127.0.0.1:1", "--space", "A"), 2, "there is a Locust user for it"),
        (("k6", "steady", "--url", "wss://example.org/ws"), 6, "not this machine, and not among the targets"),
    ],
)
def test_what_cannot_be_a_script_is_one_line(
    arguments: tuple[str, ...], code: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = ("--output", str(tmp_path / "out"), "--config", str(tmp_path / "load.toml"))
    assert ended(*arguments, *(shared if arguments else ())) == code
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_script_for_another_machine_stays_within_its_caps_and_is_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "load.toml"
    config.write_text(
        '[targets."https://example.org"]\ntoken = "something long enough"\nusers = 5\nrate = 10\nduration_s = 60\n',
        encoding="utf-8",
    )
    shared = ("--url", "wss://example.org/ws", "--config", str(config), "--output", str(tmp_path / "out"))
    assert ended("k6", "steady", *shared, "--clients", "5", "--rate", "11", "--duration", "60") == 6
    assert "11 calls per second are more than the 10" in capsys.readouterr().err
    within = ("--clients", "5", "--rate", "10", "--duration", "60")
    monkeypatch.chdir(tmp_path)
    assert ended("k6", "steady", *shared, *within) == 6
    assert "There is no proof that https://example.org stores nothing" in capsys.readouterr().err
    write_proof(*read_allowed(config).values())
    main(["export", "k6", "steady", *shared, *within])
    assert '"X-Load-Test": "true"' in (tmp_path / "out" / "steady.k6.js").read_text(encoding="utf-8")


def test_a_full_disk_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert ended("k6", "steady", *WS, "--output", str(tmp_path / "file" / "out")) == 5
    assert "Cannot write" in capsys.readouterr().err


def test_thresholds_are_the_tools_own_where_it_has_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = ("--threshold", "p95_ms<200:500", "--threshold", "error_percent<5", "--threshold", "lost<1")
    options, _ = k6_of(tmp_path / "k6", "load", *HTTP, *rules)
    assert options["thresholds"] == {"http_req_duration": ["p(95)<500"], "http_req_failed": ["rate<0.05"]}
    assert "k6 cannot fail by lost: left out" in capsys.readouterr().out
    config = artillery_of(tmp_path / "artillery", "load", *WS, *rules)["config"]
    assert config["ensure"] == {"thresholds": [{"websocket.response_time.p95": 500}]}
    assert "artillery cannot fail by error_percent, lost: left out" in capsys.readouterr().out


def test_uploads_are_one_batch_that_must_not_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("upload", "--batch-size", "7", "--url", "http://127.0.0.1:1/clients/upload/process/", "--name", "run")
    options, run = k6_of(tmp_path / "k6", *flags, "--auth-token", "key")
    (call,) = run["calls"]
    assert run["safe"] is True
    assert (call["headers"]["X-Load-Test"], call["headers"]["Authorization"]) == ("true", "Bearer key")
    assert call["body"].count("@") == 7
    assert options["thresholds"] == {"http_req_failed": ["rate<=0.05"], "http_req_duration": ["avg<=30000"]}
    assert ended("k6", *flags, "--upload-username", "me", "--output", str(tmp_path / "no")) == 2
    assert "a script cannot log in" in capsys.readouterr().err
