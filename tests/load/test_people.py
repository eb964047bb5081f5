"""A load run beside people: it marks its requests, takes none of theirs, and leaves none behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from project.load.output.folder import read_record
from tests.conftest import LiveSite, Process, eventually
from tests.load.conftest import Command
from tests.load.test_relay import rows

Load = Callable[..., Command]
ABIDING = {"ws_queue_while_offline": "on"}


@pytest.fixture(scope="module")
def person(site: LiveSite) -> requests.Session:
    return site.login("testuser", "testpass123")


def logged(site: LiveSite, admin: requests.Session, **query: str) -> list[dict[str, str]]:
    answer = admin.get(f"{site.host}/cfg/ipc/monitor/requests", params=query)
    found: list[dict[str, str]] = answer.json()["requests"]
    return found


def test_the_log_finds_the_requests_of_a_run(site: LiveSite, load: Load) -> None:
    space_id = site.make_space("Load marked")
    command = load("load", "--url", site.host, "--space", space_id, "--users", "2", "--requests", "6", "--workers", "1",
                   "--test-id", "mine-1", "--allow-invalid")  # fmt: skip
    assert command.wait() == 0, command.process.output
    assert read_record(command.folder).config["test_id"] == "mine-1"
    assert "test id: mine-1" in command.process.output
    admin = site.login()
    found = logged(site, admin, test_id="mine-1")
    assert [(one["source"], one["method"], one["test_id"]) for one in found] == [("relay", "Load marked", "mine-1")] * 6
    assert logged(site, admin, test_id="mine-2") == []
    assert all(one["test_id"] is None for one in logged(site, admin, tests="0"))


def test_an_id_that_cannot_be_kept_is_refused(site: LiveSite, load: Load, person: requests.Session) -> None:
    space_id = site.make_space("Load misnamed")
    answer = person.post(
        f"{site.host}/websockets/submit/{space_id}", data={"prompt": "x"}, headers={"X-Load-Test-Id": "x" * 65}
    )
    body = answer.json()
    assert (answer.status_code, body["code"], body["field"]) == (400, "invalid_field", "X-Load-Test-Id")
    command = load("load", "--url", site.host, "--space", space_id, "--test-id", "two words")
    assert command.wait() == 2
    assert "a test id has 1 to 64" in command.process.output


def test_played_workers_refuse_a_space_in_which_people_wait(
    site: LiveSite, load: Load, person: requests.Session
) -> None:
    space_id = site.make_space("Load people", **ABIDING)
    site.submit(person, space_id, prompt="a person's")
    command = load("load", "--url", site.host, "--space", space_id, "--requests", "1", "--workers", "1")
    assert command.wait() == 7
    assert "In 'Load people' requests wait (1)" in command.process.output
    assert command.process.output.count("\n") == 1
    assert rows(site, space_id) == ["queued"]


def test_played_workers_refuse_a_space_that_is_served(site: LiveSite, load: Load) -> None:
    space_id = site.make_space("Load served", ws_max_workers="4")
    mock = Process("mock_app.py", "--host", site.host, "--spaces", "Load served")
    try:
        mock.says("Registration successful")
        command = load("load", "--url", site.host, "--space", space_id, "--requests", "1", "--workers", "1")
        assert command.wait() == 7
        assert "A worker serves 'Load served' already" in command.process.output
    finally:
        mock.end()
    assert rows(site, space_id) == []


def test_a_request_of_a_person_ends_the_run_and_is_given_back(
    site: LiveSite, load: Load, person: requests.Session
) -> None:
    space_id = site.make_space("Load visited", **ABIDING)
    command = load("load", "--url", site.host, "--space", space_id, "--users", "2", "--duration", "60",
                   "--workers", "1", "--work", "0.2", "--allow-invalid")  # fmt: skip
    eventually(lambda: command.told().get("done", 0) > 1, within_s=30, what="calls that ended")
    mine = site.submit(person, space_id, prompt="a person's")["request_id"]
    assert command.wait() == 7, command.process.output
    assert read_record(command.folder).outcome == "space_in_use"
    state = site.status(person, mine)
    assert (state["status"], state["result"]) == ("queued", None)


@pytest.mark.parametrize(("workers", "following"), [("1", "poll"), ("0", "poll"), ("0", "wait"), ("0", "sse")])
def test_a_run_that_is_broken_off_leaves_nothing_in_the_queue(
    site: LiveSite, load: Load, workers: str, following: str
) -> None:
    name = f"Load broken off {workers} {following}"
    space_id = site.make_space(name, **ABIDING)
    command = load("load", "--url", site.host, "--space", name, "--users", "3", "--duration", "60",
                   "--follow", following, "--workers", workers, "--work", "60", "--allow-invalid")  # fmt: skip
    eventually(lambda: len(rows(site, space_id)) == 3, within_s=30, what="three requests under way")
    assert command.interrupt() == 130, command.process.output
    assert set(rows(site, space_id)) == {"completed" if workers == "1" else "cancelled"}


def test_what_was_just_being_submitted_is_not_left_either(site: LiveSite, load: Load) -> None:
    space_id = site.make_space("Load broken off at once", **ABIDING)
    command = load("steady", "--url", site.host, "--space", space_id, "--clients", "8", "--rate", "300",
                   "--duration", "60", "--allow-invalid")  # fmt: skip
    eventually(lambda: len(rows(site, space_id)) > 5, within_s=30, what="some requests are there")
    assert command.interrupt() == 130, command.process.output
    assert set(rows(site, space_id)) == {"cancelled"}
