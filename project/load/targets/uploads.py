"""The upload of client records: files of many rows, marked as a load test, checked by the backend and never kept."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from project.load.client_records import ClientRecords, as_csv, as_xlsx
from project.load.core.recorder import Recorder
from project.load.errors import BadUsage, CallFailed, RunRefused, TargetUnreachable
from project.load.permission import SAFE, origin_of
from project.load.targets.base import Answer, failure_of, read_at_most, unanswered
from project.load.targets.login import log_in

NOT_SAFE: Final = "not_safe_mode"
"""A backend that did not say it kept nothing: the run ends at once."""
MOST_PREPARED: Final = 16
MOST_ANSWER_BYTES: Final = 1024 * 1024
_NOT_ALLOWED: Final = (401, 403)
TYPES: Final = {"csv": "text/csv", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


def form_of(file: bytes, kind: str) -> tuple[bytes, str]:
    """A file as the body of a form with one part named ``file``, and the body's content type."""
    boundary = "----load-test-5b1c7e0f9d3a4c62"
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="clients.{kind}"\r\n'
        f"Content-Type: {TYPES[kind]}\r\n\r\n"
    )
    body = head.encode("ascii") + file + f"\r\n--{boundary}--\r\n".encode("ascii")
    return body, f"multipart/form-data; boundary={boundary}"


def upload_of(records: ClientRecords, count: int, kind: str) -> tuple[bytes, str]:
    """A file with the next so many records, as ``form_of`` has it."""
    if kind not in TYPES:
        raise BadUsage(f"a file of records is {' or '.join(TYPES)}, not {kind!r}")
    return form_of((as_csv if kind == "csv" else as_xlsx)(records.batch(count)), kind)


@dataclass(frozen=True, slots=True)
class UploadOptions:
    """Who uploads how much."""

    batch_size: int = 1000
    file_type: str = "csv"
    username: str = ""
    password: str = ""
    auth_token: str = ""


class UploadSession:
    """One uploader; the batches take turns."""

    def __init__(self, target: UploadTarget, bodies: Iterator[tuple[bytes, str]]):
        self._target = target
        self._bodies = bodies

    @property
    def is_open(self) -> bool:
        """Connections are opened as needed."""
        return True

    async def call(self) -> Answer:
        """Upload the next batch; its answer must say that every row was processed and none kept."""
        body, content_type = next(self._bodies)
        return await self._target.upload(body, content_type)

    async def close(self) -> None:
        """Nothing: the connections belong to the target."""


@dataclass
class UploadTarget:
    """An upload endpoint."""

    url: str
    options: UploadOptions = field(default_factory=UploadOptions)
    headers: dict[str, str] = field(default_factory=dict)
    timeout_s: float = 60.0
    seed: int = 1
    users: int = 1
    kind: str = "http"
    processed: int = 0
    """Records the backend says it processed."""

    def __post_init__(self) -> None:
        self._origin = origin_of(self.url)
        self._http: aiohttp.ClientSession | None = None
        self._recorder: Recorder | None = None
        self._bodies: list[tuple[bytes, str]] = []
        self._mine: dict[str, str] = {}
        if self.options.file_type not in TYPES:
            raise BadUsage(f"a file of records is {' or '.join(TYPES)}, not {self.options.file_type!r}")

    async def open(self, recorder: Recorder) -> None:
        """Log in where a login is given, see that nothing is kept, and make the files. Raises LoadError.

        They are made beforehand, so that making them is no part of the run.
        """
        self._recorder = recorder
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.timeout_s),
        )
        options = self.options
        try:
            self._mine = {**self.headers, **await self._who(), **SAFE}
            records = await asyncio.to_thread(ClientRecords, self.seed)
            await self._see_that_it_is_safe(*upload_of(records, 1, options.file_type))
            for _ in range(min(MOST_PREPARED, self.users)):  # one by one: a stop does not wait for those that are left
                file = await asyncio.to_thread(upload_of, records, options.batch_size, options.file_type)
                self._bodies.append(file)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            await self.close()
            raise TargetUnreachable(f"Cannot reach {self.url}: {failure_of(error).replace('_', ' ')}") from error
        except BaseException:
            await self.close()
            raise

    async def _see_that_it_is_safe(self, body: bytes, content_type: str) -> None:
        """Upload one record before all others: if that is kept, it is one, and not ten files of ten thousand."""
        status, raw = await self._post(body, content_type)
        if status in _NOT_ALLOWED:
            told = raw[:200].decode("utf-8", "replace")
            raise TargetUnreachable(f"{self.url} takes no uploads of this login, token or header ({status}): {told}")
        if judged(status, raw, 1)[0] == NOT_SAFE:
            raise RunRefused(
                f"{self.url} answered a first upload of one record without load_test_mode: true ({status}), and may "
                f"have kept it; see: python -m project.load verify --url {self.url}"
            )

    async def _post(self, body: bytes, content_type: str) -> tuple[int, bytes]:
        """The status of one upload's answer, and the answer: no more of it than one says."""
        assert self._http is not None
        headers = {**self._mine, "Content-Type": content_type}
        async with self._http.post(self.url, data=body, headers=headers, allow_redirects=False) as response:
            return response.status, await read_at_most(response, MOST_ANSWER_BYTES)

    async def _who(self) -> dict[str, str]:
        assert self._http is not None
        if self.options.auth_token:
            return {"Authorization": f"Bearer {self.options.auth_token}"}
        if self.options.username:
            return await log_in(self._http, self._origin, self.options.username, self.options.password)
        return {}

    async def upload(self, body: bytes, content_type: str) -> Answer:
        """One upload."""
        assert self._recorder is not None
        counts, name = self._recorder.counts, "POST upload"
        counts.sent += 1
        counts.bytes_sent += len(body)
        try:
            status, raw = await self._post(body, content_type)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return unanswered(counts, name, error)
        counts.received += 1
        counts.bytes_received += len(raw)
        problem, processed = judged(status, raw, self.options.batch_size)
        self.processed += processed
        return Answer(problem, name, status, len(raw), raw[:200].decode("utf-8", "replace") if problem else "")

    async def session(self, number: int, *, shared: bool) -> UploadSession:
        """One more uploader, who begins at another batch than the last one did."""
        if self._http is None:
            raise CallFailed("not_connected")
        start = number % len(self._bodies)
        return UploadSession(self, itertools.cycle(self._bodies[start:] + self._bodies[:start]))

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None


def judged(status: int, raw: bytes, expected: int) -> tuple[str, int]:
    """What is wrong with an answer (nothing: empty), and how many records it says were processed.

    Whatever is not refused may have been kept, also behind a redirect or a page that is no JSON, unless it says that it
    was not.
    """
    if status >= 400:
        return f"http_{status}", 0
    try:
        body: Any = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, Mapping) or body.get("load_test_mode") is not True:
        return NOT_SAFE, 0
    if status != 200 or body.get("success") is not True:
        return "not_successful", 0
    processed = body.get("processed_count")
    if isinstance(processed, bool) or not isinstance(processed, int):
        return "no_count", 0
    return ("" if processed == expected else "rows_missing"), processed
