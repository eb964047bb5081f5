"""Live status as server-sent events: a space's badge and queue, and one request."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from flask import Blueprint, Response, request

from project.core.model import User
from project.core.notices import EVERYBODY
from project.errors import Missing
from project.relay.signals import logins_topic, request_topic, space_topic
from project.rpc.inbox import user_topic
from project.runtime import is_gone
from project.web.caller import Caller, current_caller
from project.web.following import Event, Following
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
    """Events ``space`` and ``request``: what their status routes say, at once, then at every change.

    Of those that are asked for by ``space_id`` and ``request_id``; text that comes in pieces as ``chunk``, and what
    ``web.tidings`` tells every page. Every event has an id; with the last one as ``Last-Event-ID`` the stream goes on
    from there. It ends with the login, after ten minutes, when the same person opens the eighth one after it, and, if
    it is of a request alone, with that request: asked for again, it is 204, so that a browser lets it be.
    """
    site, who = current_site(), current_caller()
    space_id, request_id = request.args.get("space_id", ""), request.args.get("request_id", "")
    if space_id:
        site.spaces.get(space_id)
    if request_id:
        note_view(site.relay.view(request_id, who.user).request)
    noticed, _, cursor = request.headers.get("Last-Event-ID", "").partition("-")
    following = Following(cursor)
    if following.over and request_id and not space_id:
        return Response(status=204, headers={"Cache-Control": "no-store"})
    tidings = Tidings(site.console.inbox, who.user, space_id, noticed)
    asked = Asked(space_id, request_id, request.environ.get("spaces.socket"))
    events = _places.hold(who.user.id, lambda place: _events(site, who, asked, following, tidings, place))
    response = Response(events, content_type="text/event-stream; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


@dataclass(frozen=True, slots=True)
class Asked:
    """What a stream is asked for, and the socket it is asked on."""

    space_id: str
    request_id: str
    socket: Any

    def topics(self, user: User) -> list[str]:
        """What may bring news."""
        topics = [space_topic(self.space_id)] if self.space_id else []
        topics += [request_topic(self.request_id)] if self.request_id else []
        return [*topics, logins_topic(user.id), user_topic(user.id), user_topic(EVERYBODY)]


def _events(
    site: Site, who: Caller, asked: Asked, following: Following, tidings: Tidings, place: Place
) -> Iterator[str]:
    began = spoke = time.monotonic()
    space_told = ""
    with site.relay.watch(*asked.topics(who.user)) as watch:
        yield f"retry: {RETRY_MS}\n\n"
        while time.monotonic() - began < LIFETIME_S and who.is_live(site.accounts):
            if place.displaced:
                yield f"retry: {RETRY_DISPLACED_MS}\n\n"
                return
            if is_gone(asked.socket):
                return
            try:
                for name, body in chain(_news(site, who.user, asked, following), tidings.news()):
                    text = json.dumps(body, ensure_ascii=False)
                    if name != "space" or text != space_told:
                        space_told = text if name == "space" else space_told
                        spoke = time.monotonic()
                        yield f"id: {tidings.seq}-{following.cursor}\nevent: {name}\ndata: {text}\n\n"
            except Missing:
                return  # the browser asks again, and is told
            if following.over and asked.request_id and not asked.space_id:
                return
            site.runtime.sleep(LEAST_BETWEEN_S)
            watch.wait(RECHECK_S)
            if time.monotonic() - spoke >= COMMENT_S:
                spoke = time.monotonic()
                yield ": still here\n\n"


def _news(site: Site, user: User, asked: Asked, following: Following) -> Iterator[Event]:
    if asked.space_id:
        yield "space", site.relay.space_view(asked.space_id).as_dict()
    if asked.request_id:
        yield from following.news(site.relay.view(asked.request_id, user).as_dict(), time.monotonic())
