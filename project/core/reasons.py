"""Why a request ended as it did: a stable code for programs and a sentence for people."""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[str, str]] = {
    "worker_error": "The model reported an error.",
    "handler_crashed": "The model's process crashed.",
    "transfer_failed": "A file did not get from the site to the model, or back.",
    "worker_lost": "The worker went away during every attempt.",
    "undeliverable": "The request could not be put into a message to the worker.",
    "queue_timeout": "No worker took the request in time.",
    "run_timeout": "The model did not finish in time.",
    "cancelled_by_user": "Cancelled by the person who asked.",
    "cancelled_by_admin": "Cancelled by an administrator.",
    "space_deleted": "The space was deleted.",
}

RETRIES: Final[dict[str, str]] = {
    "connection_lost": "The connection to the worker broke.",
    "lease_expired": "The worker gave no sign of life.",
    "worker_restarted": "The worker started again and did not have the request any more.",
}
"""Why an attempt was lost and the request queued again."""

DEAD_LETTERS: Final = ("worker_lost", "run_timeout", "queue_timeout", "undeliverable")
"""Failures that were not the model's answer: an administrator may have them tried again."""
