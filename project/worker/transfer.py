"""Files over HTTP: inputs are fetched and checked, outputs are returned. Never through the socket."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urljoin

import requests

from project.worker.backoff import retries
from project.worker.errors import SiteUnreachable, TransferFailed
from project.worker.job import InputFile, Job

BLOCK_BYTES = 256 * 1024
TIMEOUT_S = (5.0, 60.0)
"""To connect, and between two pieces of data."""
PATIENCE_S = 60.0
"""How long a site that answers, but says "not now", is asked again. One that is not there is waited for as long as
the request is wanted: what was computed must not be lost to that."""
T = TypeVar("T")
AWAY = frozenset({429, 502, 503, 504})


class _SiteAway(Exception):
    """The exchange may succeed later. ``answered``: there was a site that said so."""

    def __init__(self, reason: str, *, answered: bool = False):
        super().__init__(reason)
        self.answered = answered


def fetch(host: str, file: InputFile, folder: Path, job: Job) -> InputFile:
    """Fetch an input file of a job into ``folder`` and check its size and hash. Raises TransferFailed."""
    path = folder / (hashlib.sha256(file.url.encode()).hexdigest()[:16] + _suffix(file.name))
    size_bytes, digest = _patiently(job, file.name, lambda: _download(urljoin(host, file.url), path, file.size_bytes))
    if size_bytes != file.size_bytes or digest != file.sha256:
        raise TransferFailed(f"{file.name} did not arrive as it was sent: its size or SHA-256 differs")
    return replace(file, path=path)


def give_back(host: str, path: Path, number: int, job: Job) -> None:
    """Return an output file of a job, its ``number`` among them. Raises TransferFailed.

    However often it is sent because no answer came, the site takes it once: it goes by the key.
    """
    if not job.upload_url:
        raise TransferFailed(f"{path.name} cannot be returned: this site takes no files back")
    _patiently(job, path.name, lambda: _upload(urljoin(host, job.upload_url), path, number))


def _patiently(job: Job, name: str, exchange: Callable[[], T]) -> T:
    refused_s, delays = 0.0, retries()
    while True:
        try:
            return exchange()
        except _SiteAway as error:
            delay_s = next(delays)
            refused_s = refused_s + delay_s if error.answered else 0.0
            if job.cancelled or refused_s > PATIENCE_S:
                raise TransferFailed(f"{name}: {error}") from error
            if job.hurried and not error.answered:
                raise SiteUnreachable(f"{name}: {error}") from error
        except (requests.RequestException, OSError) as error:
            raise TransferFailed(f"{name}: {error}") from error
        job.sleep(delay_s)


def _download(url: str, path: Path, most_bytes: int) -> tuple[int, str]:
    """Size and SHA-256 of what came; nothing is read on once it is too much."""
    digest, size_bytes = hashlib.sha256(), 0
    try:
        with requests.get(url, stream=True, timeout=TIMEOUT_S, allow_redirects=False) as answer:
            _check(answer)
            with path.open("wb") as target:
                for block in answer.iter_content(BLOCK_BYTES):
                    target.write(block)
                    digest.update(block)
                    size_bytes += len(block)
                    if size_bytes > most_bytes:
                        break
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _SiteAway(str(error)) from error
    return size_bytes, digest.hexdigest()


def _upload(url: str, path: Path, number: int) -> None:
    digest = _hash(path)
    headers = {
        "Idempotency-Key": f"{number}-{digest}",
        "X-File-Name": quote(path.name, safe=""),
        "X-File-SHA256": digest,
        "Content-Type": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
    }
    try:
        with path.open("rb") as source:
            # An empty stream would be sent in chunks, which not every server takes.
            body = source if path.stat().st_size else b""
            _check(requests.post(url, data=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False))
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _SiteAway(str(error)) from error


def _check(answer: requests.Response) -> None:
    if answer.status_code in AWAY:
        raise _SiteAway(f"the site answered {answer.status_code}", answered=True)
    if answer.status_code != 200:
        raise requests.HTTPError(f"the site answered {answer.status_code}: {answer.text[:200]}")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while block := source.read(BLOCK_BYTES):
            yield block


def _suffix(name: str) -> str:
    """The ending of a name, if it is a plain one; handlers often go by it."""
    suffix = Path(name).suffix
    return suffix if suffix[1:].isalnum() and len(suffix) <= 10 else ""
