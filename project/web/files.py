"""Files: people see and download theirs; a worker fetches inputs and returns outputs by signed link."""

from __future__ import annotations

import hashlib
import re
import time
from urllib.parse import quote, unquote

from flask import Blueprint, jsonify, request, send_file
from werkzeug.wrappers import Response

from project.core.model import StoredFile
from project.errors import Conflict, FieldInvalid, FileNotFound, StaleLease, TooLarge
from project.storage.files import IncomingFile
from project.web.notes import note_view
from project.web.policy import current_user, policy
from project.web.site import current_site
from project.web.uploads import INERT, keep, kept_file, received, record

blueprint = Blueprint("files", __name__, url_prefix="/websockets")
BLOCK_BYTES = 256 * 1024
MOST_RESULT_FILES = 200
_KEY = re.compile(r"[!-~]{1,200}")


@blueprint.get("/files/<file_id>")
@policy("user")
def show(file_id: str) -> Response:
    """A file of one's own request: pictures, sound and video to be shown, everything else as a download."""
    relay, user = current_site().relay, current_user()
    file = relay.file_for(user, file_id)
    if user.is_admin:
        note_view(relay.view(file.request_id, user).request)
    return _send(file)


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
    """A file a worker returns: the body; ``X-File-Name`` (percent-encoded) and ``X-File-SHA256`` tell of it.

    With an ``Idempotency-Key`` the worker may ask again when it heard no answer: the file is taken once.
    """
    site = current_site()
    request_id, lease_id = site.links.read_upload(token)
    given = site.relay.worker_upload(request_id, lease_id).files
    incoming = site.vault.receive(_keyed_id(request_id, lease_id))
    received().append(incoming)
    _receive(incoming, site.settings.max_upload_bytes - _returned_bytes(given))
    expected = request.headers.get("X-File-SHA256", "").lower()
    if expected and expected != incoming.sha256:
        raise FieldInvalid("The file did not arrive as it was sent: its SHA-256 differs", field="X-File-SHA256")
    if (known := _known(incoming)) is not None:
        return _taken(known, duplicate=True)
    keep(incoming)
    name = unquote(request.headers.get("X-File-Name", "result"))
    file = record(incoming, field="result", name=name, now=time.time(), request_id=request_id)
    with kept_file(file):
        # The lease may have been lost while a long file came in.
        site.relay.worker_upload(request_id, lease_id)
        site.relay.add_file(file)
    return _taken(file)


def _keyed_id(request_id: str, lease_id: str) -> str | None:
    """The id that a file of this attempt has under its ``Idempotency-Key``; None without one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise FieldInvalid("An Idempotency-Key has 1 to 200 visible ASCII characters", field="Idempotency-Key")
    return hashlib.sha256("\n".join((request_id, lease_id, key)).encode()).hexdigest()[:32]


def _known(incoming: IncomingFile) -> StoredFile | None:
    """The file that was taken under that key before. Raises Conflict if it was another one."""
    try:
        known = current_site().relay.file(incoming.id)
    except FileNotFound:
        return None
    # What is kept under this id belongs to the record: it must not go with what came in now.
    received().remove(incoming)
    incoming.drop()
    if known.sha256 != incoming.sha256:
        raise Conflict("That Idempotency-Key was used for another file of this attempt", field="Idempotency-Key")
    return known


def _taken(file: StoredFile, **more: bool) -> Response:
    told = {"file_id": file.id, "name": file.name, "size": file.size_bytes, "sha256": file.sha256}
    return jsonify(success=True, **told, **more)


def _returned_bytes(files: tuple[StoredFile, ...]) -> int:
    """How much an attempt has returned so far. Raises TooLarge for more files than anybody would look at."""
    returned = [file.size_bytes for file in files if file.field == "result"]
    if len(returned) >= MOST_RESULT_FILES:
        raise TooLarge(f"An attempt may return at most {MOST_RESULT_FILES} files")
    return sum(returned)


def _receive(incoming: IncomingFile, most_bytes: int) -> None:
    while block := request.stream.read(BLOCK_BYTES):
        if incoming.size_bytes + len(block) > most_bytes:
            raise TooLarge("The files of one attempt are larger than the site takes")
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
