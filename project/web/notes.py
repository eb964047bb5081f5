"""What views write into the audit log."""

from __future__ import annotations

from project.core.model import Request
from project.web.caller import current_caller, origin
from project.web.site import current_site


def note(kind: str, subject: str, detail: str = "") -> None:
    """The caller did this, from here."""
    current_site().accounts.audit.record(kind, current_caller().user, origin(), subject=subject, detail=detail)


def note_view(seen: Request) -> None:
    """The caller was shown a request: it is written down when it is somebody else's, which only administrators see.

    A page that asks again every second is one look.
    """
    user = current_caller().user
    if seen.user_id != user.id:
        audit = current_site().accounts.audit
        audit.record("content_viewed", user, origin(), subject=seen.id, detail=f"of {seen.username}", seldom=True)
