"""Errors to answers: JSON for programs, a page for people, never a trace."""

from __future__ import annotations

import logging
import math

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from project.errors import BadInput, MethodNotAllowed, Missing, SpacesError, TooLarge
from project.web.answers import wants_json
from project.web.refusals import json_of
from project.web.words import explain

log = logging.getLogger(__name__)
_BY_STATUS: dict[int, type[SpacesError]] = {400: BadInput, 404: Missing, 405: MethodNotAllowed, 413: TooLarge}


def set_up_errors(app: Flask) -> None:
    """Answer every error of the tree, of the framework, and the unexpected."""

    @app.errorhandler(SpacesError)
    def known(error: SpacesError) -> Response:
        return answer(error)

    @app.errorhandler(HTTPException)
    def foreign(error: HTTPException) -> Response:
        status = error.code or 500
        # What the framework refuses is the sender's to mend, whatever its number; the rest is ours.
        unnamed = BadInput if 400 <= status < 500 else SpacesError
        response = answer(_BY_STATUS.get(status, unnamed)(), status)
        if error.response is None:
            response.headers.extend([(k, v) for k, v in error.get_headers() if k in ("Allow", "Content-Range")])
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.error("unexpected error", exc_info=error)
        return answer(SpacesError())


def answer(error: SpacesError, status: int | None = None) -> Response:
    """The answer to one error, with ``Retry-After`` where there is a time to wait."""
    status = status or error.status
    if wants_json():
        response = jsonify(json_of(error, request.path))
    else:
        response = make_response(render_template("error.html", status=status, code=error.code, words=explain(error)))
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return response
