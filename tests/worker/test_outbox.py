"""The outbox on disk: what a worker has computed outlives it, is handed in by the next one, and by nobody else."""

from __future__ import annotations

import json
import logging
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from project.worker import StateUnavailable, WorkerEvents
from project.worker.spool import DiskOutbox
from project.worker.state import open_default, open_state
from tests.conftest import LiveSite, Process, eventually, one_of_trials
from tests.worker.conftest import Serve
from tests.worker.site import HELD, FakeSite
from tests.worker.test_results import Fates, entry

Mock = Callable[..., Process]
AT_ONCE = ("--min-seconds", "0", "--max-seconds", "0")


def result(request_id: str = "r1", lease_id: str = "l1", **values: Any) -> dict[str, Any]:
    return entry(request_id, lease_id, status="completed", result=values or {"text_output": "完 🐈"}, run_s=1.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "results"
    made.mkdir()
    return made


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_is_not_settled_is_there_after_a_restart(folder: Path) -> None:
    first = DiskOutbox(folder)
    for number in (3, 1, 2):
        first.put(result(f"r{number}"))
    assert first.flush()
    assert first.settle(result("r1"))
    first.close()
    second = DiskOutbox(folder)
    assert second.restored == ("r3", "r2"), "in the order in which they came"
    assert second.due(everything=True) == [result("r3"), result("r2")]
    assert second.leases() == {"r3": "l1", "r2": "l1"}
    assert second.settle(result("r3"))
    second.close()
    assert DiskOutbox(folder).restored == ("r2",)


def test_a_newer_attempt_takes_the_place_of_the_older(folder: Path) -> None:
    outbox = DiskOutbox(folder)
    outbox.put(result(lease_id="l1"))
    outbox.put(result(lease_id="l2"))
    assert outbox.settle(result(lease_id="l1")) is False
    outbox.close()
    assert DiskOutbox(folder).leases() == {"r1": "l2"}


def test_what_is_settled_leaves_nothing(folder: Path) -> None:
    outbox = DiskOutbox(folder)
    for number in range(50):
        outbox.put(result(f"r{number}"))
        outbox.settle(result(f"r{number}"))
    outbox.close()
    assert files(folder) == []


def test_an_id_is_never_a_path(folder: Path) -> None:
    outbox = DiskOutbox(folder)
    for request_id in ("../../etc/x", "/abs", "a\x00b", "x" * 5000):
        outbox.put(result(request_id))
    assert outbox.flush()
    assert len(files(folder)) == 4
    assert len(DiskOutbox(folder).restored) == 4


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("l1", "l2"),
        lambda text: "\x00" * len(text),
        lambda text: json.dumps([1, 2]),
        lambda text: json.dumps({"sha256": 1, "message": None}),
    ],
)
def test_a_damaged_file_is_put_aside_and_said(
    folder: Path, spoil: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    outbox = DiskOutbox(folder)
    outbox.put(result("r1"))
    assert outbox.flush()
    [damaged] = files(folder)
    outbox.put(result("r2", "l9"))
    outbox.close()
    damaged.write_text(spoil(damaged.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / "half.json.part").write_text('{"sha')
    with caplog.at_level(logging.ERROR, "project.worker"):
        assert DiskOutbox(folder).restored == ("r2",)
    assert f"{damaged} is damaged and put aside" in caplog.text
    assert sorted(path.suffix for path in files(folder)) == [".damaged", ".json"]
    assert DiskOutbox(folder).restored == ("r2",)


def test_the_oldest_goes_when_there_are_too_many(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = DiskOutbox(folder, most_results=3)
    for number in range(5):
        outbox.put(result(f"r{number}"))
    assert len(outbox) == 3
    outbox.close()
    assert "that of r0 is given up" in caplog.text
    assert sorted(DiskOutbox(folder).restored) == ["r2", "r3", "r4"]
    assert len(DiskOutbox(folder, most_results=1)) == 1


def test_a_full_disk_is_said_once_and_costs_no_result(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = DiskOutbox(folder)
    folder.rmdir()
    outbox.put(result("r1"))
    outbox.put(result("r2"))
    assert outbox.flush() is False
    assert caplog.text.count("results cannot be kept") == 1
    assert len(outbox) == 2
    folder.mkdir()
    outbox.put(result("r3"))
    assert outbox.flush()
    assert len(files(folder)) == 3


def test_a_folder_has_one_worker_and_one_space(tmp_path: Path) -> None:
    first = open_state(tmp_path / "a", "http://h", "Space")
    with pytest.raises(StateUnavailable, match="another worker uses"):
        open_state(tmp_path / "a", "http://h", "Space")
    first.close()
    again = open_state(tmp_path / "a", "http://h", "Space")
    assert again.worker_id == first.worker_id
    again.close()
    with pytest.raises(StateUnavailable, match="belongs to a worker of the space 'Space'"):
        open_state(tmp_path / "a", "http://h", "Other")
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnavailable, match="cannot be used"):
        open_state(tmp_path / "file", "http://h", "Space")


def test_by_default_each_worker_has_the_first_free_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACES_WORKER_STATE_DIR", str(tmp_path))
    first, second = (open_default("http://h", "../Мой space/..") for _ in range(2))
    other = open_default("http://h", "other")
    assert len({first.worker_id, second.worker_id, other.worker_id}) == 3
    assert first.folder.parent == second.folder.parent != other.folder.parent
    assert first.folder.parent.parent == tmp_path
    (first.results / "waits.json").write_text("{}")
    first.close()
    again = open_default("http://h", "../Мой space/..")
    assert (again.folder, again.worker_id) == (first.folder, first.worker_id)
    (first.results / "waits.json").unlink()
    for state in (second, other, again):
        state.close()
    assert list(tmp_path.iterdir()) == [], "what has nothing to keep leaves nothing"


def test_a_damaged_name_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = open_state(tmp_path, "http://h", "Space")
    first.close()
    (tmp_path / "worker.json").write_text("{")
    second = open_state(tmp_path, "http://h", "Space")
    second.close()
    assert second.worker_id != first.worker_id
    assert "is damaged; the worker takes a new name" in caplog.text


class Restored(Fates):
    """Notes what an earlier run left, too."""

    def __init__(self) -> None:
        super().__init__()
        self.restored_ids: list[str] = []

    def restored(self, request_ids: Sequence[str]) -> None:
        self.restored_ids.extend(request_ids)


def test_a_killed_workers_result_is_handed_in_by_the_next(fake: FakeSite, mock: Mock, tmp_path: Path) -> None:
    fake.answers["inference_result"] = lambda message: HELD
    first = mock("--state-dir", str(tmp_path), *AT_ONCE)
    fake.give("r1", "precious")
    eventually(lambda: list((tmp_path / "results").glob("*.json")))
    first.signal(signal.SIGKILL)
    first.wait()
    del fake.answers["inference_result"]
    second = mock("--state-dir", str(tmp_path), *AT_ONCE)
    second.says("Results of an earlier run to hand in: 1")
    second.says("Result of r1, of an earlier run, is recorded")
    one, other = fake.of("inference_result")
    assert one == other
    before, after = fake.of("register")
    assert before["worker_id"] == after["worker_id"]
    assert before["boot_id"] != after["boot_id"]
    assert after["in_flight"] == [{"request_id": "r1", "lease_id": "r1-1", "started": True}]
    eventually(lambda: files(tmp_path / "results") == [])


def test_a_result_that_comes_too_late_is_dropped_and_said(fake: FakeSite, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    left = DiskOutbox(tmp_path / "results")
    left.put(result("r1"))
    left.close()
    fake.answers["inference_result"] = lambda message: {"ok": False, "code": "stale_lease", "message": "too late"}
    fates = Restored()
    serve(lambda request: "x", watcher=fates, state_dir=tmp_path)
    eventually(lambda: fates.rejected_codes == ["stale_lease"])
    assert fates.restored_ids == ["r1"]
    eventually(lambda: files(tmp_path / "results") == [])


def test_two_workers_do_not_share_a_folder(fake: FakeSite, serve: Serve, mock: Mock, tmp_path: Path) -> None:
    serve(lambda request: "x", state_dir=tmp_path)
    error = serve(lambda request: "x", state_dir=tmp_path, ready=False).ends()
    assert isinstance(error, StateUnavailable)
    process = mock("--state-dir", str(tmp_path), ready=False)
    assert process.wait() == 1
    assert process.output.splitlines()[-1].startswith("ERROR another worker uses")


def test_without_a_home_results_are_kept_in_memory_and_that_is_said(
    fake: FakeSite, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPACES_WORKER_STATE_DIR", str(tmp_path / "file"))
    serve(lambda request: "x", watcher=WorkerEvents())
    fake.give("r1")
    eventually(lambda: "r1" in fake.results())
    assert "results are kept in memory only" in caplog.text


def test_terminate_while_the_site_is_away_keeps_the_result(fake: FakeSite, mock: Mock, tmp_path: Path) -> None:
    process = mock("--state-dir", str(tmp_path), "--min-seconds", "0.8", "--max-seconds", "0.8")
    fake.give("r1", "outlive us both")
    process.says("[INFO] Processing...")
    fake.stop()
    process.says("ERROR Connection failed")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    fake.start()
    mock("--state-dir", str(tmp_path), *AT_ONCE)
    eventually(lambda: "r1" in fake.results())
    assert "outlive us both" in fake.results()["r1"]["result"]["text_output"]


@pytest.mark.slow
@one_of_trials
def test_site_and_worker_both_die_and_the_result_is_recorded(
    own_site: LiveSite, start_mock: Mock, tmp_path: Path
) -> None:
    """The site is killed during the run, the worker after it: nobody runs the request a second time."""
    own_site.start_afresh()
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    space_id = own_site.make_space("Twice")
    slow = ("--state-dir", str(folder), "--min-seconds", "1", "--max-seconds", "1")
    mock = start_mock(own_site.host, "Twice", *slow)
    request_id = own_site.submit(own_site.login(), space_id, prompt="x")["request_id"]
    mock.says("Progress: 25%")
    own_site.kill()
    eventually(lambda: list((folder / "results").glob("*.json")), within_s=10)
    mock.signal(signal.SIGKILL)
    mock.wait()
    own_site.start()
    second = start_mock(own_site.host, "Twice", *slow)
    second.says(f"Result of {request_id}, of an earlier run, is recorded")
    status = own_site.status(own_site.login(), request_id)
    assert (status["status"], status["attempt"]) == ("completed", 1)
    assert "[REQUEST]" not in second.output


@pytest.mark.slow
@one_of_trials
def test_a_result_whose_request_ran_elsewhere_meanwhile_is_refused(
    own_site: LiveSite, start_mock: Mock, tmp_path: Path
) -> None:
    own_site.environment |= {"SPACES_LEASE_S": "2", "SPACES_HEARTBEAT_S": "1"}
    own_site.start_afresh()
    states = Path(tempfile.mkdtemp(dir=tmp_path))
    space_id = own_site.make_space("Elsewhere")
    folder = ("--state-dir", str(states / "a"))
    first = start_mock(own_site.host, "Elsewhere", *folder, "--min-seconds", "1", "--max-seconds", "1")
    request_id = own_site.submit(own_site.login(), space_id, prompt="x")["request_id"]
    first.says("Progress: 25%")
    own_site.kill()
    eventually(lambda: files(states / "a" / "results"), within_s=10)
    first.signal(signal.SIGKILL)
    first.wait()
    own_site.start()
    other = start_mock(own_site.host, "Elsewhere", "--state-dir", str(states / "b"), *AT_ONCE)
    status = own_site.status(own_site.login(), request_id, wait=20)
    assert (status["status"], status["attempt"]) == ("completed", 2)
    other.signal(signal.SIGTERM)
    assert other.wait() == 0
    back = start_mock(own_site.host, "Elsewhere", *folder, *AT_ONCE)
    back.says(f"Result of {request_id} not taken (stale_lease)")
    eventually(lambda: files(states / "a" / "results") == [])
    assert own_site.status(own_site.login(), request_id)["result"] == status["result"]
