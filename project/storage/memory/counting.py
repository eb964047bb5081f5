"""What SQL asks of indexes: what a person uses, and what has been over for long."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from project.core import quotas
from project.core.model import Request, StoredFile
from project.core.ordering import Line
from project.core.quotas import WINDOW_S, Usage, size_of
from project.core.states import Status
from project.storage.port import Submit


def usage_of(requests: Iterable[Request], files: Iterable[StoredFile], command: Submit) -> Usage:
    """What the person of a submission uses."""
    own = [request for request in requests if request.user_id == command.user_id]
    recent = [request.created_at for request in own if request.created_at > command.now - WINDOW_S]
    ids = {request.id for request in own}
    return Usage(
        recent=len(recent),
        oldest_at=min(recent, default=0.0),
        open=sum(not request.is_over for request in own),
        kept_bytes=size_of(file for file in files if file.request_id in ids),
    )


def over_quota(requests: Iterable[Request], files: Iterable[StoredFile], command: Submit) -> Exception | None:
    """Why the person's quota does not allow a submission; None if it does."""
    if command.quota == quotas.NONE:
        return None
    used = usage_of(requests, files, command)
    return quotas.refuse(command.quota, used, now=command.now, size_bytes=size_of(command.files))


def line_of(open_ones: Iterable[Request], command: Submit) -> Line:
    """The line a submission would stand in, as it is now; of all open requests."""
    here = [request for request in open_ones if request.space_id == command.space_id]
    waiting = [request for request in here if request.status is Status.QUEUED]
    own = [request for request in waiting if request.user_id == command.user_id]
    return Line(
        waiting=len(waiting),
        own_waiting=len(own),
        last_turn=max((request.turn for request in here), default=0),
        first_turn=min((request.turn for request in waiting if request.is_fresh), default=None),
        own_last_turn=max((request.turn for request in own if request.is_fresh), default=None),
    )


def ended_before(
    requests: Iterable[Request], space_id: str | None, has_space: Callable[[str], bool] | None, before: float
) -> list[Request]:
    """Requests of a space, or of spaces that ``has_space`` does not know, that ended before then; the oldest first."""
    old = [
        request
        for request in requests
        if (request.space_id == space_id if has_space is None else not has_space(request.space_id))
        and request.finished_at is not None
        and request.finished_at < before
    ]
    return sorted(old, key=lambda request: request.finished_at or 0.0)


def held(requests: Iterable[Request], connection_ids: Collection[str]) -> dict[str, frozenset[str]]:
    """The requests that each of these connections is working on."""
    found: dict[str, frozenset[str]] = {}
    for request in requests:
        holder = request.connection_id
        if request.status is Status.PROCESSING and holder is not None and holder in connection_ids:
            found[holder] = found.get(holder, frozenset()) | {request.id}
    return found
