"""What SQL asks of indexes: what a person uses, and what has been over for long."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from project.core.model import Request, StoredFile
from project.core.quotas import WINDOW_S, Usage, size_of
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
