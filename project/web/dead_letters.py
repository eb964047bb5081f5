"""The administrators' list of requests that failed through no answer of a model, each with a way to try it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from flask import Blueprint, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from project.core.model import Request, StoredFile
from project.core.reasons import DEAD_LETTERS
from project.core.submission import asked
from project.errors import SpacesError
from project.relay.views import iso
from project.web.answers import wants_json
from project.web.errors import answer
from project.web.notes import note
from project.web.policy import policy
from project.web.site import current_site
from project.web.words import REASONS

blueprint = Blueprint("dead_letters", __name__, url_prefix="/admin/dead-letters")
ON_A_PAGE = 30


@blueprint.get("")
@policy("admin")
def listing() -> Response:
    """Failures newest first, of one ``code`` if asked; ``before`` continues. For programs ``{success, requests}``."""
    return _page(None)


@blueprint.post("/<request_id>/retry")
@policy("admin")
def retry(request_id: str) -> Response:
    """Have it done again, by a new request of the same person."""
    site = current_site()
    try:
        dead = site.relay.dead_letter(request_id)
        with _copied(dead) as files:
            submitted = site.relay.retry(request_id, asked(dead.payload).with_files(files))
    except SpacesError as error:
        return answer(error) if wants_json() else _page(error)
    note("request_retried", request_id, submitted.request.id)
    if wants_json():
        return jsonify(success=True, request_id=submitted.request.id, retry_of=request_id)
    return redirect(
        url_for("dead_letters.listing", retried=submitted.request.id, code=request.form.get("code") or None)
    )


@contextmanager
def _copied(dead: Request) -> Iterator[tuple[StoredFile, ...]]:
    """Copies of a request's inputs; if the block fails, they are removed again."""
    site = current_site()
    copies: list[StoredFile] = []
    try:
        for file in dead.files:
            if file.field != "result":
                copies.append(replace(file, id=site.runtime.run_blocking(site.vault.copy, file.id)))
        yield tuple(copies)
    except BaseException:
        for file in copies:
            site.vault.remove(file.id)
        raise


def _page(error: SpacesError | None) -> Response:
    site = current_site()
    code, before = request.values.get("code", ""), request.args.get("before", "")
    before_seq = int(before) if re.fullmatch(r"[0-9]{1,18}", before) else None
    page, retries = site.relay.dead_letters(code=code, limit=ON_A_PAGE, before_seq=before_seq)
    if wants_json():
        found = [_described(entry, retries.get(entry.id)) for entry in page.items]
        return jsonify(success=True, requests=found, before=page.before_seq)
    body = render_template(
        "admin/dead_letters.html",
        page=page,
        retries=retries,
        codes={name: REASONS[name] for name in DEAD_LETTERS},
        chosen=code if code in DEAD_LETTERS else "",
        names={space.id: space.name for space in site.spaces.all()},
        retried=request.args.get("retried", ""),
        later=bool(before),
        error=error,
    )
    return make_response(body, 200 if error is None else error.status)


def _described(entry: Request, retried_as: str | None) -> dict[str, Any]:
    """What became of a request, without what was asked: that is its person's."""
    return {
        "request_id": entry.id,
        "space_id": entry.space_id,
        "username": entry.username,
        "code": entry.code,
        "error": entry.error,
        "attempt": entry.attempt,
        "max_attempts": entry.max_attempts,
        "retry_reason": entry.retry_reason,
        "queued_at": iso(entry.created_at),
        "finished_at": iso(entry.finished_at),
        "retried_as": retried_as,
    }
