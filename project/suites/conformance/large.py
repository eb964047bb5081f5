"""Large results: over HTTP, not through the socket."""

from __future__ import annotations

import json
from typing import Final

from project.suites.check import NotTried
from project.suites.conformance import journal
from project.suites.conformance.journal import Entry
from project.suites.conformance.listener import Upload
from project.suites.conformance.site import StandIn
from project.suites.conformance.trial import Trial
from project.suites.expect import Unmet, expect

MOST_BYTES: Final = 1024
"""Far less than a real site's, so that an answer of ordinary length is a large one."""
PROMPT: Final = "repeat-this-" * 250


def goes_by_http(trial: Trial) -> None:
    """A result over the site's ``max_payload_bytes`` is uploaded whole before the result is sent."""
    site, since, result = _large(trial, [])
    size_bytes = len(json.dumps(result.data).encode())
    uploads = _uploads(site, since)
    if size_bytes > MOST_BYTES:
        raise Unmet(f"expected at most {MOST_BYTES} bytes through the socket, as the site told, got {size_bytes}")
    if not uploads:
        raise NotTried(f"the result had only {size_bytes} bytes; a handler that repeats its prompt is enough")
    _, upload, at = uploads[0]
    expect(upload.is_whole, True, "the SHA-256 in X-File-SHA256 is that of the bytes")
    expect(upload.lease_id, result.data.get("lease_id"), "the lease of upload_url and of the result")
    expect(bool(upload.name), True, "the upload has an X-File-Name")
    expect(at < result.at, True, "the upload comes before the result")
    trial.notes.append(f"{upload.name}, {len(upload.body)} bytes")


def tries_an_upload_again(trial: Trial) -> None:
    """An upload that the site could not take just now is sent again under its key."""
    site, since, result = _large(trial, [503])
    uploads = _uploads(site, since)
    if not uploads:
        raise NotTried("no upload was made")
    # There may be more of them: a handler may return files of its own.
    expect([status for status, _, _ in uploads[:2]], [503, 200], "answers to its first uploads")
    first, second = (upload for _, upload, _ in uploads[:2])
    expect(bool(first.key), True, "the upload has an Idempotency-Key")
    expect(second.key, first.key, "Idempotency-Key of the same upload")
    expect(result.data.get("status"), "completed", "status of the result")


def _large(trial: Trial, statuses: list[int]) -> tuple[StandIn, int, Entry]:
    site = trial.serving_v2()
    site.manner.most_bytes = MOST_BYTES
    since = trial.break_line()
    trial.reconnected(since)
    site.manner.upload_statuses = statuses
    since = site.journal.mark
    result = trial.result(site.give(PROMPT), since)
    return site, since, result


def _uploads(site: StandIn, since: int) -> list[tuple[int, Upload, float]]:
    return [(*entry.data, entry.at) for entry in site.journal.all(journal.UPLOADED, since=since)]
