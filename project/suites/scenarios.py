"""The testing guide's five scenarios, with mock workers of the suite's own."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import secrets
import wave
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final

from project.suites.basic import expect_badge
from project.suites.bench import Bench
from project.suites.check import Check
from project.suites.client import Visitor
from project.suites.expect import body_of, expect, expect_among, expect_refusal, part_of, until
from project.suites.processes import READY, mock_app

QUICK: Final = ("--verbose", "--min-seconds", "0.6", "--max-seconds", "0.8")
RESULT_KEYS: Final = (
    "text_output",
    "confidence",
    "model_used",
    "processing_time_seconds",
    "tokens_used",
    "timestamp",
)
SLACK: Final = timedelta(milliseconds=200)
"""The site stamps an end when it is told of it, which may be just after the next request has begun. Far below a run."""
NOTICED_WITHIN_S: Final = 2.0
LONGEST_WAIT_S: Final = 30.0


def _single(bench: Bench) -> None:
    name = bench.name("Single")
    space_id, user = bench.make_space(name), bench.user()
    prompt = f"Generate a poem about cats ({secrets.token_hex(4)})"
    with mock_app(bench, space_id, name, *QUICK) as mock:
        body = _ended(user, _submitted(user, space_id, data={"prompt": prompt}))
        mock.says("[REQUEST] New inference request received")
        for percent in (25, 50, 75):
            mock.says(f"Progress: {percent}%")
        mock.says("[RESULT]")
    for key in RESULT_KEYS:
        part_of(body, "result", key)
    expect_among([str(part_of(body, "result", "text_output"))], prompt, "text_output of the result")


def _concurrent(bench: Bench) -> None:
    name = bench.name("Concurrent")
    space_id = bench.make_space(name)
    users = [bench.new_user() for _ in range(3)]
    prompts = [secrets.token_hex(4) for _ in users]
    with mock_app(bench, space_id, name, *QUICK) as mock:
        with ThreadPoolExecutor(len(users)) as pool:
            ids = list(pool.map(lambda user, text: _submitted(user, space_id, data={"prompt": text}), users, prompts))
        bench.say("3 requests are queued")
        bodies = [_ended(user, request_id) for user, request_id in zip(users, ids, strict=True)]
        received = re.findall(r"received\n  Request ID: (\w+)", mock.output)
        begun = re.findall(r"Processing\.\.\.\n  Request ID: (\w+)", mock.output)
    expect(sorted(received), sorted(ids), "requests received by the mock app")
    expect(begun, received, "the order of processing")
    for body, prompt in zip(bodies, prompts, strict=True):
        expect_among([str(part_of(body, "result", "text_output"))], prompt, "text_output of each user's own result")
    runs = sorted(bodies, key=lambda body: _time(body, "started_at"))
    expect([part_of(run, "request_id") for run in runs], begun, "the order of started_at")
    queued = [_time(run, "queued_at") for run in runs]
    expect(queued, sorted(queued), "queued_at in the order of started_at")
    for earlier, later in itertools.pairwise(runs):
        overlap = _time(earlier, "finished_at") - _time(later, "started_at")
        expect(overlap <= SLACK, True, f"one request ends before the next begins (overlap {overlap})")


def _files(bench: Bench) -> None:
    name = bench.name("Files")
    space_id, user = bench.make_space(name), bench.user()
    sound = _noise()
    digest = hashlib.sha256(sound).hexdigest()
    with mock_app(bench, space_id, name, *QUICK) as mock:
        files = {"audio_file": ("noise.wav", sound, "audio/wav")}
        body = _ended(user, _submitted(user, space_id, data={"prompt": "listen"}, files=files))
        mock.says("File: noise.wav")
        mock.says(digest)
    told = part_of(body, "result", "files_processed", 0)
    expect(part_of(told, "name"), "noise.wav", "name of the file at the worker")
    expect(part_of(told, "size"), len(sound), "size of the file at the worker")
    expect(part_of(told, "sha256"), digest, "SHA-256 of the file at the worker")


def _recovery(bench: Bench) -> None:
    name = bench.name("Recovery")
    space_id, user = bench.make_space(name), bench.user()
    with mock_app(bench, space_id, name, *QUICK) as mock:
        _expect_connected(bench, user, space_id)
        expect(mock.interrupt(), 0, "exit code of the mock app after Ctrl+C")
    until(lambda: not bench.is_connected(space_id), within_s=NOTICED_WITHIN_S, what="connected false after Ctrl+C")
    expect_badge(user, space_id, connected=False)
    refused = user.submit(space_id, data={"prompt": "x"})
    body = expect_refusal(refused, 503, "worker_offline", "submit without a worker")
    expect_among([str(part_of(body, "error"))], "remote app not connected", "the error")
    bench.say("the mock app starts again")
    with mock_app(bench, space_id, name, *QUICK):
        _expect_connected(bench, user, space_id)
        _ended(user, _submitted(user, space_id, data={"prompt": "again"}))


def _duplicates(bench: Bench) -> None:
    name = bench.name("Duplicate")
    space_ids = [bench.make_space(name) for _ in range(2)]
    with mock_app(bench, space_ids[0], name, ready=False) as mock:
        mock.says("Multiple spaces with name found", but_not=READY)
        expect(mock.exit_code() != 0, True, "the mock app ends with an exit code of an error")
    for space_id in space_ids:
        expect(bench.is_connected(space_id), False, "connected, of a space whose name is there twice")


def _expect_connected(bench: Bench, user: Visitor, space_id: str) -> None:
    until(lambda: bench.is_connected(space_id), within_s=NOTICED_WITHIN_S, what="connected true with a mock app")
    expect_badge(user, space_id, connected=True)


def _submitted(user: Visitor, space_id: str, **options: Any) -> str:
    """Submit; the id of the request."""
    body = body_of(user.submit(space_id, **options), 200, "submit")
    expect(part_of(body, "success"), True, "success of a submit")
    return str(part_of(body, "request_id"))


def _ended(user: Visitor, request_id: str) -> dict[str, Any]:
    """Wait for the end of a request; its status, which must be completed."""
    body = body_of(user.status(request_id, wait_s=LONGEST_WAIT_S), 200, "status of the request")
    expect(part_of(body, "request_id"), request_id, "request_id of the status")
    expect(part_of(body, "status"), "completed", "status of the request")
    return body


def _time(body: Mapping[str, Any], key: str) -> datetime:
    """A moment of a status. Raises Unmet if it is none."""
    text = part_of(body, key)
    expect(isinstance(text, str) and bool(re.fullmatch(r"[\d-]+T[\d:.]+Z", text)), True, f"{key} ({text!r}) is a time")
    return datetime.fromisoformat(text)


def _noise() -> bytes:
    """A second of sound, another one each time."""
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(secrets.token_bytes(16_000))
    return target.getvalue()


CHECKS: Final = (
    Check("scenario 1: a single request", _single),
    Check("scenario 2: concurrent requests", _concurrent),
    Check("scenario 3: a request with files", _files),
    Check("scenario 4: disconnection and recovery", _recovery),
    Check("scenario 5: duplicate names", _duplicates),
)
