"""Forms of browsers without a script: they are led to a page, where programs and scripts get JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import make_response, redirect, request, url_for
from werkzeug.wrappers import Response

from project.errors import SpacesError
from project.web.answers import is_form
from project.web.pages import space_page
from project.web.uploads import MOST_TEXT_BYTES

Answer = Callable[..., Response]


def leads_to_request(view: Answer) -> Answer:
    """Answer a form with the lasting page of the request that the view's JSON names.

    What is wrong with a form for a space is told on the page of that space, with what was written into it.
    """

    @wraps(view)
    def answer(**names: Any) -> Response:
        if not is_form():
            return view(**names)
        try:
            told = view(**names).get_json()
        except SpacesError as error:
            if "space_id" not in names:
                raise
            response = make_response(space_page(names["space_id"], error=error, prompt=_prompt()), error.status)
            response.headers["Cache-Control"] = "no-store"
            return response
        return redirect(url_for("pages.one_request", request_id=told["request_id"]), 303)

    return answer


def _prompt() -> str:
    # A long body that was refused unread is not read for the sake of the prompt.
    return request.form.get("prompt", "") if (request.content_length or 0) < MOST_TEXT_BYTES else ""
