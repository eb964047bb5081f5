"""What can go wrong on the worker's side."""

from __future__ import annotations

from project.errors import SpacesError

FINAL = frozenset({"stale_lease", "request_not_found"})
"""Answers of the site after which an attempt is nobody's any more."""
UNUSABLE = frozenset({"invalid_message", "message_too_large", "too_large"})
"""Answers to a message that the site cannot take in any form."""


class WorkerError(SpacesError):
    """The worker cannot go on."""

    code = "worker_failed"


class RegistrationRefused(WorkerError):
    """The site does not accept this worker."""

    code = "registration_refused"

    def __init__(self, message: str, reason: str):
        super().__init__(message)
        self.reason = reason


class StateUnavailable(WorkerError):
    """The worker's folder cannot be used."""

    code = "state_unavailable"


class ConnectionFailed(WorkerError):
    """The site cannot be reached."""

    code = "connection_failed"


class HandlerUnusable(WorkerError):
    """The handler cannot be run in a process."""

    code = "handler_unusable"


class HandlerCrashed(WorkerError):
    """The handler's process died."""

    code = "handler_crashed"


class HandlerRaised(Exception):
    """What a handler raised in another process, as text."""


class TransferFailed(WorkerError):
    """A file could not be fetched or returned whole."""

    code = "transfer_failed"


class SiteUnreachable(TransferFailed):
    """The site is not there, and the worker, which is to end, does not wait for it any longer."""

    code = "site_unreachable"
