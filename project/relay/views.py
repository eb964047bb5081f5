"""What people and programs are shown of a request and of a space."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from project.core.model import Request
from project.core.safe_mode import is_safe


def iso(at: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC with milliseconds, or None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class RequestView:
    """A request, its place in the queue (1 is next; None once handed out) and how many are open in its space.

    ``eta_s``: in how many seconds it is done, from and to; None if unknown. ``away_since``: since when there is no
    worker; None if there is one, or never was. ``ahead``: how many others its worker has before it; None unless it was
    handed out and has not begun, or if the worker is another node's.
    """

    request: Request
    position: int | None
    queue_size: int
    eta_s: tuple[float, float] | None = None
    away_since: float | None = None
    ahead: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON of ``/websockets/status``."""
        request = self.request
        return {
            "success": True,
            "request_id": request.id,
            "space_id": request.space_id,
            "status": request.status.value,
            "position": self.position,
            "queue_size": self.queue_size,
            "ahead": self.ahead,
            "eta_seconds": [round(bound, 1) for bound in self.eta_s] if self.eta_s is not None else None,
            "worker_away_since": iso(self.away_since),
            "attempt": request.attempt,
            "max_attempts": request.max_attempts,
            "retry_reason": request.retry_reason,
            "progress": request.progress,
            "progress_message": request.progress_message,
            "partial": request.partial,
            "result": request.result,
            "error": request.error,
            "code": request.code,
            "files": [
                {
                    "id": file.id,
                    "field": file.field,
                    "name": file.name,
                    "content_type": file.content_type,
                    "size": file.size_bytes,
                    "url": f"/websockets/files/{file.id}",
                }
                for file in request.files
            ],
            "queued_at": iso(request.created_at),
            "dispatched_at": iso(request.dispatched_at),
            "started_at": iso(request.started_at),
            "finished_at": iso(request.finished_at),
            "run_seconds": round(request.run_s, 3) if request.run_s is not None else None,
            "load_test_mode": is_safe(request.id),
        }


@dataclass(frozen=True, slots=True)
class SpaceView:
    """Whether a space has a worker, how many requests are open there, and whether it takes more.

    ``away_since``: since when there is no worker; None if there is one, or never was.
    """

    space_id: str
    connected: bool
    queue_size: int
    workers: int
    accepting: bool
    away_since: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON of a space's status."""
        return {
            "success": True,
            "space_id": self.space_id,
            "connected": self.connected,
            "queue_size": self.queue_size,
            "workers": self.workers,
            "accepting": self.accepting,
            "worker_away_since": iso(self.away_since),
        }
