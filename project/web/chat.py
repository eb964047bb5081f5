"""Spaces as models of the chat completions API, so that programs written for it need another address and no more."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Final

from flask import Blueprint, jsonify, request
from werkzeug.wrappers import Response

from project.core import chat
from project.core.chat import ChatRequest, Telling
from project.core.commands import Submitted
from project.core.model import Space
from project.core.submission import check_fields
from project.errors import AnswerChanged, BadInput, LoginRequired, Missing, RequestFailed
from project.relay.signals import ended_topic, logins_topic, request_topic
from project.runtime import is_gone
from project.web.bodies import json_object
from project.web.caller import Caller, current_caller
from project.web.crowds import one_of_few
from project.web.errors import answer
from project.web.policy import policy
from project.web.refusals import chat_error
from project.web.site import Site, current_site
from project.web.terms import terms

blueprint = Blueprint("chat", __name__, url_prefix="/v1")
SLICE_S: Final = 5.0
"""So soon at least it is noticed that nobody waits any more, and a stream gives a sign of life."""
LEAST_BETWEEN_S: Final = 0.05
"""Pieces that come faster than this travel together."""


@blueprint.get("/models")
@policy("user")
def models() -> Response:
    """The spaces that take prompts, each a model by its name, or by its id where others have the name too."""
    found = current_site().spaces.models()
    return jsonify(object="list", data=[_model(name, space) for name, space in found.items()])


@blueprint.get("/models/<path:name>")
@policy("user")
def model(name: str) -> Response:
    """One of them."""
    return jsonify(_model(name, current_site().spaces.model(name)))


@blueprint.post("/chat/completions")
@policy("user")
def completions() -> Response:
    """Ask a space, and answer as chat completions are answered: whole, or with ``stream`` in pieces.

    The request is kept like any other: a program that loses its connection finds the answer under the id after
    ``chatcmpl-``. ``Idempotency-Key`` and ``X-Load-Test`` mean what they mean to ``/websockets/submit``.
    """
    site, who = current_site(), current_caller()
    if not request.is_json:
        raise BadInput("The body must be JSON, sent as application/json", field="body")
    with one_of_few(who.user):
        asked = chat.read(json_object())
        space = site.spaces.model(asked.model)
        submitted = _submit(site, who, asked, space)
    if asked.stream:
        return _stream(site, who, asked, submitted.request.id, space.settings.name)
    try:
        return _whole(site, who, submitted.request.id, space.settings.name)
    except RequestFailed as failed:
        response = answer(failed)
        # Client libraries ask again after a 502: but the model, or the person, has had the last word.
        response.headers["X-Should-Retry"] = "false"
        response.headers["X-Request-Id"] = submitted.request.id
        return response


def _model(name: str, space: Space) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": int(space.created_at),
        "owned_by": "websocket-spaces",
        "space_id": space.id,
        "connected": current_site().relay.is_connected(space.id),
    }


def _submit(site: Site, who: Caller, asked: ChatRequest, space: Space) -> Submitted:
    found = terms()
    submission = replace(check_fields(space.settings, asked.form), test_id=found.test_id)
    return site.relay.submit(space, who.user, submission, key=found.key, safe=found.safe)


def _whole(site: Site, who: Caller, request_id: str, name: str) -> Response:
    """The completion once the request is over. Its space's deadlines see to it that it will be."""
    socket = request.environ.get("spaces.socket")
    is_live = partial(who.is_live, site.accounts)
    while not (view := site.relay.wait(request_id, who.user, SLICE_S, is_live)).request.is_over:
        if is_gone(socket):
            return Response(status=204)  # to nobody
    response = jsonify(chat.completion(view.request, name))
    response.headers["X-Request-Id"] = request_id
    response.headers["Cache-Control"] = "no-store"
    return response


def _stream(site: Site, who: Caller, asked: ChatRequest, request_id: str, name: str) -> Response:
    events = _events(site, who, request_id, Telling(asked, name), request.environ.get("spaces.socket"))
    response = Response(events, content_type="text/event-stream; charset=utf-8")
    response.headers["X-Request-Id"] = request_id
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(site: Site, who: Caller, request_id: str, telling: Telling, socket: Any) -> Iterator[str]:
    spoke = time.monotonic()
    topics = (request_topic(request_id), logins_topic(who.user.id))
    with site.relay.watch(*topics) as watch, site.relay.watch(ended_topic(request_id)) as ending:
        while not telling.over and not is_gone(socket):
            if not who.is_live(site.accounts):
                yield _event({"error": chat_error(LoginRequired())})
                return
            try:
                view = site.relay.view(request_id, who.user)
                for chunk in telling.news(view.request):
                    spoke = time.monotonic()
                    yield _event(chunk)
            except (RequestFailed, AnswerChanged, Missing) as error:
                yield _event({"error": chat_error(error)})
                return
            if time.monotonic() - spoke >= SLICE_S:
                spoke = time.monotonic()
                yield f": {view.request.status.value}, place {view.position}\n\n" if view.position else ": running\n\n"
            if not telling.over:
                ending.wait(LEAST_BETWEEN_S)
                watch.wait(1.0)
    yield "data: [DONE]\n\n"


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
