"""What views write into the audit log."""

from __future__ import annotations

from project.core.model import Request
from project.web.caller import current_caller, origin
from project.web.site import current_site


def note(kind: str, subject: str, detail: str = "") -> None:
    """The caller did this, from here."""
    current_site().accounts.audit.record(kind, current_caller().user, origin(), subject=subject, detail=detail)


def note_view(seen: Request) -> None:
    """The caller was shown a request: it is written down when it is somebody else's, which only administrators see."""
    note_content(seen.user_id, seen.id, f"of {seen.username}")


def note_content(owner_id: str, subject: str, detail: str) -> None:
    """The caller was shown what somebody has written. A page that asks again every second is one look."""
    user = current_caller().user
    if owner_id != user.id:
        audit = current_site().accounts.audit
        audit.record("content_viewed", user, origin(), subject=subject, detail=detail, seldom=True)
