"""The worker SDK for download: what a machine with a model needs, in one archive."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from flask import Blueprint, make_response, request
from werkzeug.wrappers import Response

from project.web.policy import policy

blueprint = Blueprint("sdk", __name__)
ROOT: Final = Path(__file__).resolve().parents[2]
REQUIREMENTS: Final = "python-socketio[client]>=5.16.2\n"
THE_SAME_DAY: Final = (2000, 1, 1, 0, 0, 0)
"""Of every entry, so that the same files make the same archive."""


@blueprint.get("/worker-sdk.zip")
@policy("public")
def download() -> Response:
    """The worker SDK, its requirements, a mock and examples, as a zip archive."""
    data = archive()
    response = make_response(data)
    response.headers["Content-Type"] = "application/zip"
    response.headers["Content-Disposition"] = "attachment; filename=worker-sdk.zip"
    response.headers["Cache-Control"] = "public, no-cache"
    response.set_etag(hashlib.sha256(data).hexdigest())
    return response.make_conditional(request)


@functools.cache
def archive() -> bytes:
    """The archive, made once."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in sorted(_entries()):
            entry = zipfile.ZipInfo(name, THE_SAME_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            made.writestr(entry, data)
    return target.getvalue()


def _entries() -> Iterator[tuple[str, bytes]]:
    """Names in the archive, and contents."""
    project = ROOT / "project"
    for path in (project / "__init__.py", project / "errors.py", *_modules("wire"), *_modules("worker")):
        yield path.relative_to(ROOT).as_posix(), path.read_bytes()
    for path in (ROOT / "mock_app.py", ROOT / "LICENSE", *sorted((ROOT / "examples").glob("worker_*.py"))):
        yield path.name, path.read_bytes()
    yield "README.md", (project / "worker" / "README.md").read_bytes()
    yield "requirements.txt", REQUIREMENTS.encode()


def _modules(package: str) -> list[Path]:
    return sorted((ROOT / "project" / package).rglob("*.py"))
