"""Client records over HTTP: the upload of the safe load testing suite, and the batches that were kept."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from werkzeug.wrappers import Response

from project.core import safe_mode
from project.core.batches import Batch
from project.errors import FieldInvalid
from project.relay.batches import Processed, check
from project.relay.views import iso
from project.web.notes import note_content
from project.web.policy import current_user, policy
from project.web.site import current_site
from project.web.tables import read_table
from project.web.uploads import MOST_NAME_CHARS

blueprint = Blueprint("clients", __name__, url_prefix="/clients")


@blueprint.post("/upload/process/")
@policy("user")
def process() -> Response:
    """Check the rows of a CSV or XLSX file, ``file``, and keep the good ones; with ``X-Load-Test: true`` none."""
    site, user = current_site(), current_user()
    safe = safe_mode.is_asked(request.headers.get(safe_mode.HEADER))
    chosen = [stored for _, stored in request.files.items(multi=True) if stored.filename]
    if len(chosen) != 1:
        raise FieldInvalid("Send one file, CSV or XLSX, as the part named file", field="file")
    name = (chosen[0].filename or "")[:MOST_NAME_CHARS]
    # Thousands of rows are work for a thread, and for one at a time: each takes the interpreter from the loop.
    with site.long_work.turn(user.id):
        checked = site.runtime.run_blocking(lambda: check(read_table(chosen[0].stream)))
    return jsonify(_answer(site.batches.settle(user, name, checked, safe=safe), safe))


@blueprint.get("/batches/")
@policy("user")
def batches() -> Response:
    """Your batches, newest first; an administrator sees everybody's."""
    found = current_site().batches.list(current_user())
    return jsonify(success=True, batches=[_summary(batch) for batch in found])


@blueprint.get("/batches/<batch_id>")
@policy("user")
def batch(batch_id: str) -> Response:
    """One batch with its records."""
    found = current_site().batches.get(current_user(), batch_id)
    note_content(found.user_id, batch_id, "client records")
    return jsonify(success=True, **_summary(found), records=list(found.records))


@blueprint.post("/batches/<batch_id>/delete")
@policy("user")
def delete(batch_id: str) -> Response:
    """Forget a batch, for good."""
    current_site().batches.remove(current_user(), batch_id)
    return jsonify(success=True, batch_id=batch_id)


def _answer(done: Processed, safe: bool) -> dict[str, Any]:
    message = f"{done.good} clients processed"
    body: dict[str, Any] = {
        "success": True,
        "message": f"Load test mode: {message} (no DB writes)" if safe else message,
        "load_test_mode": safe,
        "processed_count": done.good,
        "failed_count": done.bad,
        "errors": [{"row": each.row, "field": each.field, "error": each.message} for each in done.problems],
    }
    return body if done.batch_id is None else body | {"batch_id": done.batch_id}


def _summary(batch: Batch) -> dict[str, Any]:
    return {"batch_id": batch.id, "name": batch.name, "count": batch.count, "created_at": iso(batch.created_at)}
