"""Live status as server-sent events: a space's badge and queue, and one request."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, request

from project.core.model import User
from project.core.notices import EVERYBODY
from project.errors import Missing
from project.relay.signals import logins_topic, request_topic, space_topic
from project.rpc.inbox import user_topic
from project.web.caller import Caller, current_caller
from project.web.notes import note_view
from project.web.places import Place, Places
from project.web.policy import policy
from project.web.site import Site, current_site
from project.web.tidings import Tidings

blueprint = Blueprint("stream", __name__, url_prefix="/websockets")
MOST_PER_USER = 8
LIFETIME_S = 600.0
RETRY_MS = 1000
RETRY_DISPLACED_MS = 5000
"""Whoever looks at more pages at once than have places sees each of them by turns, and its polls between."""
COMMENT_S = 5.0
"""So soon at least it is noticed that a page was left."""
RECHECK_S = 1.0
LEAST_BETWEEN_S = 0.1
"""A busy space changes a thousand times a second; nobody reads that fast."""
_places = Places(MOST_PER_USER)


@blueprint.get("/stream")
@policy("user")
def stream() -> Response:
    """Events ``space`` and ``request``, each with the JSON of its status route: at once, then at every change.

    Of those that are asked for by ``space_id`` and ``request_id``; and what ``web.tidings`` tells every page. The
    stream ends with the login, after ten minutes, and when the same person opens the eighth one after it; a browser
    opens it again.
    """
    site, who = current_site(), current_caller()
    space_id, request_id = request.args.get("space_id", ""), request.args.get("request_id", "")
    if space_id:
        site.spaces.get(space_id)
    if request_id:
        note_view(site.relay.view(request_id, who.user).request)
    tidings = Tidings(site.console.inbox, who.user, space_id, request.headers.get("Last-Event-ID", ""))
    events = _places.hold(who.user.id, lambda place: _events(site, who, space_id, request_id, tidings, place))
    response = Response(events, content_type="text/event-stream; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(site: Site, who: Caller, space_id: str, request_id: str, tidings: Tidings, place: Place) -> Iterator[str]:
    topics = ([space_topic(space_id)] if space_id else []) + ([request_topic(request_id)] if request_id else [])
    topics += [logins_topic(who.user.id), user_topic(who.user.id), user_topic(EVERYBODY)]
    sent: dict[str, str] = {}
    began = spoke = time.monotonic()
    with site.relay.watch(*topics) as watch:
        yield f"retry: {RETRY_MS}\n\n"
        while time.monotonic() - began < LIFETIME_S and who.is_live(site.accounts):
            if place.displaced:
                yield f"retry: {RETRY_DISPLACED_MS}\n\n"
                return
            try:
                now = _now(site, who.user, space_id, request_id)
            except Missing:
                return  # the browser asks again, and is told
            for name, body in now.items():
                text = json.dumps(body, ensure_ascii=False)
                if sent.get(name) != text:
                    sent[name] = text
                    spoke = time.monotonic()
                    yield f"event: {name}\ndata: {text}\n\n"
            for event in tidings.news():
                spoke = time.monotonic()
                yield event
            site.runtime.sleep(LEAST_BETWEEN_S)
            watch.wait(RECHECK_S)
            if time.monotonic() - spoke >= COMMENT_S:
                spoke = time.monotonic()
                yield ": still here\n\n"


def _now(site: Site, user: User, space_id: str, request_id: str) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    if space_id:
        site.spaces.get(space_id)
        found["space"] = site.relay.space_view(space_id).as_dict()
    if request_id:
        found["request"] = site.relay.view(request_id, user).as_dict()
    return found
