"""The audit log, for administrators: filtered, page by page, and as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from flask import Blueprint, Response, render_template, request

from project.accounts.audit import KINDS, Audit
from project.core.people import AuditEntry, AuditFilter
from project.core.policies import NO_KEY, policy
from project.errors import FieldInvalid
from project.web.notes import note
from project.web.site import current_site

blueprint = Blueprint("audit", __name__, url_prefix="/admin")
ON_A_PAGE: Final = 50
IN_A_BATCH: Final = 500
COLUMNS: Final = ("id", "time", "kind", "actor", "subject", "detail", "address")


@blueprint.get("/audit")
@policy("admin", scope=NO_KEY)
def log() -> str:
    """Entries, newest first, by kind, person and day."""
    before = request.args.get("before", "")
    entries = current_site().accounts.audit.page(
        _filter(), limit=ON_A_PAGE + 1, before_id=int(before) if re.fullmatch(r"[0-9]{1,18}", before) else None
    )
    chosen = {name: text for name in ("kind", "actor", "subject", "since", "until") if (text := _text(name))}
    return render_template(
        "admin/audit.html",
        entries=entries[:ON_A_PAGE],
        older=entries[ON_A_PAGE - 1].id if len(entries) > ON_A_PAGE else None,
        later=bool(before),
        kinds=KINDS,
        chosen=chosen,
    )


@blueprint.get("/audit.csv")
@policy("admin", scope=NO_KEY)
def export() -> Response:
    """The filtered log as CSV, newest first, as far as it goes back."""
    note("audit_exported", "audit")
    rows = _rows(current_site().accounts.audit, _filter())
    response = Response(rows, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _rows(audit: Audit, chosen: AuditFilter) -> Iterator[str]:
    yield _line(COLUMNS)
    before: int | None = None
    while entries := audit.page(chosen, limit=IN_A_BATCH, before_id=before):
        yield "".join(_line(_cells(entry)) for entry in entries)
        before = entries[-1].id


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    texts = (entry.kind, entry.actor, entry.subject, entry.detail, entry.address)
    return (str(entry.id), at, *(_inert(text) for text in texts))


def _inert(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _line(cells: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _filter() -> AuditFilter:
    until = _day("until")
    return AuditFilter(
        kind=_text("kind"),
        actor=_text("actor"),
        subject=_text("subject"),
        since=_seconds(_day("since")),
        until=_seconds(None if until is None else until + timedelta(days=1)),
    )


def _text(name: str) -> str:
    return request.args.get(name, "").strip()


def _day(name: str) -> datetime | None:
    """A day of the filter, in UTC. Raises FieldInvalid."""
    text = _text(name)
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise FieldInvalid(f"{name} is a day such as 2026-01-31", field=name) from None


def _seconds(day: datetime | None) -> float | None:
    return None if day is None else day.timestamp()
