"""Bodies of JSON."""

from __future__ import annotations

from typing import Any

from flask import request

from project.errors import FieldInvalid
from project.web.parsing import json_of
from project.web.uploads import MOST_TEXT_BYTES


def json_object() -> dict[str, Any]:
    """The body as a JSON object. Raises FieldInvalid, and the framework's 413 for more than ``MOST_TEXT_BYTES``."""
    # Unlike files, JSON is held in memory as a whole.
    request.max_content_length = MOST_TEXT_BYTES
    try:
        body = json_of(request.get_data())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise FieldInvalid("The body must be a JSON object", field="body")
    return body
