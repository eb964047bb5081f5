"""Files: people see and download theirs; a worker fetches inputs and returns outputs by signed link."""

from __future__ import annotations

import time
from urllib.parse import quote, unquote

from flask import Blueprint, jsonify, request, send_file
from werkzeug.wrappers import Response

from project.core.model import StoredFile
from project.errors import FieldInvalid, StaleLease, TooLarge
from project.storage.files import IncomingFile
from project.web.policy import current_user, policy
from project.web.site import current_site
from project.web.uploads import INERT, forget_received, received, record

blueprint = Blueprint("files", __name__, url_prefix="/websockets")
BLOCK_BYTES = 256 * 1024


@blueprint.get("/files/<file_id>")
@policy("user")
def show(file_id: str) -> Response:
    """A file of one's own request: pictures, sound and video to be shown, everything else as a download."""
    return _send(current_site().relay.file_for(current_user(), file_id))


@blueprint.get("/work/files/<token>")
@policy("lease")
def fetch(token: str) -> Response:
    """An input file, for the worker that holds the lease of the link."""
    site = current_site()
    file_id, request_id, lease_id = site.links.read_download(token)
    if not site.relay.lease_is_current(request_id, lease_id):
        raise StaleLease
    return _send(site.relay.file(file_id))


@blueprint.post("/work/results/<token>")
@policy("lease")
def give_back(token: str) -> Response:
    """A file a worker returns: the body; ``X-File-Name`` (percent-encoded) and ``X-File-SHA256`` tell of it."""
    site = current_site()
    request_id, lease_id = site.links.read_upload(token)
    site.relay.worker_upload(request_id, lease_id)
    incoming = site.vault.receive()
    received().append(incoming)
    _receive(incoming, site.settings.max_upload_bytes)
    expected = request.headers.get("X-File-SHA256", "").lower()
    if expected and expected != incoming.sha256:
        raise FieldInvalid("The file did not arrive as it was sent: its SHA-256 differs", field="X-File-SHA256")
    site.runtime.run_blocking(incoming.keep)
    # The lease may have been lost while a long file came in.
    site.relay.worker_upload(request_id, lease_id)
    name = unquote(request.headers.get("X-File-Name", "result"))
    file = record(incoming, field="result", name=name, now=time.time(), request_id=request_id)
    site.relay.add_file(file)
    forget_received(file.id)
    return jsonify(success=True, file_id=file.id, name=file.name, size=file.size_bytes, sha256=file.sha256)


def _receive(incoming: IncomingFile, most_bytes: int) -> None:
    while block := request.stream.read(BLOCK_BYTES):
        if incoming.size_bytes + len(block) > most_bytes:
            raise TooLarge(f"The file is larger than {most_bytes} bytes")
        incoming.write(block)


def _send(file: StoredFile) -> Response:
    shown = file.content_type in INERT
    response = send_file(
        current_site().vault.path(file.id),
        mimetype=file.content_type if shown else "application/octet-stream",
        conditional=True,
        etag=file.sha256,
        max_age=0,
    )
    kind = "inline" if shown else "attachment"
    response.headers["Content-Disposition"] = f"{kind}; filename*=UTF-8''{quote(file.name, safe='')}"
    response.headers["Content-Security-Policy"] = "default-src 'none'; media-src 'self'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "private, no-cache"
    return response
