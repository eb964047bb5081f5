"""Whether the site answers."""

from __future__ import annotations

from flask import Blueprint, jsonify
from werkzeug.wrappers import Response

from project.web.policy import policy

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@policy("public", always=True)
def health() -> Response:
    """The site answers."""
    return jsonify(success=True, status="ok")
