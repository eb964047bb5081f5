"""What is told to people of an error, in their language: by the field of a form, else by the error's code."""

from __future__ import annotations

import re
from typing import Final

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

from project.errors import SpacesError

BY_CODE: Final[dict[str, LazyString]] = {
    "internal_error": _("Something went wrong on the site."),
    "bad_request": _("What was sent cannot be used."),
    "bad_host": _("The site does not answer to that host name."),
    "invalid_field": _("A field has a value that cannot be used."),
    "field_not_enabled": _("This space does not take that kind of input."),
    "empty_submission": _("Write a prompt or choose a file first."),
    "file_refused": _("A virus scanner found something in that file."),
    "weak_password": _("That password is too easy to guess."),
    "unknown_method": _("There is no such method."),
    "invalid_params": _("The parameters are not those of the method."),
    "call_not_found": _("There is no such call in the log."),
    "run_not_found": _("There is no such load run."),
    "load_running": _("A load test is running; stop it first."),
    "remote_error": _("What was called answered with an error."),
    "request_failed": _("The request ended without an answer."),
    "answer_changed": _("Another attempt was needed, and its answer begins differently."),
    "rpc_timeout": _("What was called did not answer in time."),
    "forbidden": _("You may not do that."),
    "cross_origin": _("A page of another site may not act here in your name."),
    "login_required": _("Please log in first."),
    "wrong_credentials": _("The user name or the password is wrong."),
    "code_required": _("The code of your authenticator app is needed too."),
    "wrong_code": _("That code is wrong, was used before, or is too old."),
    "password_change_required": _("Choose a password of your own first."),
    "bad_api_key": _("The API key is wrong, revoked, or past its end."),
    "scope_missing": _("This API key is not good for that."),
    "bad_signature": _("This link is not valid, or no longer."),
    "not_found": _("There is nothing here."),
    "space_not_found": _("There is no such space."),
    "request_not_found": _("There is no such request."),
    "file_not_found": _("There is no such file."),
    "batch_not_found": _("There is no such batch."),
    "method_not_allowed": _("This address does not take that method."),
    "conflict": _("That does not go together with what is there."),
    "username_taken": _("That user name is taken."),
    "last_admin": _("Somebody must remain who can administer the site."),
    "stale_lease": _("This attempt was given to another worker, or has ended."),
    "too_large": _("The files are too large."),
    "head_too_large": _("The request's headers are larger than the site takes."),
    "try_later": _("The site cannot take this now; try again shortly."),
    "too_many_attempts": _("Too many failed attempts; wait a moment."),
    "rate_limited": _("Too soon after your last request to this space."),
    "too_many_requests": _("You have sent as many requests as you may in a minute."),
    "too_many_open": _("As many of your requests are open as you may have at once."),
    "too_much_kept": _("Your files take as much room as you may have. Delete requests you no longer need."),
    "too_soon": _("A request can be deleted a minute after it was sent."),
    "too_fast": _("Too many requests a second from your address."),
    "too_many_at_once": _("Too many of your requests are under way at once."),
    "too_many_connections": _("Too many connections from your address at once."),
    "queue_full": _("The queue of this space is full. Try again shortly."),
    "own_queue_full": _("You have as many requests waiting here as one person may. Try again shortly."),
    "idempotency_key_reused": _("That was sent before, with another content."),
    "already_retried": _("That request was tried again already."),
    "worker_offline": _("The remote app is not connected."),
    "scanner_unavailable": _("Files cannot be scanned for viruses just now; nothing was accepted."),
    "outcome_unknown": _(
        "The database was lost at the very moment of writing. It may have been written: look before you send it again."
    ),
    "storage_unavailable": _("The database cannot be written just now; nothing was accepted."),
    "disk_full": _("The disk is full; nothing was accepted."),
}
"""Every error a person can meet over HTTP. What only a worker is told stays in English, in its log."""

BY_FIELD: Final[dict[str, LazyString]] = {
    "username": _("From 3 to 64 letters, digits, and . _ - are a user name."),
    "password": _("A password has from 8 to 128 characters."),
    "current_password": _("The current password is wrong."),
    "new_password": _("A password has from 8 to 128 characters, and is not the old one."),
    "key_name": _("A key needs a name of at most 100 characters; you have at most 20 live keys."),
    "scopes": _("Choose what the key is good for."),
    "days": _("A number of days from 1 to 3650, or nothing."),
    "role": _("The role is user or administrator."),
    "since": _("A day such as 2026-01-31."),
    "until": _("A day such as 2026-01-31."),
    "confirm_password": _("The two passwords are not the same."),
    "name": _("A name has from 1 to 100 characters, all of which can be seen."),
    "description": _("A description has at most 5000 characters."),
    "cover": _("The cover is one emoji, or the name of a picture that is in static/covers."),
    "ws_enable_prompt": _("Enable at least one kind of input."),
    "ws_rate_limit_seconds": _("A number from 0 to 86400."),
    "ws_max_queue": _("A number from 1 to 100000."),
    "ws_max_workers": _("A number from 1 to 64."),
    "ws_max_queue_per_user": _("A number from 0 to 100000."),
    "ws_capacity": _("A number from 0 to 1024."),
    "ws_run_timeout_seconds": _("A number from 1 to 86400."),
    "ws_queue_timeout_seconds": _("A number from 1 to 604800."),
    "token_name": _("A token needs a name of at most 100 characters; a space has at most two live tokens."),
    "prompt": _("The prompt is too long, or has characters that are not text."),
    "audio_url": _("The address of a sound begins with http:// or https://."),
}
"""The rule of each field a person fills in."""

REASONS: Final[dict[str, LazyString]] = {
    "worker_error": _("The model reported an error."),
    "handler_crashed": _("The model's process crashed."),
    "transfer_failed": _("A file did not get from the site to the model, or back."),
    "worker_lost": _("The worker went away during every attempt."),
    "undeliverable": _("The request could not be put into a message to the worker."),
    "queue_timeout": _("No worker took the request in time."),
    "run_timeout": _("The model did not finish in time."),
    "cancelled_by_user": _("You cancelled it."),
    "cancelled_by_admin": _("An administrator cancelled it."),
    "space_deleted": _("The space was deleted."),
}
"""Why a request ended without a result."""


AUDIT: Final[dict[str, LazyString]] = {
    "login": _("Logged in"),
    "login_refused": _("Login refused"),
    "login_throttled": _("Login asked to wait"),
    "logout": _("Logged out"),
    "registered": _("Registered"),
    "password_changed": _("Password changed"),
    "session_ended": _("Login ended"),
    "second_factor_on": _("Codes turned on"),
    "second_factor_off": _("Codes turned off"),
    "second_factor_refused": _("Code refused"),
    "key_made": _("API key made"),
    "key_revoked": _("API key revoked"),
    "key_refused": _("API key refused"),
    "worker_refused": _("Worker refused"),
    "access_refused": _("Access refused"),
    "content_viewed": _("Request of somebody else viewed"),
    "user_added": _("Person added"),
    "user_disabled": _("Person disabled"),
    "user_enabled": _("Person enabled"),
    "user_role": _("Role changed"),
    "password_reset": _("Password reset"),
    "space_made": _("Space made"),
    "space_changed": _("Space changed"),
    "space_deleted": _("Space deleted"),
    "token_made": _("Worker token made"),
    "token_revoked": _("Worker token revoked"),
    "request_cancelled": _("Request of somebody else cancelled"),
    "request_retried": _("Failed request tried again"),
    "request_deleted": _("Request of somebody else deleted"),
    "test_run": _("Test run"),
    "audit_exported": _("Audit log exported"),
}
"""Every kind of entry of the audit log."""


METHODS: Final[dict[str, LazyString]] = {
    "notification.send": _("Send notification to user"),
    "notification.broadcast": _("Broadcast to all users"),
    "workspace.file_changed": _("Notify file change: who has the space open sees it anew"),
    "session.message": _("Send session message: it appears on the open pages of its recipient"),
    "space.infer": _("Run a request through the relay and wait for its result"),
    "space.status": _("Whether a space is served, and its queue"),
    "websocket.check": _("Open a WebSocket to the site as a worker would, and close it"),
    "system.ping": _("Do nothing: what a call costs at least"),
}
"""What each method that can be called is for."""


def audit_words(kind: str) -> str:
    """What a kind of entry of the audit log is called."""
    return str(AUDIT.get(kind, kind))


ROLES: Final[dict[str, LazyString]] = {"user": _("User"), "admin": _("Administrator")}

AUDIT_DETAILS: Final[tuple[tuple[frozenset[str], re.Pattern[str], LazyString], ...]] = (
    (
        frozenset({"content_viewed", "request_cancelled", "request_deleted"}),
        re.compile("of (?P<name>.*)"),
        _("of {name}"),
    ),
    (frozenset({"session_ended"}), re.compile("all"), _("all of them")),
    (frozenset({"session_ended"}), re.compile("(?P<n>[0-9]+) others"), _("{n} others")),
    (frozenset({"login_refused"}), re.compile("disabled"), _("the account is disabled")),
    (frozenset({"test_run"}), re.compile("schedule (?P<name>.*)"), _("by the schedule {name}")),
)
"""Details that are more than names and numbers: of which kinds of entry, how they are written down, and their words."""


def audit_detail(kind: str, detail: str) -> str:
    """The detail of an entry of the audit log in the reader's language, as far as it is not names and numbers."""
    if kind in ("user_added", "user_role") and detail in ROLES:
        return str(ROLES[detail])
    for kinds, written, told in AUDIT_DETAILS:
        if kind in kinds and (found := written.fullmatch(detail)):
            text = str(told)
            for name, value in found.groupdict().items():
                text = text.replace(f"{{{name}}}", value)
            return text
    return str(BY_CODE.get(detail, detail))


def explain(error: SpacesError) -> str:
    """One sentence for the person: the rule of the field it names, else its code's, else the error's own words."""
    if error.code in ("invalid_field", "conflict", "wrong_credentials") and error.field in BY_FIELD:
        return str(BY_FIELD[error.field])
    return str(BY_CODE.get(error.code, error.message))


RETRIES: Final[dict[str, LazyString]] = {
    "connection_lost": _("the connection to the worker broke"),
    "lease_expired": _("the worker gave no sign of life"),
    "worker_restarted": _("the worker started again"),
}
"""Why an attempt was lost, to follow a "because"."""

TOLD_BY_WORKERS: Final = frozenset({"worker_error", "handler_crashed", "transfer_failed"})
"""Reasons to which a worker's own words belong."""


def reason(code: str | None, error: str | None) -> str:
    """Why a request ended without a result; a model's own words are added to ours."""
    known = REASONS.get(code or "")
    if known is None:
        return error or ""
    return f"{known} {error}" if code in TOLD_BY_WORKERS and error else str(known)


def page_words() -> dict[str, LazyString]:
    """What the scripts may have to say, by name: ``why_<code>``, ``retry_<code>`` and ``rule_<field>``."""
    return (
        {f"why_{code}": text for code, text in (BY_CODE | REASONS).items()}
        | {f"retry_{code}": text for code, text in RETRIES.items()}
        | {f"rule_{field}": BY_FIELD[field] for field in ("prompt", "audio_url")}
    )
