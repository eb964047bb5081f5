"""What a space takes, and how soon: the refusals of a submission."""

from __future__ import annotations

from project.core.commands import Submit
from project.core.ordering import Line
from project.errors import OwnQueueFull, QueueFull, RateLimited, TryLater

BUSY_S = 5.0
"""When to try a full queue again, for those who know nothing better."""


def refuse_submission(command: Submit, line: Line, *, last_at: float | None) -> TryLater | None:
    """Why a submission is not taken now, or None. ``last_at`` is when the same person last submitted to the space."""
    if command.rate_limit_s > 0 and last_at is not None:
        wait_s = last_at + command.rate_limit_s - command.now
        if wait_s > 0:
            return RateLimited(retry_after_s=wait_s)
    if line.waiting >= command.max_queue:
        return QueueFull(retry_after_s=BUSY_S)
    if 0 < command.max_queue_per_user <= line.own_waiting:
        return OwnQueueFull(retry_after_s=BUSY_S)
    return None
