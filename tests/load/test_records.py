"""Runs that are over: compared, summed up, merged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from project.load.cli.main import main
from project.load.core.record import RunRecord, Validity
from project.load.output.folder import read_record, write_record
from tests.load.test_core import run_of


def saved(folder: Path, record: RunRecord, started: str = "2026-01-01T00:00:00") -> Path:
    folder.mkdir(parents=True)
    record.started_at = started
    write_record(folder, record)
    return folder


def ended(*arguments: str) -> object:
    with pytest.raises(SystemExit) as exit_:
        main(list(arguments))
    return exit_.value.code


def test_effects_are_written_for_other_programs(tmp_path: Path) -> None:
    a = saved(tmp_path / "a", run_of(lambda number: 20_000 + number % 7 * 100))
    b = saved(tmp_path / "b", run_of(lambda number: 30_000 + number % 7 * 100))
    assert ended("compare", str(a), str(b), "--json", str(tmp_path / "effects.json")) == 1
    effects = {item["metric"]: item for item in json.loads((tmp_path / "effects.json").read_text(encoding="utf-8"))}
    assert effects["mean_ms"]["ratio"] == pytest.approx(1.5, rel=0.02)
    assert (effects["mean_ms"]["change"], effects["rate"]["change"]) == ("worse", "same")


def test_a_folder_of_runs_is_summed_up_oldest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "new", run_of(lambda number: 30_000 + number % 7 * 100), "2026-01-02T00:00:00")
    saved(tmp_path / "old", run_of(lambda number: 20_000 + number % 7 * 100), "2026-01-01T00:00:00")
    assert ended("summary", str(tmp_path)) == 1
    out = capsys.readouterr().out
    assert out.index("old") < out.index("new") < out.index("worse")


def test_runs_of_several_machines_are_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at = "2026-01-01T00:00:0"
    folders = [str(saved(tmp_path / str(place), run_of(lambda number: 10_000), f"{at}{place}")) for place in range(3)]
    assert ended("merge", *folders, "--output", str(tmp_path / "merged"), "--threshold", "p95_ms<5") == 1
    (folder,) = (tmp_path / "merged").iterdir()
    whole = read_record(folder)
    assert (whole.counts.done, whole.series[4].succeeded) == (3 * 1500, 150)
    assert whole.verdict.level == "critical"


def test_a_part_that_is_not_valid_makes_the_whole_not_valid(tmp_path: Path) -> None:
    good, bad = run_of(lambda number: 10_000), run_of(lambda number: 20_000)
    bad.validity = Validity(False)
    folders = [str(saved(tmp_path / "good", good)), str(saved(tmp_path / "bad", bad))]
    assert ended("merge", *folders, "--output", str(tmp_path / "merged")) == 3
    assert ended("merge", *folders, "--output", str(tmp_path / "merged"), "--allow-invalid") == 0


def test_runs_that_were_not_driven_together_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = saved(tmp_path / "first", run_of(lambda number: 10_000))
    later = saved(tmp_path / "later", run_of(lambda number: 10_000), "2026-01-02T00:00:00")
    assert ended("merge", str(first), str(later), "--output", str(tmp_path / "merged")) == 0
    assert "were not driven at the same time" in capsys.readouterr().out


def test_what_was_set_differently_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = run_of(lambda number: 20_000), run_of(lambda number: 20_000)
    a.config, b.config = {"rate": 100.0, "test_id": "x", "clients": 3}, {"rate": 200.0, "test_id": "y", "clients": 3}
    ended("compare", str(saved(tmp_path / "a", a)), str(saved(tmp_path / "b", b)))
    assert "different settings: rate 100.0 and 200.0\n" in capsys.readouterr().out


def test_what_is_no_run_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text("{}", encoding="utf-8")
    (tmp_path / "y.json").write_text("{", encoding="utf-8")
    good = str(saved(tmp_path / "good", run_of(lambda number: 1000)))
    for arguments, says in (
        (["compare", good, str(tmp_path / "nowhere")], "Cannot read"),
        (["compare", good, str(tmp_path / "x.json")], "not the record of a run"),
        (["compare", good, str(tmp_path / "y.json")], "is not JSON"),
        (["compare", good, str(saved(tmp_path / "short", run_of(lambda number: 1, seconds=2)))], "at least 5"),
        (["summary", str(tmp_path / "nowhere")], "is not a folder"),
        (["merge"], "Missing argument"),
        (["merge", good, f"{good}/run.json"], "is the same run as"),
    ):
        assert ended(*arguments) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1
