"""The checks of the conformance suite, in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from project.suites.check import Check
from project.suites.conformance import basics, large, leases, messages
from project.suites.conformance.trial import Trial
from project.suites.expect import Unmet


def _alone(run: Callable[[Trial], None]) -> Callable[[Trial], None]:
    """A check whose failure is its own: the next one begins with a fresh worker."""

    def running(trial: Trial) -> None:
        try:
            run(trial)
        except Unmet:
            trial.end()
            raise

    return running


_OF_ALL: Final = (
    ("registers by websocket", basics.registers),
    ("answers a request", basics.answers),
    ("answers it once", basics.answers_once),
    ("keeps its connection", basics.keeps_its_connection),
    ("answers several in their order", basics.answers_in_order),
    ("takes any text", basics.takes_any_text),
    ("ignores events and fields it does not know", basics.ignores_the_unknown),
    ("fails a request its handler fails at", basics.fails_well),
    ("fetches a file", basics.fetches_a_file),
    ("fails a request whose file is another one", basics.refuses_a_wrong_file),
    ("answers pings while it works", basics.answers_pings),
    ("comes back after a broken connection", basics.comes_back),
    ("waits between its tries while the site is away", basics.waits_between_tries),
)
_OF_V2: Final = (
    ("v2: names itself and its boot", leases.names_itself),
    ("v2: asks for acknowledgements", leases.asks_for_acknowledgements),
    ("v2: sends heartbeats with its leases", leases.sends_heartbeats),
    ("v2: says what it holds when it comes back", leases.says_what_it_holds),
    ("v2: hands in a result until it is acknowledged", leases.hands_in_again),
    ("v2: keeps a result that was not recorded", leases.keeps_what_was_not_recorded),
    ("v2: forgets a result that is too late", leases.forgets_what_is_too_late),
    ("v2: says so when its result cannot be taken", leases.says_so_when_it_cannot_be_taken),
    ("v2: answers for the latest attempt", leases.answers_for_the_latest_attempt),
    ("v2: stops what is cancelled", leases.stops_what_is_cancelled),
    ("v2: stops what it lost", leases.stops_what_it_lost),
    ("v2: returns a large result over HTTP", large.goes_by_http),
    ("v2: tries an upload again", large.tries_an_upload_again),
    ("v2: tries again after a passing refusal", leases.tries_again_later),
    ("v2: keeps its work while the site restarts", leases.keeps_its_work),
    ("v2: finishes its work at SIGTERM", leases.finishes_at_sigterm),
)
_AT_THE_END: Final = (
    ("ends at SIGTERM", basics.ends_at_sigterm),
    ("ends when its space is refused", basics.ends_when_refused),
    ("sends only messages of the protocol", messages.are_well_formed),
)
CHECKS: Final = tuple(Check(name, _alone(run)) for name, run in (*_OF_ALL, *_OF_V2, *_AT_THE_END))
