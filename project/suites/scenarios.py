"""The testing guide's five scenarios, with mock workers of the suite's own."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import wave
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from project.suites.check import Bench, Check, expect, expect_that, until
from project.suites.client import Visitor
from project.suites.processes import mock_app

QUICK: Final = ("--verbose", "--min-seconds", "0.4", "--max-seconds", "0.8")


def _single(bench: Bench) -> None:
    name = f"Single_{bench.stamp}"
    space_id, user = bench.make_space(name), bench.user()
    with mock_app(bench.host, name, *QUICK) as mock:
        body = _ended(user, _submitted(user, space_id, prompt="Generate a poem about cats"))
        mock.says("[REQUEST] New inference request received")
        for percent in (25, 50, 75):
            mock.says(f"Progress: {percent}%")
        mock.says("[RESULT]")
    expect_that("cats" in body["result"]["text_output"], "the result is about what was asked")
    for key in ("confidence", "model_used", "processing_time_seconds", "tokens_used", "timestamp"):
        expect_that(key in body["result"], f"the result has {key}")


def _concurrent(bench: Bench) -> None:
    name = f"Concurrent_{bench.stamp}"
    space_id = bench.make_space(name)
    users = [bench.user() for _ in range(3)]
    with mock_app(bench.host, name, *QUICK) as mock:
        with ThreadPoolExecutor(len(users)) as pool:
            ids = list(pool.map(lambda user: _submitted(user, space_id, prompt="at once"), users))
        bodies = [_ended(user, request_id) for user, request_id in zip(users, ids, strict=True)]
        received = re.findall(r"received\n  Request ID: (\w+)", mock.output)
        begun = re.findall(r"Processing\.\.\.\n  Request ID: (\w+)", mock.output)
    expect(sorted(received), sorted(ids), "requests received by the mock app")
    expect(begun, received, "the order of processing")
    by_queue = sorted(bodies, key=lambda body: str(body["queued_at"]))
    expect_that(
        [b["finished_at"] for b in by_queue] == sorted(b["finished_at"] for b in by_queue), "results come in order"
    )


def _files(bench: Bench) -> None:
    name = f"Files_{bench.stamp}"
    space_id, user = bench.make_space(name), bench.user()
    sound = _tone()
    with mock_app(bench.host, name, *QUICK) as mock:
        files = {"audio_file": ("tone.wav", sound, "audio/wav")}
        answer = user.submit(space_id, data={"prompt": "listen"}, files=files)
        expect(answer.status_code, 200, "submit with a file")
        body = _ended(user, answer.json()["request_id"])
        mock.says("File: tone.wav")
    told = body["result"]["files_processed"][0]
    expect(told["sha256"], hashlib.sha256(sound).hexdigest(), "SHA-256 of the file at the worker")
    expect(told["size"], len(sound), "size of the file at the worker")
    expect(told["verified"], True, "verified at the worker")


def _recovery(bench: Bench) -> None:
    name = f"Recovery_{bench.stamp}"
    space_id, user = bench.make_space(name), bench.user()
    with mock_app(bench.host, name, *QUICK) as mock:
        until(lambda: user.connected(space_id), within_s=5, what="connected")
        expect(mock.interrupt(), 0, "exit code of the mock app after Ctrl+C")
    until(lambda: not user.connected(space_id), within_s=2, what="not connected after the worker's end")
    refused = user.submit(space_id, data={"prompt": "x"})
    expect(refused.status_code, 503, "submit without a worker")
    expect_that("remote app not connected" in refused.json()["error"], "the error says remote app not connected")
    with mock_app(bench.host, name, *QUICK):
        until(lambda: user.connected(space_id), within_s=5, what="connected again")
        _ended(user, _submitted(user, space_id, prompt="again"))


def _duplicates(bench: Bench) -> None:
    name = f"Duplicate_{bench.stamp}"
    bench.make_space(name)
    space_id = bench.make_space(name)
    with mock_app(bench.host, name, ready=False) as mock:
        expect_that(mock.exit_code() != 0, "the mock app ends with an error")
        mock.says("Multiple spaces with name found")
    expect(bench.user().connected(space_id), False, "connected")


def _submitted(user: Visitor, space_id: str, **form: str) -> str:
    answer = user.submit(space_id, data=form)
    expect(answer.status_code, 200, "submit")
    expect(answer.json()["success"], True, "success of a submit")
    return str(answer.json()["request_id"])


def _ended(user: Visitor, request_id: str) -> dict[str, Any]:
    body: dict[str, Any] = user.status(request_id, wait_s=30).json()
    expect(body["status"], "completed", "status of the request")
    return body


def _tone() -> bytes:
    """A second of sound."""
    target = io.BytesIO()
    with wave.open(target, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"".join(struct.pack("<h", index * 37 % 8000) for index in range(8000)))
    return target.getvalue()


CHECKS: Final = (
    Check("scenario 1: a single request", _single),
    Check("scenario 2: concurrent requests", _concurrent),
    Check("scenario 3: a request with files", _files),
    Check("scenario 4: disconnection and recovery", _recovery),
    Check("scenario 5: duplicate names", _duplicates),
)
