"""What a wrong site does, and the checks that must notice: ``{check: what its line must have}``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qs

from tests.suites.liar import Answer, Call, Forward, Lie

HTML = [("Content-Type", "text/html; charset=utf-8")]
JSON = [("Content-Type", "application/json")]
TURN = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong with a site."""

    name: str
    lie: Lie
    noticed: dict[str, str]
    flags: tuple[str, ...] = ()


def _status(path: str, was: int, says: int, *, method: str = "", body: str = "", location: str = "") -> Lie:
    """Another status (and another body) where the real site gives ``was``."""

    def lie(call: Call, forward: Forward) -> Answer:
        answer = forward(call)
        if not re.fullmatch(path, call.path) or (method and call.method != method) or answer.status != was:
            return answer
        headers = [*answer.headers, ("Location", location)] if location else answer.headers
        return Answer(says, headers, body.encode() or answer.body)

    return lie


def _text(path: str, *swaps: tuple[str, str]) -> Lie:
    """Other words in the bodies of a path."""

    def lie(call: Call, forward: Forward) -> Answer:
        answer = forward(call)
        if call.method != "GET" or not re.fullmatch(path, call.path):
            return answer
        text = answer.text
        for old, new in swaps:
            text = re.sub(old, new, text)
        return answer.saying(text)

    return lie


def _json(path: str, was: int, **parts: object) -> Lie:
    """Other parts in the JSON of a path; None takes one away."""

    def lie(call: Call, forward: Forward) -> Answer:
        answer = forward(call)
        return answer.but(**parts) if answer.status == was and re.fullmatch(path, call.path) else answer

    return lie


def _logout_in_the_browser_only(call: Call, forward: Forward) -> Answer:
    if call.path != "/logout" or call.method != "POST":
        return forward(call)
    # The site is not told who leaves, so it has no login to end.
    return forward(replace(call, headers=[(key, value) for key, value in call.headers if key != "Cookie"]))


def _deletes_nothing(call: Call, forward: Forward) -> Answer:
    return Answer(302, [("Location", "/admin/")]) if "/space/delete/" in call.path else forward(call)


def _plain_errors(call: Call, forward: Forward) -> Answer:
    answer = forward(call)
    if answer.status != 404 or not call.path.startswith("/websockets/status"):
        return answer
    return Answer(404, HTML, b"<h1>Not Found</h1>")


def _renames_twins(call: Call, forward: Forward) -> Answer:
    """Makes the second space of a name under another one, so that a worker finds only one."""
    if call.path == "/admin/space/add" and b"name=Duplicate" in call.body:
        name = parse_qs(call.body.decode())["name"][0]
        if name.encode() in forward(Call("GET", "/", [("Accept", "application/json")], b"")).body:
            call = Call(call.method, call.path, call.headers, call.body.replace(b"name=Duplicate", b"name=Other"))
    return forward(call)


def _result(**parts: object) -> Lie:
    """Another result of what has completed."""

    def lie(call: Call, forward: Forward) -> Answer:
        answer = forward(call)
        result = answer.json.get("result")
        if not call.path.startswith("/websockets/") or not isinstance(result, dict):
            return answer
        return answer.but(result={key: value for key, value in {**result, **parts}.items() if value is not None})

    return lie


def _file(**parts: object) -> Lie:
    """Something else about the files in a result."""

    def lie(call: Call, forward: Forward) -> Answer:
        answer = forward(call)
        result = answer.json.get("result")
        if not isinstance(result, dict):
            return answer
        return answer.but(result={**result, "files_processed": [{**f, **parts} for f in result["files_processed"]]})

    return lie


def _last_in_first_out(call: Call, forward: Forward) -> Answer:
    """Turns the times of runs around, so that the last one seems to have been the first."""
    answer = forward(call)
    if not call.path.startswith("/websockets/status") or not answer.json.get("finished_at"):
        return answer
    began, ended = (datetime.fromisoformat(answer.json[name]) for name in ("started_at", "finished_at"))
    return answer.but(started_at=_turned(ended), finished_at=_turned(began))


def _turned(at: datetime) -> str:
    return (TURN - (at - TURN)).isoformat().replace("+00:00", "Z")


def _forgets(call: Call, forward: Forward) -> Answer:
    """Accepts every request and knows none of them afterwards."""
    if call.path.startswith("/websockets/submit/"):
        answer = forward(call)
        return answer.but(status="queued", result=None) if answer.status == 200 else answer
    if call.path.startswith("/websockets/status"):
        unknown = {"success": False, "error": "Unknown request", "code": "request_not_found"}
        return Answer(404, JSON, json.dumps(unknown).encode())
    return forward(call)


SUBMIT, STATUS = r"/websockets/submit/\w+", r"/websockets/status\?.*"
OF_SPACE, PAGE = r"/websockets/space/\w+/status", r"/ai_project/\w+"
NEW_SPACE = "a new space opens and says it is not connected"
LOAD = "every request is accepted and completes"
RATE = "too soon is refused with the time to wait"
FEW = ("--suite", "load", "--requests", "6", "--concurrency", "2")
PAGES = ("--only", "answers HTML")
SPACES = ("--only", "space")
REQUESTS = ("--only", "submitting", "--only", "unknown", "--only", "wait")
SINGLE = ("--suite", "scenarios", "--only", "scenario 1")
TWO = ("--suite", "scenarios", "--only", "scenario 2")
FILES = ("--suite", "scenarios", "--only", "scenario 3")
RECOVERY = ("--suite", "scenarios", "--only", "scenario 4")
TWINS = ("--suite", "scenarios", "--only", "scenario 5")
ONE, THREE, FOUR, FIVE = (
    "scenario 1: a single request",
    "scenario 3: a request with files",
    "scenario 4: disconnection and recovery",
    "scenario 5: duplicate names",
)

OF_ACCOUNTS = (
    Wrong(
        "any login is good",
        _status("/login", 401, 302, method="POST", location="/"),
        {
            "a wrong password is refused": "login with a wrong password: expected 401, got 302",
            "an unknown user is refused": "login of nobody: expected 401, got 302",
        },
    ),
    Wrong(
        "a name can be taken twice",
        _status("/register", 409, 302, method="POST", location="/"),
        {"a new user registers, logs in and out": "registering the same name again: expected 409, got 302"},
    ),
    Wrong(
        "logout is a matter of the browser",
        _logout_in_the_browser_only,
        {"logout ends the session on the server": "a call after that: expected 401, got 404"},
    ),
    Wrong(
        "everybody is an administrator",
        _status("/admin/space/add", 403, 200, method="GET"),
        {"only an administrator makes spaces": "a user at /admin/space/add: expected 403, got 200"},
    ),
)
OF_SPACES = (
    Wrong(
        "the front page is no page",
        _status("/", 200, 500, method="GET"),
        {
            "the front page answers HTML": "GET /: expected 200, got 500",
        },
        PAGES,
    ),
    Wrong(
        "there is no login page",
        _status("/login", 200, 404, method="GET"),
        {"the login page answers HTML": "GET /login: expected 200, got 404"},
        PAGES,
    ),
    Wrong(
        "a new space is not listed",
        _text("/", ("/ai_project/", "/elsewhere/")),
        {"a new space is on the front page": "the link to the new space on the front page: expected 'TestSpace_"},
        SPACES,
    ),
    Wrong(
        "the badge always says connected",
        _text(PAGE, ("✗ 未连接", "✓ 已连接"), ("✗ Not connected", "✓ Connected")),
        {NEW_SPACE: "the badge of the space (zh): expected ['✗ 未连接'], got ['✓ 已连接']"},
        SPACES,
    ),
    Wrong(
        "the form can be used without a worker",
        _text(PAGE, ("<fieldset id=.fields.[^>]*>", '<fieldset id="fields">')),
        {NEW_SPACE: "the form of the space is disabled (zh): expected True, got False"},
        SPACES,
    ),
    Wrong(
        "a space is always connected",
        _json(OF_SPACE, 200, connected=True),
        {"the status of a new space": "connected, without a worker: expected False, got True"},
        SPACES,
    ),
    Wrong(
        "the status has other field names",
        _json(OF_SPACE, 200, queue_size=None, queueSize=0),
        {"the status of a new space": "expected queue_size in the answer, got {"},
        SPACES,
    ),
    Wrong(
        "a nameless space is made",
        _status("/admin/space/add", 400, 302, location="/admin/"),
        {"a space needs a name": "a space without a name: expected 400, got 302"},
        SPACES,
    ),
    Wrong(
        "a deleted space stays",
        _deletes_nothing,
        {"a deleted space is gone": "it is still listed: expected False, got True"},
        SPACES,
    ),
    Wrong(
        "spaces cannot be deleted",
        _status(r"/admin/space/delete/\w+", 302, 500),
        {
            "a deleted space is gone": "deleting a space: expected 302, got 500",
            "the spaces made here are deleted": "deleting a space: expected 302, got 500",
        },
        SPACES,
    ),
)
OF_REQUESTS = (
    Wrong(
        "anybody may submit",
        _status(SUBMIT, 401, 200, body='{"success": true, "request_id": "r1"}'),
        {"submitting needs a login": "submit without login: expected 401, got 200"},
        REQUESTS,
    ),
    Wrong(
        "one may submit to nobody",
        _status(SUBMIT, 503, 200, body='{"success": true, "request_id": "r1"}'),
        {"submitting needs a worker": "submit without a worker: expected 503, got 200"},
        REQUESTS,
    ),
    Wrong(
        "the refusal does not say why",
        _json(SUBMIT, 503, error="Something went wrong"),
        {"submitting needs a worker": "the error: expected 'remote app not connected', got ['Something went wrong']"},
        REQUESTS,
    ),
    Wrong(
        "an unknown request is fine",
        _status(STATUS, 404, 200, body='{"status": "completed"}'),
        {"an unknown request is not found": "an unknown request: expected 404, got 200"},
        REQUESTS,
    ),
    Wrong(
        "errors are pages",
        _plain_errors,
        {"an unknown request is not found": "an unknown request: expected a JSON object, got '<h1>Not Found</h1>'"},
        REQUESTS,
    ),
    Wrong(
        "errors have no code",
        _json(SUBMIT, 404, code=None),
        {"an unknown space is not found": "expected code in the answer, got {"},
        REQUESTS,
    ),
    Wrong(
        "errors claim success",
        _json(SUBMIT, 404, success=True),
        {"an unknown space is not found": "submit to an unknown space: success: expected False, got True"},
        REQUESTS,
    ),
    Wrong(
        "a bad field is not named",
        _json(STATUS, 400, field="request_id"),
        {"a bad wait is refused by name": "the field that is named: expected 'wait', got 'request_id'"},
        REQUESTS,
    ),
)
UNDER_LOAD = (
    Wrong("accepted requests are forgotten", _forgets, {LOAD: "expected 6 completed, got 0 completed, 0 failed"}, FEW),
    Wrong(
        "everybody gets the same result",
        _result(text_output="This is somebody's answer"),
        {LOAD: "6 mixed up; the first: request "},
        FEW,
    ),
    Wrong("requests fail", _json(STATUS, 200, status="failed", error="No"), {LOAD: "0 completed, 6 failed"}, FEW),
    Wrong("there is no limit", _status(SUBMIT, 429, 200), {RATE: "the second submit at once: expected 429"}, FEW),
    Wrong(
        "429 without a time", _json(SUBMIT, 429, retry_after=None), {RATE: "expected retry_after in the answer"}, FEW
    ),
    Wrong("429 with a past time", _json(SUBMIT, 429, retry_after=-1), {RATE: "retry_after (-1) is a number"}, FEW),
)
OF_SCENARIOS = (
    Wrong(
        "a result is another one's",
        _result(text_output="A poem about dogs"),
        {ONE: "text_output of the result: expected 'Generate a poem about cats ("},
        SINGLE,
    ),
    Wrong("a result lacks a part", _result(confidence=None), {ONE: "expected result.confidence in the answer"}, SINGLE),
    Wrong("nothing completes", _json(STATUS, 200, status="done"), {ONE: "expected 'completed', got 'done'"}, SINGLE),
    Wrong(
        "the last comes first",
        _last_in_first_out,
        {"scenario 2: concurrent requests": "the order of started_at: expected ["},
        TWO,
    ),
    Wrong("a file's hash is wrong", _file(sha256="0" * 64), {THREE: "SHA-256 of the file at the worker: "}, FILES),
    Wrong("a file's size is wrong", _file(size=1), {THREE: "expected 16044, got 1"}, FILES),
    Wrong("the end of a worker is not told", _json(OF_SPACE, 200, connected=True), {FOUR: "connected false"}, RECOVERY),
    Wrong(
        "namesakes are served",
        _renames_twins,
        {FIVE: "expected 'Multiple spaces with name found' of the mock app, got 'Request processor started'"},
        TWINS,
    ),
)
EVERY = (*OF_ACCOUNTS, *OF_SPACES, *OF_REQUESTS, *UNDER_LOAD, *OF_SCENARIOS)
