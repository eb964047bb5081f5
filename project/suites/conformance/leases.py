"""What version 2 adds: names, heartbeats, leases, acknowledgements."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from project.errors import SpacesError
from project.suites.conformance.journal import Entry
from project.suites.conformance.site import HELD, Answer, Given, StandIn
from project.suites.conformance.trial import Trial
from project.suites.expect import Unmet, expect, shown
from project.wire import events
from project.wire.messages import Heartbeat, Register

QUICK_BEAT_S: Final = 0.1
BEATS: Final = 3
BEATS_WITHIN_S: Final = 3.0
SETTLED_WITHIN_S: Final = 3.0
BEGUN_S: Final = 0.1
"""After so long a request that was handed out is at work."""
NOT_NOW: Final = {"ok": False, "code": "storage_unavailable", "message": "The database is away for a moment"}
TOO_LATE: Final = {"ok": False, "code": "stale_lease", "message": "The lease is over"}
TOO_LARGE: Final = {"ok": False, "code": "message_too_large", "message": "The result is too large"}
LATER: Final = {"message": "The site is being upgraded", "code": "try_later"}


def names_itself(trial: Trial) -> None:
    """The same worker and boot after a broken connection, another boot in another process."""
    trial.serving_v2()
    first = trial.registration
    since = trial.break_line()
    again = trial.reconnected(since)
    expect(again.worker_id, first.worker_id, "worker_id after a broken connection")
    expect(again.boot_id, first.boot_id, "boot_id after a broken connection")
    trial.start()
    trial.registered()
    expect(trial.registration.boot_id != first.boot_id, True, "boot_id of another process is another one")


def asks_for_acknowledgements(trial: Trial) -> None:
    """Without asking, it cannot know whether its result is recorded."""
    trial.serving_v2()
    expect(trial.fulfil().ack_id is not None, True, "an acknowledgement of inference_result is asked for")


def sends_heartbeats(trial: Trial) -> None:
    """In the rhythm that the site asks for, with what it holds, until that is acknowledged."""
    site = trial.serving_v2()
    _beat_quickly(trial, site)
    given, _ = _unacknowledged(trial, site)
    since = site.journal.mark
    beats = trial.wait(
        events.HEARTBEAT,
        since=since,
        count=BEATS,
        within_s=BEATS_WITHIN_S,
        what=f"{BEATS} heartbeats when one every {QUICK_BEAT_S:g} s is asked for",
    )
    expect(_holds(beats[-1], given), True, f"the lease of an unacknowledged result is in {shown(beats[-1].data)}")
    for each in site.journal.all(events.RESULT, where=given.is_of):
        site.acknowledge(each, {"ok": True})
    trial.wait(
        events.HEARTBEAT,
        since=site.journal.mark,
        where=lambda beat: not _holds(beat, given),
        within_s=SETTLED_WITHIN_S,
        what="a heartbeat without the lease of an acknowledged result",
    )


def says_what_it_holds(trial: Trial) -> None:
    """A worker that comes back lists what was not acknowledged."""
    site = trial.serving_v2()
    given, _ = _unacknowledged(trial, site)
    since = _break(trial)
    _expect_listed(trial.reconnected(since), given, "a broken connection")
    trial.result(given, since)


def hands_in_again(trial: Trial) -> None:
    """What was not acknowledged before the connection broke is handed in once more, as it was."""
    site = trial.serving_v2()
    given, first = _unacknowledged(trial, site)
    since = _break(trial)
    trial.reconnected(since)
    again = trial.result(given, since)
    for part in ("status", "result"):
        expect(again.data.get(part), first.data.get(part), f"{part} of the result that is handed in again")
    trial.nothing(events.RESULT, since=_after(site, again), what="result after the acknowledgement")


def keeps_what_was_not_recorded(trial: Trial) -> None:
    """A result that the site could not record just now is handed in once more."""
    site = trial.serving_v2()
    given, _ = _answered(trial, site, lambda entry: NOT_NOW)
    since = _break(trial)
    trial.reconnected(since)
    trial.result(given, since)


def forgets_what_is_too_late(trial: Trial) -> None:
    """A result that the site will never take is not handed in again."""
    site = trial.serving_v2()
    _answered(trial, site, lambda entry: TOO_LATE)
    since = _break(trial)
    expect(trial.reconnected(since).in_flight, (), "in_flight after the answer stale_lease")
    trial.nothing(events.RESULT, since=since, what="result after the answer stale_lease")


def says_so_when_it_cannot_be_taken(trial: Trial) -> None:
    """A result that the site cannot take in any form becomes a failed one."""
    site = trial.serving_v2()
    since = site.journal.mark
    given, _ = _answered(trial, site, lambda entry: {"ok": True} if _has_failed(entry) else TOO_LARGE)
    trial.wait(
        events.RESULT,
        since=since,
        where=lambda entry: given.is_of(entry) and _has_failed(entry),
        what="a failed result after the answer message_too_large",
    )


def answers_for_the_latest_attempt(trial: Trial) -> None:
    """A request that is handed out again has a new lease, and the result bears it."""
    site = trial.serving_v2()
    since = site.journal.mark
    first = site.give()
    trial.result(first, since)
    second = site.give(of=first)
    trial.wait(
        events.RESULT,
        since=since,
        where=lambda entry: second.is_of(entry) and entry.data.get("lease_id") == second.lease_id,
        what="a result with the lease of the second attempt",
    )


def stops_what_is_cancelled(trial: Trial) -> None:
    """Neither a running request nor a waiting one is answered once it is cancelled; the next one is."""
    site = trial.serving_v2()
    trial.slow_enough("cancelling")
    since = site.journal.mark
    cancelled = [site.give() for _ in range(min(2, trial.at_once))]
    time.sleep(BEGUN_S)
    for given in reversed(cancelled):
        message = {"request_id": given.request_id, "lease_id": given.lease_id, "reason": "cancelled"}
        site.emit(events.CANCEL, message)
    _only(trial, since, site.give(), cancelled, "inference_cancel")


def stops_what_it_lost(trial: Trial) -> None:
    """A heartbeat's answer may say that a lease is over."""
    site = trial.serving_v2()
    trial.slow_enough("losing a lease")
    _beat_quickly(trial, site)
    since = site.journal.mark
    lost = site.give()
    # A site speaks of those leases alone that a heartbeat names.
    site.manner.answers[events.HEARTBEAT] = lambda beat: {
        "ok": True,
        "keep": [],
        "stop": [lost.request_id] if _holds(beat, lost) else [],
    }
    trial.wait(events.HEARTBEAT, since=since, where=lambda beat: _holds(beat, lost), what="a heartbeat with the lease")
    time.sleep(BEGUN_S)
    del site.manner.answers[events.HEARTBEAT]
    _only(trial, since, site.give(), [lost], "stop in a heartbeat's answer")


def tries_again_later(trial: Trial) -> None:
    """A refusal that has nothing to do with the worker does not end it."""
    site = trial.serving_v2()
    site.manner.refusals.append(LATER)
    since = trial.break_line()
    trial.wait(events.REGISTER, since=since, count=2, what="another registration after a refusal try_later")
    trial.registered(since)
    trial.fulfil()


def keeps_its_work(trial: Trial) -> None:
    """While the site restarts, what runs goes on, and is handed in afterwards under the same lease."""
    site = trial.serving_v2()
    boot_id = trial.registration.boot_id
    site.manner.answers[events.RESULT] = lambda entry: HELD
    given = site.give()
    time.sleep(BEGUN_S)
    since = site.journal.mark
    site.emit(events.SITE_DRAINING, {"reason": "restart"})
    site.leave()
    time.sleep(1.0)
    site.manner.answers.clear()
    site.come_back()
    told = trial.reconnected(since)
    expect(told.boot_id, boot_id, "boot_id after the site's restart")
    _expect_listed(told, given, "the site's restart")
    trial.result(given, since)


def finishes_at_sigterm(trial: Trial) -> None:
    """It asks for no more work, hands in what it has, and ends with exit code 0."""
    site = trial.serving_v2()
    slow = trial.work_s > 2 * BEGUN_S
    site.manner.answers[events.RESULT] = lambda entry: HELD
    since = site.journal.mark
    given = site.give()
    if slow:
        time.sleep(BEGUN_S)
    else:
        # Too quick to be caught at work: what it has is a result that is not acknowledged yet.
        trial.result(given, since)
    trial.subject.terminate()
    trial.wait(events.DRAIN, since=since, what="drain after SIGTERM")
    result = trial.result(given, since)
    expect(trial.subject.exit_code, None, "exit code before its result is acknowledged")
    site.acknowledge(result, {"ok": True})
    code = trial.subject.wait(trial.patience_s, "after SIGTERM and its last acknowledgement")
    trial.end()
    expect(code, 0, "exit code after SIGTERM")


def _beat_quickly(trial: Trial, site: StandIn) -> None:
    """Ask for another rhythm, which the worker learns as it registers."""
    site.manner.heartbeat_s = QUICK_BEAT_S
    since = trial.break_line()
    trial.reconnected(since)


def _unacknowledged(trial: Trial, site: StandIn) -> tuple[Given, Entry]:
    """A result that waits for its acknowledgement."""
    return _answered(trial, site, lambda entry: HELD)


def _answered(trial: Trial, site: StandIn, answer: Answer) -> tuple[Given, Entry]:
    """A result that is acknowledged in that way."""
    site.manner.answers[events.RESULT] = answer
    since = site.journal.mark
    given = site.give()
    return given, trial.result(given, since)


def _break(trial: Trial) -> int:
    """Break the connection; from now on every result is acknowledged. The mark before."""
    since = trial.break_line()
    trial.site.manner.answers.clear()
    return since


def _after(site: StandIn, entry: Entry) -> int:
    """The mark right behind an entry."""
    return site.journal.all().index(entry) + 1


def _expect_listed(told: Register, given: Given, after: str) -> None:
    held = [(lease.request_id, lease.lease_id) for lease in told.in_flight]
    if (given.request_id, given.lease_id) not in held:
        raise Unmet(f"expected request {given.request_id} in in_flight of the registration after {after}, got {held}")


def _has_failed(entry: Entry) -> bool:
    return isinstance(entry.data, dict) and entry.data.get("status") == "failed"


def _holds(beat: Entry, given: Given) -> bool:
    """Whether a heartbeat names the attempt's lease. Raises Unmet if it is none."""
    try:
        held = Heartbeat.parse(beat.data).in_flight
    except SpacesError as error:
        raise Unmet(f"heartbeat: {error.message}, got {shown(beat.data)}") from None
    return any((lease.request_id, lease.lease_id) == (given.request_id, given.lease_id) for lease in held)


def _only(trial: Trial, since: int, wanted: Given, unwanted: Sequence[Given], after: str) -> None:
    """That attempt has a result, and those have none."""
    trial.result(wanted, since)
    ids = {given.request_id for given in unwanted}
    trial.nothing(events.RESULT, since=since, where=lambda entry: entry.request_id in ids, what=f"result after {after}")
