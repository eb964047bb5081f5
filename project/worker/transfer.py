"""Files over HTTP: inputs are fetched and checked, outputs are returned. Never through the socket."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urljoin

import requests

from project.worker.errors import TransferFailed
from project.worker.job import InputFile

BLOCK_BYTES = 256 * 1024
TIMEOUT_S = (5.0, 60.0)
"""To connect, and between two pieces of data."""


def fetch(host: str, file: InputFile, folder: Path) -> InputFile:
    """Fetch an input file into ``folder`` and check its size and hash. Raises TransferFailed."""
    path = folder / (hashlib.sha256(file.url.encode()).hexdigest()[:16] + _suffix(file.name))
    digest, size_bytes = hashlib.sha256(), 0
    try:
        with requests.get(urljoin(host, file.url), stream=True, timeout=TIMEOUT_S, allow_redirects=False) as answer:
            if answer.status_code != 200:
                raise TransferFailed(f"{file.name}: the site answered {answer.status_code}")
            with path.open("wb") as target:
                for block in answer.iter_content(BLOCK_BYTES):
                    target.write(block)
                    digest.update(block)
                    size_bytes += len(block)
    except (requests.RequestException, OSError) as error:
        raise TransferFailed(f"{file.name}: {error}") from error
    if size_bytes != file.size_bytes or digest.hexdigest() != file.sha256:
        raise TransferFailed(f"{file.name} did not arrive as it was sent: its size or SHA-256 differs")
    return replace(file, path=path)


def give_back(host: str, upload_url: str, path: Path) -> None:
    """Return an output file. Raises TransferFailed."""
    if not upload_url:
        raise TransferFailed("this site takes no files back")
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    try:
        headers = {
            "X-File-Name": quote(path.name, safe=""),
            "X-File-SHA256": _hash(path),
            "Content-Type": content_type,
        }
        with path.open("rb") as source:
            answer = requests.post(
                urljoin(host, upload_url), data=source, headers=headers, timeout=TIMEOUT_S, allow_redirects=False
            )
    except (requests.RequestException, OSError) as error:
        raise TransferFailed(f"{path.name}: {error}") from error
    if answer.status_code != 200:
        raise TransferFailed(f"{path.name}: the site answered {answer.status_code}: {answer.text[:200]}")


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
