"""Workers for the conformance suite: good ones, and ones with a fault that one check must find."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Final

from tests.conftest import ROOT

PYTHON: Final = shlex.quote(sys.executable)
HERE: Final = Path(__file__).resolve().parent
PLAIN: Final = f"{PYTHON} {HERE}/plain_worker.py {{host}} {{space}} {{token}}"
FIRST: Final = f"{PYTHON} {HERE}/first_worker.py {{host}} {{space}} 0.5"
MOCK: Final = (
    f"{PYTHON} {ROOT}/mock_app.py --host {{host}} --spaces {{space}} --token {{token}}"
    " --min-seconds 0.5 --max-seconds 0.5"
)
ALSO: Final = ("answers a request", "v2: answers for the latest attempt", "v2: asks for acknowledgements")
"""Tried as well, to see that it is only the fault that fails."""

FAULTS: Final = {
    "spells the space otherwise": ("registers by websocket", "space_name: expected 'Conformance 一致性 №1', got"),
    "keeps its token": ("registers by websocket", "token: expected '"),
    "polls": ("registers by websocket", "expected a connection by websocket alone, got one by polling"),
    "says it twice": ("answers it once", "expected 1, got 2"),
    "takes the last first": ("answers several in their order", "the order of results: expected ['"),
    "wants words": ("takes any text", "expected a result of request"),
    "stumbles": ("ignores events and fields it does not know", "exit code 1: what is site_news?"),
    "hides failures": ("fails a request its handler fails at", "expected 'failed', got 'completed'"),
    "dies of failures": ("fails a request its handler fails at", "got its end with exit code 9"),
    "shortens addresses": ("fetches a file", "expected 'completed', got 'failed'"),
    "trusts files": ("fails a request whose file is another one", "expected 'failed', got 'completed'"),
    "fails silently": ("fails a request whose file is another one", "a failed result says why in result.error"),
    "works on the socket's thread": ("answers pings while it works", "sent while the handler worked, got"),
    "never comes back": ("comes back after a broken connection", "the worker to connect again, got its end"),
    "storms": ("waits between its tries while the site is away", "expected at most 8 tries to connect in 3 s, got"),
    "is another after a break": ("v2: names itself and its boot", "boot_id after a broken connection: expected"),
    "asks for no acknowledgement": ("v2: asks for acknowledgements", "is asked for: expected True, got False"),
    "has no heart": ("v2: sends heartbeats with its leases", "expected 3 heartbeats when one every 0.1 s"),
    "beats as it likes": ("v2: sends heartbeats with its leases", "expected 3 heartbeats when one every 0.1 s"),
    "lists nothing": ("v2: says what it holds when it comes back", "in in_flight of the registration after a broken"),
    "forgets its results": ("v2: hands in a result until it is acknowledged", "expected a result of request"),
    "believes any answer": ("v2: keeps a result that was not recorded", "expected a result of request"),
    "is stubborn": ("v2: forgets a result that is too late", "in_flight after the answer stale_lease: expected ()"),
    "keeps its troubles to itself": ("v2: says so when its result cannot be taken", "expected a failed result after"),
    "stays with the first lease": (
        "v2: answers for the latest attempt",
        "expected a result with the lease of the second",
    ),
    "is deaf to cancel": ("v2: stops what is cancelled", "expected no result after inference_cancel, got"),
    "is deaf to stop": ("v2: stops what it lost", "expected no result after stop in a heartbeat's answer, got"),
    "sends it all by socket": (
        "v2: returns a large result over HTTP",
        "expected at most 1024 bytes through the",
    ),
    "cannot count": ("v2: returns a large result over HTTP", "the SHA-256 in X-File-SHA256 is that of the bytes"),
    "uploads once": ("v2: tries an upload again", "expected [503, 200], got [503]"),
    "uploads anew": ("v2: tries an upload again", "Idempotency-Key of the same upload: expected"),
    "gives up at once": ("v2: tries again after a passing refusal", "after a refusal try_later, got its end"),
    "drops its work": ("v2: keeps its work while the site restarts", "registration after the site's restart"),
    "drops all at SIGTERM": ("v2: finishes its work at SIGTERM", "expected drain after SIGTERM, got its end"),
    "is deaf to SIGTERM": ("ends at SIGTERM", "expected the worker's end after SIGTERM within"),
    "goes on when refused": ("ends when its space is refused", "expected the worker's end after the refusal"),
    "shouts": ("sends only messages of the protocol", "inference_progress: percent must be a number from 0 to 100"),
    "counts wrongly": (
        "sends only messages of the protocol",
        "expected seq to rise above 1, got 1",
    ),
    "gossips": ("sends only messages of the protocol", "got the event 'worker_news'"),
}
GRAVE_FAULTS: Final = {
    f"{PLAIN} 0.5 'says nothing'": ("answers a request", " s, got none"),
    f"{PLAIN} 0.5 'hangs up'": ("keeps its connection", "expected the connection to last, got its end by the worker"),
    f"{MOCK} --fault crash": ("answers a request", "got its end with exit code -9"),
    f"{MOCK} --fault freeze": ("answers a request", " s, got none"),
    f"{MOCK} --fault late": ("answers a request", " s, got none"),
    f"{MOCK} --fault oversized": ("answers a request", "inference_result: result has "),
    f"{MOCK} --fault wrong-lease": ("answers a request", "lease_id of the result: expected '"),
    f"{MOCK} --fault duplicate": ("answers it once", "results of a request: expected 1, got 3"),
    f"{MOCK} --fault drop-before-ack": ("keeps its connection", "expected the connection to last, got its end"),
    f"{MOCK} --fault drop-after-ack": ("keeps its connection", "expected the connection to last, got its end"),
}
"""With these there is not much else to try."""
FAIL_PROMPT: Final = "divide by zero"
GOOD: Final = {"the SDK": (MOCK, ""), "by hand": (f"{PLAIN} 0.5", FAIL_PROMPT), "version 1": (FIRST, "")}
"""Each with a prompt at which its handler fails, if there is one."""
