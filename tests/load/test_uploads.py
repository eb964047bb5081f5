"""Uploads of client records in safe mode: the records, the proof, the presets, and a site that keeps nothing of it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from openpyxl import load_workbook

from project.load.client_records import ClientRecords, as_csv, as_xlsx
from project.load.errors import BadUsage, RunRefused, TargetUnreachable
from project.load.output.folder import read_record
from project.load.permission import Caps
from project.load.scenarios.upload import UPLOAD, Preset, preset_of, upload_plan
from project.load.targets.uploads import UploadOptions, judged
from project.load.verification import verify
from project.wire.clients import FIELDS, problems
from tests.conftest import ROOT, LiveSite, Process, eventually
from tests.load.conftest import Calibration, Command

Load = Callable[..., Command]
WHO = ("--upload-username", "testuser", "--upload-password", "testpass123")


class TestRecords:
    def test_ten_thousand_are_unique_and_keep_every_rule(self) -> None:
        batch = ClientRecords(5).batch(10_000)
        assert [found for record in batch if (found := problems(record))] == []
        assert len({record["client_id"] for record in batch}) == 10_000
        assert len({record["email"] for record in batch}) == 10_000
        assert len({record["province"] for record in batch}) == 13
        assert {tuple(record) for record in batch} == {tuple(FIELDS)}

    def test_they_are_nobodys(self) -> None:
        for record in ClientRecords(6).batch(500):
            assert record["email"].endswith(".example")
            assert record["phone"][3:].startswith("-555-01")

    def test_same_seed_same_records_and_the_next_batch_is_another(self) -> None:
        first, second = ClientRecords(7), ClientRecords(7)
        batch = first.batch(50)
        assert batch == second.batch(50)
        assert not {r["client_id"] for r in first.batch(50)} & {r["client_id"] for r in batch}
        assert ClientRecords(8).batch(50) != batch

    def test_files_hold_what_was_made(self) -> None:
        batch = ClientRecords(9).batch(20)
        assert list(csv.DictReader(io.StringIO(as_csv(batch).decode("utf-8")))) == batch
        rows = list(load_workbook(io.BytesIO(as_xlsx(batch)), read_only=True).active.values)
        assert [dict(zip(rows[0], row, strict=True)) for row in rows[1:]] == batch

    @pytest.mark.parametrize("count", [0, -1, 50_001])
    def test_impossible_batches_are_refused(self, count: int) -> None:
        with pytest.raises(BadUsage):
            ClientRecords(1).batch(count)


class TestPresets:
    def test_are_the_documents(self) -> None:
        found = {name: preset_of(UPLOAD.checked({"preset": name})) for name in ("light", "medium", "heavy", "stress")}
        assert found == {
            "light": Preset(1_000, 1, 2),
            "medium": Preset(5_000, 3, 3),
            "heavy": Preset(10_000, 5, 5),
            "stress": Preset(10_000, 10, 10),
        }

    def test_custom_reads_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in (("BATCH_SIZE", "5000"), ("CONCURRENCY", "3"), ("DURATION", "3")):
            monkeypatch.setenv(name, value)
        assert preset_of(UPLOAD.checked({"preset": "custom"})) == Preset(5000, 3, 3)
        monkeypatch.setenv("CONCURRENCY", "many")
        with pytest.raises(BadUsage, match="CONCURRENCY must be a whole number above 0, up to 1000"):
            preset_of(UPLOAD.checked({"preset": "custom"}))
        with pytest.raises(BadUsage, match="There is no preset"):
            preset_of(UPLOAD.checked({"preset": "huge"}))

    def test_on_another_machine_it_stays_within_the_rate_by_a_limit_of_its_own(self) -> None:
        caps = Caps(3, 10, 600)
        with pytest.raises(RunRefused, match="say --rps"):
            caps.check(upload_plan(UPLOAD.checked({"preset": "medium"}), 1))
        caps.check(upload_plan(UPLOAD.checked({"preset": "medium", "rps": 10}), 1))


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b'{"success": true, "load_test_mode": true, "processed_count": 5}', ""),
        (b'{"success": true, "load_test_mode": true, "processed_count": 4}', "rows_missing"),
        (b'{"success": true, "load_test_mode": false, "processed_count": 5}', "not_safe_mode"),
        (b'{"success": true, "processed_count": 5}', "not_safe_mode"),
        (b'{"success": true, "load_test_mode": true}', "no_count"),
        (b'{"success": false, "load_test_mode": true, "processed_count": 5}', "not_successful"),
        (b'{"load_test_mode": true, "processed_count": 5}', "not_successful"),
        (b"[]", "not_safe_mode"),
        (b"<html>", "not_safe_mode"),
    ],
)
def test_only_an_answer_that_says_it_kept_nothing_is_good(answer: bytes, problem: str) -> None:
    assert judged(200, answer, 5)[0] == problem


def stored(site: LiveSite) -> tuple[set[str], set[str]]:
    """Everything the database holds, line by line, and every file beside it."""
    (path,) = site.data_dir.glob("*.db")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        lines = set(database.iterdump())
    return lines, {str(file) for file in site.data_dir.rglob("*") if not file.name.startswith(path.name)}


def tables(lines: set[str]) -> set[str]:
    return {match[1] for line in lines if (match := re.match(r'(?:INSERT INTO|DELETE FROM) "(\w+)"', line))}


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_run_against_the_site_leaves_nothing_there(site: LiveSite, load: Load, tmp_path: Path, kind: str) -> None:
    before = stored(site)
    flat = tmp_path / "flat"
    command = load("upload", "--preset", "light", "--url", f"{site.host}/clients/upload/process/", *WHO, "--batch-size",
                   "300", "--concurrency", "2", "--requests", "6", "--file-type", kind, "--flat", str(flat),
                   "--allow-invalid")  # fmt: skip
    assert command.wait() == 0, command.process.output
    record = read_record(command.folder)
    assert record.counts.succeeded == 6, record.errors
    assert record.findings["records"]["processed"] == 1800
    assert (record.verdict.profile, record.verdict.level) == ("uploads", "good")
    after = stored(site)
    # A login is kept, of course, that it happened, and that the site lives.
    assert tables(before[0] ^ after[0]) <= {"sessions", "audit", "sqlite_sequence", "nodes"}
    assert after[1] == before[1]
    names = sorted(path.name.split("_", 1)[0] + path.name[-13:] for path in flat.iterdir())
    assert len(names) == 3
    summary = json.loads(next(flat.glob("*_summary.json")).read_text(encoding="utf-8"))
    assert (summary["records_processed"], summary["error_rate_percent"]) == (1800, 0)
    assert "testpass123" not in (command.folder / "run.json").read_text(encoding="utf-8")


def ended(*command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False,
                          env={**os.environ, **environment})  # fmt: skip


def test_the_site_passes_verification_by_the_documents_script(site: LiveSite, tmp_path: Path) -> None:
    script = str(ROOT / "scripts" / "verify_load_test_setup.py")
    url = f"{site.host}/clients/upload/process/"
    done = ended(sys.executable, script, "--url", url, "--username", "testuser", "--password", "testpass123",
                 folder=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 7
    assert "honours X-Load-Test" in done.stdout
    done = ended(sys.executable, script, "--url", url, folder=tmp_path)
    assert done.returncode == 1, "without a login nothing is proved"


def test_the_documents_runner_runs_a_custom_scenario(site: LiveSite, tmp_path: Path) -> None:
    script = str(ROOT / "scripts" / "run_load_test.sh")
    done = ended("sh", script, "custom", *WHO[:2], "--requests", "3", "--allow-invalid", folder=tmp_path,
                 SPACES_LOAD_PASSWORD=WHO[3], BATCH_SIZE="200", CONCURRENCY="2", DURATION="1",
                 API_URL=f"{site.host}/clients/upload/process/")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    names = sorted(path.name for path in (tmp_path / "load_test_results").iterdir())
    assert len([name for name in names if name.startswith("custom_")]) == 3
    assert ended("sh", script, "huge", folder=tmp_path).returncode == 2
    told = ended("sh", script, "--help", folder=tmp_path)
    assert (told.returncode, told.stdout.count("\n")) == (0, 2)
    assert "custom: BATCH_SIZE, CONCURRENCY, DURATION (minutes)" in told.stdout


def test_whoever_ends_the_first_of_all_scenarios_ends_them_all(site: LiveSite, tmp_path: Path) -> None:
    script = ROOT / "scripts" / "run_load_test.sh"
    progress = tmp_path / "progress.json"
    # The shell itself is deaf, as it is where it was started in the background: it must know by the run's code.
    deaf = ("sh", "-c", "trap '' INT; exec sh \"$@\"", "sh")
    with subprocess.Popen(
        [*deaf, str(script), "all", *WHO, "--batch-size", "20", "--progress-json", str(progress)],
        cwd=tmp_path, env={**os.environ, "API_URL": f"{site.host}/clients/upload/process/"}, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            eventually(
                lambda: progress.exists() and json.loads(progress.read_text("utf-8"))["done"] > 3, what="it runs"
            )
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert [path.name.split("_")[0] for path in (tmp_path / "load_test_results" / "reports").iterdir()] == ["light"]


def test_a_backend_that_knows_nothing_of_the_header_is_refused(load: Load, echo: Calibration, tmp_path: Path) -> None:
    done = ended(sys.executable, "-m", "project.load", "verify", "--url", f"{echo.http}/clients/upload/process/",
                 folder=ROOT)  # fmt: skip
    assert done.returncode == 1
    assert "no load may be sent" in done.stdout


@pytest.fixture
def storing(tmp_path: Path) -> Iterator[Calibration]:
    """A backend that processes and keeps, and says so."""
    program = tmp_path / "storing.py"
    program.write_text(
        "from aiohttp import web\n"
        "async def upload(request):\n"
        "    await request.read()\n"
        "    return web.json_response({'success': True, 'processed_count': 10, 'load_test_mode': False})\n"
        "app = web.Application()\n"
        "app.router.add_route('*', '/{path:.*}', upload)\n"
        "async def told(runner):\n"
        "    print(f' * Running on http://127.0.0.1:{runner.addresses[0][1]}', flush=True)\n"
        "async def main():\n"
        "    import asyncio\n"
        "    runner = web.AppRunner(app); await runner.setup()\n"
        "    await web.TCPSite(runner, '127.0.0.1', 0).start(); await told(runner)\n"
        "    await asyncio.Event().wait()\n"
        "import asyncio; asyncio.run(main())\n",
        encoding="utf-8",
    )
    process = Process(str(program))
    try:
        yield Calibration(process)
    finally:
        process.end()


def test_a_backend_that_keeps_what_it_gets_is_refused_with_a_code_of_its_own(load: Load, storing: Calibration) -> None:
    command = load("upload", "--url", f"{storing.http}/clients/upload/process/", "--batch-size", "10", "--concurrency",
                   "1", "--duration", "60", "--allow-invalid")  # fmt: skip
    assert command.wait(60) == 6, command.process.output
    assert "without load_test_mode: true (200)" in command.process.output
    assert list(command.output.iterdir()) == []


def test_verification_of_nothing_is_unreachable() -> None:
    with pytest.raises(TargetUnreachable):
        asyncio.run(verify("http://127.0.0.1:1/x", UploadOptions()))
