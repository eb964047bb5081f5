"""Why a request ended as it did: a stable code for programs and a sentence for people."""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[str, str]] = {
    "worker_error": "The model reported an error.",
    "worker_lost": "The worker went away during every attempt.",
    "queue_timeout": "No worker took the request in time.",
    "run_timeout": "The model did not finish in time.",
    "cancelled_by_user": "Cancelled by the person who asked.",
    "cancelled_by_admin": "Cancelled by an administrator.",
    "space_deleted": "The space was deleted.",
}
