"""Calling a method: check, run with a time limit, and keep in the log what was called and how it ended."""

from __future__ import annotations

import logging
import secrets
import time
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from project.clock import Clock
from project.core.calls import Call, Outcome, Search
from project.core.model import User
from project.errors import (
    BadInput,
    CallNotFound,
    Conflict,
    InvalidParams,
    Missing,
    NotAllowed,
    RemoteError,
    RpcTimeout,
    SpacesError,
    TooLarge,
    TryLater,
    UnknownMethod,
)
from project.rpc import methods
from project.rpc.actions import Context, Services
from project.rpc.methods import Method
from project.rpc.redaction import is_whole, redacted, redacted_text
from project.rpc.schema import TEST_ID, check_json
from project.runtime import Runtime, waited
from project.storage.port import CallStore

log = logging.getLogger(__name__)
GRACE_S: Final = 0.5
"""A method that minds its own limit is given this much more, so that it can say better what was late."""
_OUTCOMES: Final[tuple[tuple[type[SpacesError], Outcome], ...]] = (
    (UnknownMethod, Outcome.UNKNOWN_METHOD),
    (RpcTimeout, Outcome.TIMEOUT),
    (RemoteError, Outcome.REMOTE_ERROR),
    (TryLater, Outcome.UNAVAILABLE),
    (BadInput, Outcome.INVALID_PARAMS),
    (Missing, Outcome.INVALID_PARAMS),
    (TooLarge, Outcome.INVALID_PARAMS),
    (NotAllowed, Outcome.INVALID_PARAMS),
)


class Calls:
    """The use cases around a call."""

    def __init__(self, store: CallStore, services: Services, runtime: Runtime, clock: Clock):
        self._store = store
        self._services = services
        self._runtime = runtime
        self._clock = clock

    def call(
        self,
        method: str,
        params: Any,
        caller: User,
        *,
        timeout_s: float | None = None,
        test_id: str | None = None,
        replay_of: str | None = None,
    ) -> Call:
        """Call a method and log it. Whatever goes wrong is in the call that is returned, with its outcome."""
        correlation_id, at, began = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)), self._clock(), _now()
        response: Any = None
        failure: BaseException | None = None
        given: Mapping[str, Any] = {}
        try:
            given = check_json(params)
            test_id = test_id or str(given.get(TEST_ID) or "") or None
            found = methods.find(method)
            context = Context(caller, timeout_s or found.timeout_s, correlation_id, test_id or "")
            response = self._run(found, found.check(given), context)
        except Exception as error:
            # Whatever it is, it is the call's outcome; what nobody foresaw is in the site's log too.
            failure = error
        outcome = _outcome(failure)
        if outcome is Outcome.INTERNAL_ERROR:
            log.error("call %s of %s failed", correlation_id, method, exc_info=failure)
        call = Call(
            id=correlation_id,
            method=redacted_text(method)[:100].replace("\0", ""),
            params=given,
            caller_id=caller.id,
            caller=caller.username,
            at=at,
            duration_ms=round((_now() - began) * 1000, 2),
            outcome=outcome,
            response=response,
            test_id=test_id,
            replay_of=replay_of,
            **_explained(failure),
        )
        self._keep(call)
        return call

    def _run(self, method: Method, params: Mapping[str, Any], context: Context) -> Any:
        ended = self._runtime.event()
        answers: list[Any] = []
        failures: list[BaseException] = []

        def work() -> None:
            try:
                answers.append(method.run(self._services, params, context))
            except BaseException as error:
                failures.append(error)
            ended.set()

        self._runtime.spawn(work)
        if not waited(partial(ended.wait, context.timeout_s + GRACE_S), resting=True):
            raise RpcTimeout(f"{method.name} did not answer in {context.timeout_s:g} s")
        if failures:
            raise failures[0]
        return answers[0]

    def _keep(self, call: Call) -> None:
        params, response = redacted(dict(call.params)), redacted(call.response)
        if call.error is not None:
            call = replace(call, error=redacted_text(call.error))
        try:
            self._store.add(replace(call, params=params, response=response))
        except SpacesError as error:
            # What was done is done: an answer must not say otherwise because the log could not be written.
            log.error("call %s of %s could not be logged: %s", call.id, call.method, error.message)

    def get(self, call_id: str) -> Call:
        """One logged call. Raises CallNotFound."""
        call = self._store.get(call_id)
        if call is None:
            raise CallNotFound
        return call

    def replay(self, call_id: str, caller: User) -> Call:
        """Call again what was called. Raises CallNotFound, or Conflict if the log did not keep all of it."""
        before = self.get(call_id)
        if not is_whole(before.params):
            raise Conflict("The log keeps no secrets and no long texts whole, so this call cannot be repeated from it")
        params = {name: value for name, value in before.params.items() if name != TEST_ID}
        return self.call(before.method, params, caller, replay_of=before.id)

    def find(self, search: Search) -> tuple[Call, ...]:
        """Logged calls, newest first."""
        return self._store.find(search)

    def forget_tests(self, test_id: str = "") -> int:
        """Forget the calls of one load run, or of all; how many."""
        return self._store.forget_tests(test_id)


def _now() -> float:
    return time.monotonic()


def _outcome(failure: BaseException | None) -> Outcome:
    if failure is None:
        return Outcome.SUCCESS
    for kind, outcome in _OUTCOMES:
        if isinstance(failure, kind):
            return outcome
    return Outcome.INTERNAL_ERROR


def _explained(failure: BaseException | None) -> dict[str, Any]:
    """What the call says of its failure; the trace is for administrators, who alone see calls."""
    if failure is None:
        return {}
    known = failure if isinstance(failure, SpacesError) else SpacesError(f"{type(failure).__name__}: {failure}")
    trace = "".join(traceback.format_exception(failure))
    asked_wrong = isinstance(failure, (UnknownMethod, InvalidParams))
    return {
        "error": known.message,
        "code": known.code,
        "field": known.field,
        "trace": None if asked_wrong else redacted_text(trace),
    }
