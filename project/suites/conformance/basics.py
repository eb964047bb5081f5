"""What every worker must do, version 1 or 2."""

from __future__ import annotations

import time
from typing import Any, Final

from project.suites.check import NotTried
from project.suites.conformance import journal
from project.suites.conformance.site import PING_S, Given, Manner
from project.suites.conformance.trial import QUIET_S, SPACE, Trial
from project.suites.expect import Unmet, expect
from project.wire import events

ODD_PROMPTS: Final = ("", '你好 🌍 "quoted" \\ back\n\ttabbed é', "long" * 25_000)
AWAY_S: Final = 3.0
MOST_TRIES: Final = 8
"""In so long. More than that, by every worker of a site, and the site does not get up again."""
ANSWERED_WHILE_BUSY: Final = 2
LOOKS: Final = 3
"""On a busy machine pings may be late; a worker that cannot answer never does."""
BUSY_S: Final = 0.45
REFUSAL: Final = {"message": f'Multiple spaces with name found: "{SPACE}"', "code": "space_name_ambiguous"}
OTHER_SHA256: Final = "0" * 64


def registers(trial: Trial) -> None:
    """By WebSocket, with the space's name and token as they are."""
    site = trial.serving()
    others = site.journal.all(journal.OTHERWISE)
    if others:
        raise Unmet(f"expected a connection by websocket alone, got one by {others[0].data}")
    told = trial.registration
    expect(told.space_name, SPACE, "space_name")
    if "{token}" in trial.command:
        expect(told.token, trial.token, "token")
    trial.notes.append(f"version {told.protocol}, capacity {told.capacity}, {told.sdk or 'no name of an SDK'}")


def answers(trial: Trial) -> None:
    """One request, one result, with its ids. Without that, there is nothing else to try."""
    trial.serving()
    try:
        trial.notes.append(f"in {trial.work_s:.2g} s")
    except Unmet:
        trial.give_up("the worker does not answer a request")
        raise


def answers_once(trial: Trial) -> None:
    """And no second time a moment later."""
    site = trial.serving()
    since = site.journal.mark
    given = site.give()
    trial.result(given, since)
    time.sleep(QUIET_S)
    expect(len(site.journal.all(events.RESULT, since=since, where=given.is_of)), 1, "results of a request")


def keeps_its_connection(trial: Trial) -> None:
    """One connection serves many requests."""
    site = trial.serving()
    since = site.journal.mark
    given = site.give()
    what = "a result, or the end of the connection"
    trial.wait(
        events.RESULT, journal.GONE, since=since, what=what, where=lambda e: e.name == journal.GONE or given.is_of(e)
    )
    time.sleep(QUIET_S)
    # Also one that broke before: nothing but the site has a reason to break it.
    if site.journal.all(journal.GONE, where=lambda entry: bool(entry.data)):
        raise Unmet("expected the connection to last, got its end by the worker")


def answers_in_order(trial: Trial) -> None:
    """Several requests at once are run one after another, in the order in which they came."""
    site = trial.serving()
    since = site.journal.mark
    given = [site.give() for _ in range(trial.at_once)]
    results = trial.results(given, since)
    expect([each.request_id for each in results], [each.request_id for each in given], "the order of results")


def takes_any_text(trial: Trial) -> None:
    """No prompt at all, characters of every kind, 100,000 of them."""
    trial.serving()
    for prompt in ODD_PROMPTS:
        trial.fulfil(prompt)


def ignores_the_unknown(trial: Trial) -> None:
    """Events and fields of a newer site are no reason to stumble."""
    site = trial.serving()
    since = site.journal.mark
    site.emit("site_news", {"text": "an event of a later version"})
    given = Given.new()
    message = site.message(given, later={"nested": [None, True, 1.5]})
    site.emit(events.REQUEST, {**message, "a_later_field": [{"deep": "value"}]})
    trial.result(given, since)


def fails_well(trial: Trial) -> None:
    """A handler that fails makes a failed result with the reason, and the next request is answered."""
    trial.serving()
    if not trial.fail_prompt:
        raise NotTried("--fail-prompt TEXT says at which prompt its handler fails")
    result = trial.fulfil(trial.fail_prompt).data
    expect(result.get("status"), "failed", "status of a request at which the handler fails")
    trial.notes.append(f"error: {result['result']['error']}")
    expect(trial.fulfil().data.get("status"), "completed", "status of the next request")


def fetches_a_file(trial: Trial) -> None:
    """A file of a request is fetched over HTTP, by the address it comes with."""
    status, _ = _with_file(trial, sha256="")
    expect(status, "completed", "status of a request with a file")


def refuses_a_wrong_file(trial: Trial) -> None:
    """A file that is not what was announced fails its request, with the reason."""
    status, error = _with_file(trial, sha256=OTHER_SHA256)
    expect(status, "failed", "status of a request with a file of another SHA-256 than announced")
    trial.notes.append(f"error: {error}")


def _with_file(trial: Trial, sha256: str) -> tuple[Any, Any]:
    """Status and error of a request with a file. Raises NotTried if the worker does not fetch it."""
    site = trial.serving()
    since = site.journal.mark
    file = site.offer("note 笔记.txt", b"a note\n" * 1000, sha256=sha256)
    result = trial.fulfil("read it", files=[file]).data
    if not site.journal.all(journal.FETCHED, since=since):
        raise NotTried("the worker fetches no files")
    return result.get("status"), (result.get("result") or {}).get("error")


def answers_pings(trial: Trial) -> None:
    """While the handler works: else the site takes the worker for dead and gives its request away."""
    trial.serving()
    trial.slow_enough("answering pings at work", BUSY_S)
    most = 0
    for _ in range(LOOKS):
        most = max(most, _answered_while_busy(trial))
        if most >= ANSWERED_WHILE_BUSY:
            return
    raise Unmet(f"expected answers to the pings sent while the handler worked, got {most}")


def _answered_while_busy(trial: Trial) -> int:
    """How many pings were answered in the middle of a request."""
    site = trial.site
    # The answers that a busy worker owes from before must not count.
    time.sleep(QUIET_S)
    since = site.journal.mark
    given = site.give()
    began = time.monotonic()
    over = trial.result(given, since)
    return len([pong for pong in site.journal.all(journal.PONG, since=since) if began + PING_S < pong.at < over.at])


def comes_back(trial: Trial) -> None:
    """After a broken connection, ready for requests right behind the site's answer."""
    site = trial.serving()
    given = Given.new()
    site.manner.at_once.append(site.message(given))
    since = trial.break_line()
    trial.reconnected(since)
    trial.result(given, since)


def waits_between_tries(trial: Trial) -> None:
    """A site that is away is not stormed, and found again once it is back."""
    site = trial.serving()
    since = site.journal.mark
    site.leave()
    trial.say(f"the site is away for {AWAY_S:g} s")
    time.sleep(AWAY_S)
    tries = len(site.journal.all(journal.KNOCKED, since=since))
    site.come_back()
    trial.reconnected(since)
    trial.fulfil()
    if tries > MOST_TRIES:
        raise Unmet(f"expected at most {MOST_TRIES} tries to connect in {AWAY_S:g} s, got {tries}")
    trial.notes.append(f"{tries} tries in {AWAY_S:g} s")


def ends_when_refused(trial: Trial) -> None:
    """A refusal that trying again does not change ends the worker with an exit code of an error."""
    trial.serving()
    trial.start(Manner(refusals=[REFUSAL] * 1000))
    trial.wait(events.REGISTER, what="a registration")
    code = trial.subject.wait(trial.patience_s, "after the refusal of its registration")
    trial.end()
    expect(code != 0, True, f"the exit code ({code}) after a refused registration is one of an error")


def ends_at_sigterm(trial: Trial) -> None:
    """With nothing to do, it ends when it is told to."""
    trial.serving()
    trial.subject.terminate()
    code = trial.subject.wait(trial.patience_s, "after SIGTERM")
    trial.notes.append(f"exit code {code}")
    trial.end()
