"""Whether a backend honours ``X-Load-Test: true``: asked with a few records, before any load is sent.

What a client can see: the marked upload is answered in load test mode, by the same code as any other (a bad row is
found bad, the good ones are counted), again and again alike, and where the backend lists what it
kept, nothing is added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from project.load.client_records import ClientRecords, as_csv
from project.load.errors import TargetUnreachable
from project.load.permission import SAFE, origin_of
from project.load.targets.base import failure_of, read_at_most
from project.load.targets.login import log_in
from project.load.targets.uploads import MOST_ANSWER_BYTES, UploadOptions, form_of

LIST: Final = "/clients/batches/"
GOOD: Final = 5
FEWER: Final = 3
MOST_LIST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at. ``passed`` is None where the backend gives no way to see it."""

    name: str
    passed: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found; ``honours`` when nothing failed and nothing that matters was left out."""

    steps: tuple[Step, ...]

    @property
    def honours(self) -> bool:
        """Whether the backend may be put under load."""
        return bool(self.steps) and all(step.passed is not False for step in self.steps)


async def verify(
    url: str, options: UploadOptions, headers: Mapping[str, str] | None = None, timeout_s: float = 30.0, seed: int = 1
) -> Verification:
    """Look at a backend. Raises TargetUnreachable when it cannot be asked."""
    origin = origin_of(url)
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
            mine = {**(headers or {}), **await _who(http, origin, options)}
            return await _looked(http, url, origin, mine, seed)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise TargetUnreachable(f"Cannot reach {url}: {failure_of(error).replace('_', ' ')}") from error


async def _who(http: aiohttp.ClientSession, origin: str, options: UploadOptions) -> dict[str, str]:
    if options.auth_token:
        return {"Authorization": f"Bearer {options.auth_token}"}
    if options.username:
        return await log_in(http, origin, options.username, options.password)
    return {}


async def _looked(
    http: aiohttp.ClientSession, url: str, origin: str, mine: Mapping[str, str], seed: int
) -> Verification:
    records = ClientRecords(seed).batch(GOOD)
    bad = {**records[0], "client_id": "LT-bad", "postal_code": "not a postal code"}
    before = await _kept(http, origin, mine)
    first = await _upload(http, url, mine, as_csv(records))
    steps = [Step("the marked upload is accepted", first.get("success") is True, _told(first))]
    if steps[0].passed:
        steps += _answered(first)
    if all(step.passed for step in steps):  # otherwise it may keep what it gets: no more of it
        again = await _upload(http, url, mine, as_csv(records))
        same = again.get("processed_count") == first.get("processed_count") and again.get("success") is True
        steps.append(Step("the same file again is answered alike", same, "" if same else _told(again)))
        steps.append(_validated(await _upload(http, url, mine, as_csv([*records[:FEWER], bad]))))
        steps.append(_nothing_added(before, await _kept(http, origin, mine)))
    return Verification(tuple(steps))


def _answered(body: Mapping[str, Any]) -> list[Step]:
    def step(name: str, passed: bool) -> Step:
        return Step(name, passed, "" if passed else _told(body))

    return [
        step("it says that it is in load test mode", body.get("load_test_mode") is True),
        step(f"all {GOOD} records were processed", body.get("processed_count") == GOOD),
        step("it names no batch that it kept", body.get("batch_id") is None),
    ]


def _validated(body: Mapping[str, Any]) -> Step:
    """A row that is wrong: found by a backend that checks rows, which one that only claims to process does not."""
    name = "a bad row is found, so rows are really processed"
    if body.get("processed_count") == FEWER:
        return Step(name, True)
    if body.get("processed_count") == FEWER + 1:
        return Step(name, None, "this backend does not check rows")
    if body.get("success") is not True:
        return Step(name, True, "the file is refused as a whole")
    # A count that does not follow the rows is made up; without any, nothing can be seen.
    return Step(name, None if body.get("processed_count") is None else False, _told(body))


def _nothing_added(before: frozenset[str] | None, after: frozenset[str] | None) -> Step:
    name = "nothing was added to what it kept"
    if before is None or after is None:
        return Step(name, None, f"it does not list what it keeps at {LIST}")
    return Step(name, after <= before, "" if after <= before else f"{len(after - before)} batches more")


async def _upload(http: aiohttp.ClientSession, url: str, mine: Mapping[str, str], file: bytes) -> dict[str, Any]:
    body, content_type = form_of(file, "csv")
    headers = {**mine, **SAFE, "Content-Type": content_type}
    async with http.post(url, data=body, headers=headers, allow_redirects=False) as response:
        raw = await read_at_most(response, MOST_ANSWER_BYTES)
        read = _json(raw)
        text = " ".join(raw[:200].decode("utf-8", "replace").split())
        return {"status": response.status, **(read if isinstance(read, dict) else {"text": text})}


async def _kept(http: aiohttp.ClientSession, origin: str, mine: Mapping[str, str]) -> frozenset[str] | None:
    async with http.get(origin + LIST, headers={**mine, "Accept": "application/json"}, allow_redirects=False) as answer:
        body = _json(await read_at_most(answer, MOST_LIST_BYTES))
    if answer.status != 200 or not isinstance(body, dict) or not isinstance(body.get("batches"), list):
        return None
    return frozenset(str(batch.get("batch_id")) for batch in body["batches"] if isinstance(batch, dict))


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _told(body: Mapping[str, Any]) -> str:
    return f"it answered {json.dumps(dict(body), ensure_ascii=False)[:300]}"
