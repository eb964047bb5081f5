"""The test tool as people use it: its flags, what it prints, its exit codes, what it leaves behind."""

from __future__ import annotations

import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from project.suites import bench, cli, client
from project.suites.page import Page
from tests.conftest import LiveSite, Process, lasting_port, one_of_trials
from tests.suites.conftest import Told
from tests.suites.liar import Answer, Call, Forward, liar_before
from tests.worker.wrong_servers import Answering

RunTool = Callable[..., Told]
Start = Callable[..., Process]


@pytest.fixture
def start_tool() -> Iterator[Start]:
    started: list[Process] = []

    def start(*flags: str) -> Process:
        started.append(Process("test_websockets.py", *flags))
        return started[-1]

    yield start
    for process in started:
        process.end()


def spaces(site: LiveSite) -> list[str]:
    answer = requests.get(f"{site.host}/", headers={"Accept": "application/json"})
    return sorted(space["name"] for space in answer.json()["spaces"])


@one_of_trials
def test_everything_passes_and_nothing_is_left(site: LiveSite, start_tool: Start, tmp_path: Path) -> None:
    before = spaces(site)
    file = tmp_path / "outcomes.xml"
    tool = start_tool(
        "--host", f"{site.host}/", "--suite", "all", "--verbose", "--requests", "40", "--junit", str(file)
    )
    assert tool.wait(240) == 0, tool.output
    for line in ("Basic suite (19 checks)", "Load suite (2 checks)", "Scenarios suite (5 checks)"):
        assert line in tool.output
    assert "40 completed, 0 failed, 0 lost" in tool.output
    assert re.search(r"submit to result: p50 \d+ ms, p95 \d+ ms, p99 \d+ ms", tool.output)
    assert re.search(r"POST /login -> 302 \(\d+ ms\)", tool.output)
    assert re.search(r"^26 passed, 0 failed in [\d.]+ s$", tool.output, re.MULTILINE)
    # Where no line can move, one comes every two seconds.
    assert re.search(r"  … 2/5 scenario 2: concurrent requests, .* \(\d+ s\)", tool.output)
    assert file.read_text().count("<testcase ") == 26
    assert spaces(site) == before


def test_the_space_of_the_guide(site: LiveSite, start_tool: Start, start_mock: Start) -> None:
    """Step 2, twice: what it prints is the guide's, and the command that it prints works, whatever was made before."""
    names = []
    for _ in range(2):
        tool = start_tool("--setup-space", "--host", site.host)
        assert tool.wait() == 0
        told = re.fullmatch(
            "Creating test WebSocket space...\n"
            f"Host: {site.host}\n"
            "Admin User: admin\n\n"
            r"✓ Space created: (?P<name>TestSpace_\d+)" + "\n\n"
            "Now run the mock app with:\n"
            f"  python mock_app.py --host {site.host}" + r' --spaces "(?P=name)"' + "\n",
            tool.output,
        )
        assert told, tool.output
        names.append(told["name"])
    start_mock(site.host, names[0])
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(500), "making a space: expected 302, got 500"),
        (Answer(302, [("Location", "/admin/")]), "making a space: expected a redirect to /admin/space/edit/<id>"),
        (Answer(200, [], b"<h1>Welcome</h1>"), "making a space: expected 302, got 200"),
    ],
    ids=["broken", "elsewhere", "a-page"],
)
def test_no_space_is_made(site: LiveSite, answer: Answer, says: str) -> None:
    """The guide's step 2 says so, in one line, rather than to name a space that nobody can serve."""
    with liar_before(site.port) as liar:
        liar.lie = lambda call, forward: answer if call.path == "/admin/space/add" else forward(call)
        result = CliRunner().invoke(cli.main, ["--setup-space", "--host", liar.host], catch_exceptions=False)
    assert result.exit_code == 1
    assert result.output.strip().splitlines()[-1].startswith(f"✗ {says}")
    assert "Space created" not in result.output


def test_kept_spaces_stay(site: LiveSite, run_tool: RunTool) -> None:
    before = spaces(site)
    assert run_tool("--host", site.host, "--only", "a new space is on the front page", "--keep").exit_code == 0
    assert len(spaces(site)) == len(before) + 1


def test_only_some_checks(site: LiveSite, run_tool: RunTool) -> None:
    told = run_tool("--host", site.host, "--suite", "all", "--only", "unknown")
    assert told.passed == [
        "an unknown user is refused",
        "an unknown request is not found",
        "an unknown space is not found",
    ]


def test_a_space_of_somebody_else(site: LiveSite, start_mock: Start, run_tool: RunTool) -> None:
    """By its name or its id; it is not deleted afterwards, and a wrong name is told."""
    space_id = site.make_space("Somebody's")
    load = ("--host", site.host, "--suite", "load", "--only", "every request", "--requests", "5", "--concurrency", "9")
    assert (
        "the space Somebody's is connected: expected True, got False" in run_tool(*load, "--space", "Somebody's").output
    )
    start_mock(site.host, "Somebody's", "--min-seconds", "0", "--max-seconds", "0")
    for name in ("Somebody's", space_id):
        assert run_tool(*load, "--space", name).exit_code == 0
    assert "expected one space with the name or id 'Nobody', got 0" in run_tool(*load, "--space", "Nobody").output
    assert "Somebody's" in spaces(site)


def test_other_logins(site: LiveSite, run_tool: RunTool) -> None:
    wrong = run_tool("--host", site.host, "--admin-pass", "wrong-one", "--only", "the administrator logs in")
    assert wrong.failed == {
        "the administrator logs in": "login of admin: expected 302, got 401; are --admin-user and --admin-pass right?"
    }
    new = ("--username", "tester_of_flags", "--password", "a good long one", "--only", "the test user")
    assert run_tool("--host", site.host, *new).exit_code == 0
    assert site.login("tester_of_flags", "a good long one")
    setup = run_tool_setup(site, "--admin-pass", "wrong-one")
    assert setup == (1, "✗ login of admin: expected 302, got 401; are --admin-user and --admin-pass right?")


def run_tool_setup(site: LiveSite, *flags: str) -> tuple[int, str]:
    """Exit code and last line of --setup-space."""
    tool = Process("test_websockets.py", "--setup-space", "--host", site.host, *flags)
    try:
        return tool.wait(), tool.output.strip().splitlines()[-1]
    finally:
        tool.end()


def test_something_else_is_there(start_tool: Start) -> None:
    server = Answering(lambda path: (200 if path == "/" else 501, {"Content-Type": "text/html"}, b"<h1>Hello</h1>"))
    try:
        tool = start_tool("--setup-space", "--host", server.host)
        assert tool.wait() == 1
        line = f"✗ login of admin: expected 302, got 501; is {server.host} a WebSocket Spaces site?"
        assert tool.output.strip().splitlines()[-1] == line
    finally:
        server.close()


def test_nobody_there(start_tool: Start) -> None:
    host = f"http://127.0.0.1:{lasting_port()}"
    for flags in ((), ("--setup-space",), ("--suite", "scenarios")):
        tool = start_tool("--host", host, *flags)
        assert tool.wait() == 2
        line = f"✗ Cannot reach {host}: connection refused. Is the site running? Start it with: python run.py"
        assert tool.output.strip().splitlines()[-1] == line
        assert "Traceback" not in tool.output


def test_something_else_there(start_tool: Start) -> None:
    """A port that speaks no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=_hang_up, args=(other,), daemon=True).start()
        tool = start_tool("--host", f"http://127.0.0.1:{other.getsockname()[1]}")
        assert tool.wait() == 2
    assert "the connection broke" in tool.output


def _hang_up(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.close()


def test_nobody_answers(run_tool: RunTool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that takes a call and says nothing is no site to run nineteen checks against."""
    monkeypatch.setattr(client, "GREETING_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        told = run_tool("--host", host)
    assert (told.exit_code, told.output) == (2, f"✗ Cannot reach {host}: no answer within 0.2 s\n")


def test_guesses_may_be_slowed_down(site: LiveSite, run_tool: RunTool) -> None:
    """However often the tool is run; the refusal must be one all the same."""
    with liar_before(site.port) as liar:
        liar.lie = lambda call, forward: _slows_down(forward(call))
        told = run_tool("--host", liar.host, "--only", "refused")
    assert told.exit_code == 0
    assert told.output.count("the site slows down guesses: try again in 7 s") == 2


def _slows_down(answer: Answer) -> Answer:
    return (
        replace(answer, status=429, headers=[("Retry-After", "7")])
        if answer.status == 401 and not answer.json
        else answer
    )


def test_a_site_that_goes_away(site: LiveSite, run_tool: RunTool) -> None:
    """What was found out until then is told, and why it ended."""
    with liar_before(site.port) as liar:
        liar.lie = _goes_away
        told = run_tool("--host", liar.host)
    assert told.exit_code == 2
    assert told.passed == ["the front page answers HTML", "the login page answers HTML"]
    assert "2 passed, 0 failed" in told.output
    assert "the connection broke" in told.output


def _goes_away(call: Call, forward: Forward) -> Answer:
    """Nobody answers any more once somebody sends something."""
    if call.method == "POST":
        raise ConnectionError("gone")
    return forward(call)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_ended_in_the_middle(site: LiveSite, start_tool: Start, number: signal.Signals) -> None:
    """It still deletes its spaces and ends its mock workers."""
    before = spaces(site)
    tool = start_tool("--host", site.host, "--suite", "scenarios", "--verbose")
    tool.says("/websockets/submit/")
    made = next(name for name in spaces(site) if name not in before)
    assert made.startswith("Single_")
    tool.signal(number)
    assert tool.wait() not in (0, 2)
    assert "Traceback" not in tool.output
    assert spaces(site) == before


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--host", "localhost:5001"), "localhost:5001 is no address of a site; it looks like http://localhost:5001"),
        (("--suite", "everything"), "'everything' is not one of"),
        (("--only", "no such check"), "no check of the basic suite has no such check in its name"),
        (("--requests", "0"), "0 is not in the range"),
        (("--junit", "/nowhere/at/all.xml"), "No such file or directory"),
    ],
)
def test_wrong_flags(flags: tuple[str, str], says: str) -> None:
    result = CliRunner().invoke(cli.main, flags, catch_exceptions=False)
    assert result.exit_code == 2
    assert says in result.output


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("http://localhost:5001", True),
        ("http://127.0.0.9", True),
        ("http://[::1]:80", True),
        ("https://spaces.example", False),
        ("http://192.0.2.1:5001", False),
    ],
)
def test_this_machine_is_known(host: str, is_here: bool) -> None:
    assert bench.is_loopback(host) == is_here


def test_a_worker_elsewhere_gets_a_token(site: LiveSite, run_tool: RunTool, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a site on another machine, each mock worker gets a token of its space."""
    monkeypatch.setattr(bench, "is_loopback", lambda host: False)
    told = run_tool("--host", site.host, "--suite", "scenarios", "--only", "scenario 1", "--verbose")
    assert told.exit_code == 0, told.output
    assert re.search(r"POST /admin/space/\w+/tokens -> 200", told.output)
    far = bench.Bench(site.host)
    space_id = far.make_space("Far")
    token = far.worker_token(space_id)
    mock = Process("mock_app.py", "--host", site.host, "--spaces", "Far", "--token", token)
    try:
        mock.says("Registration successful")
    finally:
        mock.end()
        far.tidy()


def test_pages_are_read_as_people_see_them() -> None:
    page = Page.of(
        "<title>no</title><script>no</script><a href='/x'>one <b>two</b></a>"
        "<p id='token'> abc\n def </p><fieldset id=f disabled><input value='no'></fieldset>"
    )
    assert page.texts == ["one", "two", "abc def"]
    assert page.links == {"/x": ["one", "two"]}
    assert page.by_id["token"] == "abc def"
    assert page.disabled == {"f"}
