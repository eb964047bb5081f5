"""The relay under load, with workers the engine plays itself: what it did is what the site's database says."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable

import pytest

from project.load.output.folder import read_record
from project.load.targets.relay import stages_of
from tests.conftest import LiveSite, one_of_trials
from tests.load.conftest import Command

Load = Callable[..., Command]


def rows(site: LiveSite, space_id: str) -> list[str]:
    (path,) = site.data_dir.glob("*.db")
    with sqlite3.connect(path) as database:
        return [status for (status,) in database.execute("select status from requests where space_id = ?", (space_id,))]


@pytest.mark.parametrize("following", ["wait", "poll", "sse"])
@one_of_trials
def test_requests_are_driven_from_submission_to_result(site: LiveSite, load: Load, following: str) -> None:
    name = f"Load {following} {secrets.token_hex(4)}"
    space_id = site.make_space(name)
    users = "1" if following == "sse" else "4"
    count = "4" if following == "sse" else "40"
    command = load("load", "--url", site.host, "--space", name, "--users", users, "--requests", count,
                   "--workers", "1", "--work", "0.05", "--follow", following, "--allow-invalid")  # fmt: skip
    assert command.wait() == 0, command.process.output
    record = read_record(command.folder)
    assert record.errors == {}
    assert record.counts.succeeded == int(count)
    assert rows(site, space_id) == ["completed"] * int(count)
    whole, overhead = record.histogram("response"), record.histogram("overhead")
    assert overhead.count == whole.count
    # All of a call is the known work and the relay's overhead.
    assert whole.mean_us - overhead.mean_us == pytest.approx(50_000, rel=0.2)
    assert record.histogram("run").count == int(count)
    assert record.histogram("queue").count == int(count)


def test_a_space_without_a_worker_is_told_as_such(site: LiveSite, load: Load) -> None:
    space_id = site.make_space("Load empty")
    command = load("load", "--url", site.host, "--space", space_id, "--requests", "5", "--users", "1",
                   "--allow-invalid", "--threshold", "error_percent<1")  # fmt: skip
    assert command.wait() == 1, command.process.output
    assert read_record(command.folder).errors == {"worker_offline": 5}


@one_of_trials
def test_a_result_that_does_not_come_in_time_is_lost(site: LiveSite, load: Load) -> None:
    space_id = site.make_space(f"Load late {secrets.token_hex(4)}")
    command = load("load", "--url", site.host, "--space", space_id, "--requests", "2", "--users", "2", "--workers", "1",
                   "--work", "60", "--timeout", "0.5", "--allow-invalid")  # fmt: skip
    assert command.wait() == 0, command.process.output
    counts = read_record(command.folder).counts
    assert (counts.sent, counts.received, counts.lost, counts.failed) == (2, 0, 2, 2)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--space", "Nobody's"), "has no space \"Nobody's\"; there are '"),
        (("--space", "Load flags", "--password", "wrong"), "The login of testuser was refused"),
        (("--space", "Load flags", "--username", "nobody here"), "The login of nobody here was refused"),
    ],
)
def test_what_is_wrong_with_the_site_is_one_line(site: LiveSite, load: Load, flags: tuple[str, ...], says: str) -> None:
    site.make_space("Load flags")
    command = load("load", "--url", site.host, *flags)
    assert command.wait() == 2
    assert says in command.process.output
    assert command.process.output.count("\n") == 1
    assert command.told()["status"] == "failed"
    assert says in command.told()["error"]


def test_stages_add_up_to_the_whole() -> None:
    body = {
        "queued_at": "2026-01-01T00:00:00.000Z",
        "dispatched_at": "2026-01-01T00:00:00.100Z",
        "started_at": "2026-01-01T00:00:00.130Z",
        "finished_at": "2026-01-01T00:00:00.630Z",
    }
    assert stages_of(body, 700_000) == {"queue": 100_000, "dispatch": 30_000, "run": 500_000, "return": 70_000}
    quick = stages_of(body | {"started_at": None}, 700_000)
    assert quick == {"queue": 100_000, "run": 530_000, "return": 70_000}
    assert stages_of(body | {"dispatched_at": None, "started_at": None}, 700_000)["queue"] == 630_000
    assert stages_of({}, 1) == {}
    # The worker's word for its beginning, and rounding, may lie before the hand-over: the sum stays the whole.
    early = stages_of(body | {"started_at": "2026-01-01T00:00:00.090Z"}, 700_000)
    assert early == {"queue": 100_000, "dispatch": 0, "run": 530_000, "return": 70_000}


def test_a_site_whose_clock_was_set_meanwhile_says_nothing_of_stages() -> None:
    body = {"queued_at": "2026-01-01T00:00:00.000Z", "dispatched_at": "2026-01-01T00:00:00.001Z"}
    assert stages_of(body | {"finished_at": "2026-01-01T01:00:00.000Z"}, 700_000) == {}
    assert stages_of(body | {"finished_at": "2025-12-31T23:00:00.000Z"}, 700_000) == {}
    assert stages_of(body | {"finished_at": "2026-01-01T00:00:00.701Z"}, 700_000)["return"] == 0, "rounded"


def test_in_safe_mode_nothing_is_left(site: LiveSite, load: Load) -> None:
    space_id = site.make_space("Load safely")
    command = load("load", "--url", site.host, "--space", space_id, "--users", "4", "--requests", "20", "--workers",
                   "1", "--header", "X-Load-Test: true", "--allow-invalid")  # fmt: skip
    assert command.wait() == 0, command.process.output
    assert read_record(command.folder).counts.succeeded == 20
    assert rows(site, space_id) == []
