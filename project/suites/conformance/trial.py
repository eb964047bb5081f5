"""What the conformance checks are given: a stand-in site, the worker, and the words between them."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from project.errors import SpacesError
from project.suites.bench import Say, silent
from project.suites.check import NotTried
from project.suites.conformance import journal
from project.suites.conformance.journal import Entry, Journal
from project.suites.conformance.site import PROMPT, Given, Manner, StandIn
from project.suites.conformance.subject import Subject, arguments_of
from project.suites.expect import Unmet, expect, shown
from project.wire import events, limits
from project.wire.messages import Register, Result

SPACE: Final = "Conformance 一致性 №1"
"""With a blank and characters that are not ASCII: a worker must pass the name on as it is."""
QUIET_S: Final = 0.4
"""How long nothing (more) may come."""
SETTLED_S: Final = 0.05
LASTING_S: Final = 1.2
QUICK_S: Final = 0.25
"""A handler that is quicker cannot be caught at work."""
DOUBTFUL_S: Final = 1.0
MOST_AT_ONCE: Final = 4


@dataclass
class Trial:
    """The worker's command, and one process of it that goes from check to check as long as all is well.

    ``patience_s``: how long the worker may take for anything. ``fail_prompt``: a prompt at which its handler fails.
    """

    command: str
    patience_s: float = 30.0
    fail_prompt: str = ""
    say: Say = silent
    trace: Callable[[str], None] = field(default=lambda line: None)
    notes: list[str] = field(default_factory=list)
    token: str = field(default_factory=lambda: secrets.token_hex(12))
    _state: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True)
    )
    _site: StandIn | None = None
    _subject: Subject | None = None
    _registration: Register | None = None
    _work_s: float | None = None
    _hopeless: str = ""
    journals: list[Journal] = field(default_factory=list)

    # -- the worker and its site ------------------------------------------------------------------------------------

    @property
    def site(self) -> StandIn:
        """The site of the running worker."""
        if self._site is None:
            raise Unmet("the worker is not running")
        return self._site

    @property
    def subject(self) -> Subject:
        """The running worker."""
        if self._subject is None:
            raise Unmet("the worker is not running")
        return self._subject

    @property
    def registration(self) -> Register:
        """What the running worker registered with, last."""
        if self._registration is None:
            raise Unmet("the worker has not registered")
        return self._registration

    @property
    def is_v2(self) -> bool:
        """Whether the worker speaks version 2."""
        return self.registration.protocol >= limits.PROTOCOL

    def start(self, manner: Manner | None = None) -> StandIn:
        """A fresh worker and a fresh site for it; the one before is ended."""
        self.end()
        site = StandIn(self.trace)
        self.journals.append(site.journal)
        site.manner = manner or Manner()
        site.start()
        self._site = site
        values = {"host": site.host, "space": SPACE, "token": self.token}
        self._subject = Subject(arguments_of(self.command, values), self._state.name)
        return site

    def serving(self) -> StandIn:
        """The site of a worker that is registered and has nothing to do; started if there is none."""
        if self._hopeless:
            raise NotTried(self._hopeless)
        if self._subject is not None and self._subject.exit_code is None and self._registration is not None:
            self._as_usual()
            return self.site
        self.say("waiting for the worker to register")
        self.start()
        try:
            self.registered()
        except Unmet:
            self.give_up("the worker does not register")
            raise
        return self.site

    def give_up(self, reason: str) -> None:
        """Try nothing more: it would fail for the same reason, and take its time."""
        self._hopeless = reason

    def _as_usual(self) -> None:
        """The site behaves as usual again, and the worker knows it."""
        before, self.site.manner = self.site.manner, Manner()
        if before.told != self.site.manner.told:
            self.reconnected(self.break_line())

    def serving_v2(self) -> StandIn:
        """The same, of a worker that speaks version 2. Raises NotTried if it does not."""
        site = self.serving()
        if not self.is_v2:
            raise NotTried("version 2 only, and this worker speaks version 1")
        return site

    def end(self) -> None:
        """End the worker and its site."""
        if self._subject is not None:
            self._subject.end()
        if self._site is not None:
            self._site.stop()
        self._subject = self._site = self._registration = None

    def close(self) -> None:
        """End everything, and forget what the worker kept."""
        self.end()
        self._state.cleanup()

    # -- what is expected of it -------------------------------------------------------------------------------------

    def wait(
        self, *names: str, since: int = 0, what: str, count: int = 1, within_s: float = 0.0, **how: Any
    ) -> list[Entry]:
        """Entries of the journal, once they are there. Raises Unmet if they do not come, at once if the worker ends."""
        deadline = time.monotonic() + (within_s or self.patience_s)
        while True:
            left_s = deadline - time.monotonic()
            found = self.site.journal.wait(*names, since=since, count=count, within_s=min(QUIET_S, left_s), **how)
            if len(found) >= count:
                return found
            if self.subject.exit_code is not None:
                ended = f"its end with exit code {self.subject.exit_code}: {self.subject.last_words}"
                raise Unmet(f"expected {what}, got {ended}")
            if left_s <= 0:
                others = self.site.journal.all(journal.OTHERWISE, since=since)
                got = f"a connection by {others[-1].data}" if others else str(len(found) or "none")
                if not self.site.has_worker and journal.CONNECTED not in names:
                    came = self.site.journal.all(journal.CONNECTED)
                    got += ", and its connection is gone" if came else ", and no connection"
                raise Unmet(f"expected {what} within {within_s or self.patience_s:g} s, got {got}")

    def registered(self, since: int = 0) -> Register:
        """Wait for a registration; what it says. Raises Unmet if it is not one."""
        entry = self.wait(events.REGISTER, since=since, what="a registration")[-1]
        try:
            self._registration = Register.parse(entry.data)
        except SpacesError as error:
            raise Unmet(f"register: {error.message}, got {shown(entry.data)}") from None
        self.wait(journal.WELCOMED, since=since, what="the worker to take the answer to its registration")
        return self._registration

    def break_line(self) -> int:
        """Break the connection, once it is an old one and all is quiet on it; the mark before.

        A worker may well wait longer after a connection that did not last, and must have its acknowledgements.
        """
        time.sleep(SETTLED_S)
        welcomed = self.site.journal.all(journal.WELCOMED)[-1].at
        time.sleep(max(0.0, welcomed + LASTING_S - time.monotonic()))
        since = self.site.journal.mark
        self.site.cut()
        return since

    def result(self, given: Given, since: int = 0) -> Entry:
        """Wait for the result of an attempt; it must be one of the protocol. Raises Unmet."""
        return self.results([given], since)[0]

    def results(self, given: Sequence[Given], since: int = 0) -> list[Entry]:
        """Wait for the results of attempts, the first of each; their order is the one in which they came."""
        found = [
            self.wait(events.RESULT, since=since, where=each.is_of, what=f"a result of request {each.request_id}")[0]
            for each in given
        ]
        for entry, each in zip(found, given, strict=True):
            self._check_result(entry, each)
        return sorted(found, key=lambda entry: entry.at)

    def _check_result(self, entry: Entry, given: Given) -> None:
        try:
            result = Result.parse(entry.data)
        except SpacesError as error:
            raise Unmet(f"inference_result: {error.message}, got {shown(entry.data)}") from None
        if self.is_v2:
            expect(result.lease_id, given.lease_id, "lease_id of the result")
        if result.status == "failed":
            said = result.result.get("error")
            expect(isinstance(said, str) and bool(said), True, "a failed result says why in result.error")

    def nothing(self, *names: str, since: int, what: str, within_s: float = QUIET_S, **how: Any) -> None:
        """Raise Unmet if something comes after all."""
        found = self.site.journal.wait(*names, since=since, within_s=within_s, **how)
        if found:
            raise Unmet(f"expected no {what}, got {found[0].name} {shown(found[0].data)}")

    def fulfil(self, prompt: str = PROMPT, **payload: Any) -> Entry:
        """One request from beginning to end; its result."""
        since = self.site.journal.mark
        return self.result(self.site.give(prompt, **payload), since)

    def reconnected(self, since: int) -> Register:
        """Wait for the worker to come back; what it registers with."""
        self.wait(journal.CONNECTED, since=since, what="the worker to connect again")
        return self.registered(since)

    @property
    def work_s(self) -> float:
        """How long the worker takes for a request, measured once."""
        if self._work_s is None:
            self._work_s = self._measured()
            if self._work_s < DOUBTFUL_S:
                # A machine that is busy elsewhere makes a quick handler look slow, but hardly twice.
                self._work_s = min(self._work_s, self._measured())
        return self._work_s

    def _measured(self) -> float:
        began = time.monotonic()
        return self.fulfil().at - began

    def slow_enough(self, why: str, least_s: float = QUICK_S) -> None:
        """Raise NotTried if the worker is too quick to be caught at work."""
        if self.work_s < least_s:
            raise NotTried(f"{why} needs a handler of {least_s:g} s or more, and this one takes {self.work_s:.2g} s")

    @property
    def at_once(self) -> int:
        """How many requests the worker may be given at once."""
        return min(MOST_AT_ONCE, self.registration.capacity) if self.is_v2 else limits.V1_WINDOW
