"""Every error a person or a program can meet, in one tree.

    SpacesError
    ├── BadInput          400   what was sent cannot be used
    ├── NotAllowed        401/403
    ├── Missing           404
    ├── Conflict          409
    ├── RemoteError       502
    ├── RpcTimeout        504
    ├── OutcomeUnknown    504           written or not: nobody can say yet
    ├── TooLarge          413/431
    ├── TryLater          429/503/507   nothing is wrong with the request, the moment is
    ├── SettingInvalid    the site does not start like this
    └── WorkerRefused     a registration the site will not accept

Each class has a stable ``code`` and an HTTP ``status``; the first line of its docstring is its default message.
Imports nothing, so the worker SDK can carry it to a machine without Flask.
"""

from __future__ import annotations

from collections.abc import Iterator


class SpacesError(Exception):
    """Something went wrong on the site."""

    code = "internal_error"
    status = 500

    def __init__(self, message: str | None = None, *, field: str | None = None, retry_after_s: float | None = None):
        self.message = message or self.default_message()
        self.field = field
        self.retry_after_s = retry_after_s
        super().__init__(self.message)

    @classmethod
    def default_message(cls) -> str:
        """The first line of the class's docstring."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]

    def as_dict(self) -> dict[str, object]:
        """The JSON of this error: ``{success, error, code}`` and, where known, ``field`` and ``retry_after`` (s)."""
        body: dict[str, object] = {"success": False, "error": self.message, "code": self.code}
        if self.field is not None:
            body["field"] = self.field
        if self.retry_after_s is not None:
            body["retry_after"] = round(self.retry_after_s, 3)
        return body


class BadInput(SpacesError):
    """What was sent cannot be used."""

    code = "bad_request"
    status = 400


class BadHost(BadInput):
    """The site does not answer to that host name."""

    code = "bad_host"


class FieldInvalid(BadInput):
    """A field has a value that cannot be used."""

    code = "invalid_field"


class FieldNotEnabled(BadInput):
    """This space does not take that kind of input."""

    code = "field_not_enabled"


class EmptySubmission(BadInput):
    """Nothing was submitted: send a prompt or a file."""

    code = "empty_submission"


class FileRefused(BadInput):
    """A virus scanner found something in that file."""

    code = "file_refused"


class WeakPassword(BadInput):
    """That password is too easy to guess."""

    code = "weak_password"


class UnknownMethod(BadInput):
    """There is no such method."""

    code = "unknown_method"


class InvalidParams(BadInput):
    """The parameters are not those of the method."""

    code = "invalid_params"


class MessageInvalid(BadInput):
    """A Socket.IO message does not have the shape the protocol asks for."""

    code = "invalid_message"


class NotAllowed(SpacesError):
    """You may not do that."""

    code = "forbidden"
    status = 403


class CrossOrigin(NotAllowed):
    """A page of another site may not act here in your name."""

    code = "cross_origin"


class LoginRequired(NotAllowed):
    """Please log in first."""

    code = "login_required"
    status = 401


class WrongCredentials(NotAllowed):
    """The user name or the password is wrong."""

    code = "wrong_credentials"
    status = 401


class CodeRequired(NotAllowed):
    """The code of your authenticator app is needed too."""

    code = "code_required"
    status = 401


class WrongCode(NotAllowed):
    """That code is wrong, was used before, or is too old."""

    code = "wrong_code"
    status = 401


class PasswordChangeRequired(NotAllowed):
    """Choose a password of your own first."""

    code = "password_change_required"


class BadApiKey(NotAllowed):
    """The API key is wrong, revoked, or past its end."""

    code = "bad_api_key"
    status = 401


class ScopeMissing(NotAllowed):
    """This API key is not good for that."""

    code = "scope_missing"


class BadSignature(NotAllowed):
    """This link is not valid, or no longer."""

    code = "bad_signature"


class Missing(SpacesError):
    """There is nothing here."""

    code = "not_found"
    status = 404


class SpaceNotFound(Missing):
    """There is no such space."""

    code = "space_not_found"


class RequestNotFound(Missing):
    """There is no such request."""

    code = "request_not_found"


class BatchNotFound(Missing):
    """There is no such batch of records, or it is not yours."""

    code = "batch_not_found"


class FileNotFound(Missing):
    """There is no such file."""

    code = "file_not_found"


class CallNotFound(Missing):
    """There is no such call in the log."""

    code = "call_not_found"


class RunNotFound(Missing):
    """There is no such load run."""

    code = "run_not_found"


class MethodNotAllowed(SpacesError):
    """This address does not take that method."""

    code = "method_not_allowed"
    status = 405


class Conflict(SpacesError):
    """That does not go together with what is there."""

    code = "conflict"
    status = 409


class UsernameTaken(Conflict):
    """That user name is taken."""

    code = "username_taken"


class LastAdmin(Conflict):
    """Somebody must remain who can administer the site."""

    code = "last_admin"


class KeyReused(Conflict):
    """That Idempotency-Key was used for another submission."""

    code = "idempotency_key_reused"


class AlreadyRetried(Conflict):
    """That request was tried again already."""

    code = "already_retried"


class StaleLease(Conflict):
    """This attempt was given to another worker, or has ended."""

    code = "stale_lease"


class LoadRunning(Conflict):
    """A load test is running; stop it first."""

    code = "load_running"


class RemoteError(SpacesError):
    """What was called answered with an error."""

    code = "remote_error"
    status = 502


class RequestFailed(RemoteError):
    """The request ended without an answer."""

    code = "request_failed"


class AnswerChanged(RemoteError):
    """Another attempt was needed, and its answer begins differently than what was sent of the first."""

    code = "answer_changed"


class RpcTimeout(SpacesError):
    """What was called did not answer in time."""

    code = "rpc_timeout"
    status = 504


class TooLarge(SpacesError):
    """What was sent is larger than the site takes."""

    code = "too_large"
    status = 413


class MessageTooLarge(TooLarge):
    """A Socket.IO message is over the limit; send large results as files."""

    code = "message_too_large"


class HeadTooLarge(TooLarge):
    """The request's headers are larger than the site takes."""

    code = "head_too_large"
    status = 431


class TryLater(SpacesError):
    """The site cannot take this now; try again shortly."""

    code = "try_later"
    status = 503


class TooManyAttempts(TryLater):
    """Too many failed attempts; wait a moment."""

    code = "too_many_attempts"
    status = 429


class RateLimited(TryLater):
    """Too soon after your last request to this space."""

    code = "rate_limited"
    status = 429


class TooManyRequests(TryLater):
    """You have sent as many requests as you may in a minute."""

    code = "too_many_requests"
    status = 429


class TooManyOpen(TryLater):
    """As many of your requests are open as you may have at once."""

    code = "too_many_open"
    status = 429


class TooMuchKept(TryLater):
    """Your files take as much room as you may have; delete requests you no longer need."""

    code = "too_much_kept"
    status = 429


class TooSoon(TryLater):
    """A request can be deleted a minute after it was sent."""

    code = "too_soon"
    status = 429


class TooFast(TryLater):
    """Too many requests a second from your address."""

    code = "too_fast"
    status = 429


class TooManyConnections(TryLater):
    """Too many connections from your address at once."""

    code = "too_many_connections"
    status = 429


class TooManyAtOnce(TryLater):
    """Too many of your requests are under way at once."""

    code = "too_many_at_once"
    status = 429


class QueueFull(TryLater):
    """The queue of this space is full."""

    code = "queue_full"
    status = 429


class OwnQueueFull(QueueFull):
    """You have as many requests waiting in this space as one person may."""

    code = "own_queue_full"


class WorkerOffline(TryLater):
    """The space has no worker just now: remote app not connected."""

    code = "worker_offline"


class ScannerUnavailable(TryLater):
    """Files cannot be scanned for viruses just now; nothing was accepted."""

    code = "scanner_unavailable"


class StorageUnavailable(TryLater):
    """The database cannot be written just now; nothing was accepted."""

    code = "storage_unavailable"


class OutcomeUnknown(SpacesError):
    """The database was lost at the very moment of writing. It may have been written: look before you send it again."""

    code = "outcome_unknown"
    status = 504


class DiskFull(TryLater):
    """The disk is full; nothing was accepted."""

    code = "disk_full"
    status = 507


class WorkerRefused(SpacesError):
    """The site does not accept this worker."""

    code = "worker_refused"
    status = 403


class SpaceNameUnknown(WorkerRefused):
    """No space with that name was found."""

    code = "space_name_unknown"


class SpaceNameAmbiguous(WorkerRefused):
    """Multiple spaces with name found; rename one of them."""

    code = "space_name_ambiguous"


class SpaceNotWebsockets(WorkerRefused):
    """That space is not a websockets space."""

    code = "space_not_websockets"


class SpaceOccupied(WorkerRefused):
    """That space already has a connected worker."""

    code = "space_occupied"


class BadToken(WorkerRefused):
    """The worker's token is wrong, revoked, or of another space."""

    code = "bad_token"


class TokenRequired(WorkerRefused):
    """This space needs a worker token from here; pass --token or SPACES_WORKER_TOKEN."""

    code = "token_required"


class NotRegistered(WorkerRefused):
    """Register for a space first."""

    code = "not_registered"


class SettingInvalid(SpacesError):
    """A setting has a value that cannot be used."""

    code = "invalid_setting"


def every_error() -> Iterator[type[SpacesError]]:
    """Every class of the site's tree, parents before children; programs beside the site may have more of their own."""
    pending: list[type[SpacesError]] = [SpacesError]
    while pending:
        current = pending.pop(0)
        yield current
        pending.extend(child for child in current.__subclasses__() if child.__module__ == __name__)
