"""What a registered worker says of its attempts: results, progress, heartbeats, and that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from project.clock import Clock
from project.core.leases import Verdict
from project.core.model import Request
from project.core.states import Status
from project.errors import NotRegistered, RequestNotFound, SpacesError, StaleLease
from project.relay.connections import Connection, Connections
from project.relay.dispatch import Dispatcher
from project.relay.publish import Publisher
from project.relay.texts import Texts
from project.storage.port import Finish, Finished, Pending, Renew, Report, Store
from project.wire.messages import Chunk, Heartbeat, Progress, Result

Answer = Callable[[dict[str, Any]], None]
"""Sends the acknowledgement of one message; called once, later."""


class Attempts:
    """The use cases of a worker's messages. Those of the hot path answer later, when their commit is done."""

    def __init__(
        self,
        store: Store,
        connections: Connections,
        publisher: Publisher,
        dispatcher: Dispatcher,
        texts: Texts,
        clock: Clock,
        *,
        lease_s: float,
    ):
        self._store = store
        self._connections = connections
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._texts = texts
        self._clock = clock
        self._lease_s = lease_s

    def finish(self, connection_id: str, message: Result, answer: Answer) -> None:
        """Record how an attempt ended. Raises NotRegistered."""
        connection = self._connection(connection_id)
        failed = message.status == Status.FAILED
        error = str(message.result.get("error") or "The model reported an error.") if failed else None
        self._texts.hurry(message.request_id, message.lease_id)
        pending = self._store.requests.finish_later(
            Finish(
                request_id=message.request_id,
                space_id=connection.worker.space_id,
                connection_id=connection_id,
                lease_id=message.lease_id,
                status=Status(message.status),
                result=message.result,
                now=self._clock(),
                error=error,
                code=(message.code or "worker_error") if failed else None,
                run_s=message.run_s,
            )
        )
        pending.on_done(lambda done: self._finished(connection, message.request_id, done, answer))

    def _finished(self, connection: Connection, request_id: str, done: Pending[Finished], answer: Answer) -> None:
        try:
            outcome = done.result()
        except SpacesError as error:
            answer(refusal(error))
            return
        connection.in_flight.pop(request_id, None)
        if outcome.verdict is Verdict.RECORDED and outcome.request is not None:
            self._note_pace(outcome.request)
            self._publisher.publish(outcome.request)
        self._dispatcher.kick(connection.worker.space_id)
        answer(acknowledgement(outcome.verdict))

    def _note_pace(self, request: Request) -> None:
        run_s = request.run_s
        if run_s is None and request.started_at is not None and request.finished_at is not None:
            run_s = request.finished_at - request.started_at
        if run_s is not None:
            self._connections.pace(request.space_id).note(run_s)

    def progress(self, connection_id: str, message: Progress, answer: Answer) -> None:
        """Keep how far an attempt has come; it renews the lease. Raises NotRegistered."""
        report = self._report(connection_id, message, percent=message.percent, note=message.message)

        def reported(done: Pending[Request | None]) -> None:
            try:
                request = done.result()
            except SpacesError as error:
                answer(refusal(error))
                return
            if request is None:
                answer(refusal(StaleLease()))
                return
            self._publisher.publish(request)
            answer({"ok": True})

        self._store.requests.report_later(report).on_done(reported)

    def chunk(self, connection_id: str, message: Chunk, answer: Answer) -> None:
        """Keep a piece of the answer; it renews the lease. Raises NotRegistered."""
        report = self._report(connection_id, message, pieces=((message.seq, message.text),))
        self._texts.put(report, lambda error: answer({"ok": True} if error is None else refusal(error)))

    def _report(
        self,
        connection_id: str,
        message: Progress | Chunk,
        *,
        percent: float | None = None,
        note: str = "",
        pieces: tuple[tuple[int, str], ...] = (),
    ) -> Report:
        return Report(
            request_id=message.request_id,
            space_id=self._connection(connection_id).worker.space_id,
            lease_id=message.lease_id,
            seq=message.seq,
            now=self._clock(),
            lease_s=self._lease_s,
            percent=percent,
            message=note,
            pieces=pieces,
        )

    def heartbeat(self, connection_id: str, message: Heartbeat) -> dict[str, Any]:
        """Renew the leases a worker lists; which to keep and which to stop. Raises NotRegistered."""
        connection = self._connection(connection_id)
        listed = {lease.request_id: lease.lease_id for lease in message.in_flight}
        if not listed:
            return {"ok": True, "keep": [], "stop": []}
        kept = self._store.requests.renew(
            Renew(
                space_id=connection.worker.space_id,
                connection_id=connection_id,
                leases=listed,
                now=self._clock(),
                lease_s=self._lease_s,
                started=frozenset(lease.request_id for lease in message.in_flight if lease.started),
            )
        )
        return {"ok": True, "keep": sorted(kept), "stop": sorted(listed.keys() - kept)}

    def drain(self, connection_id: str) -> dict[str, Any]:
        """Give the worker no more work. Raises NotRegistered."""
        connection = self._connection(connection_id)
        connection.draining = True
        self._store.presence.set_draining(connection_id)
        self._publisher.space_changed(connection.worker.space_id)
        return {"ok": True}

    def lost(self, connection_id: str) -> None:
        """A connection is gone: its attempts go back to their places at once. Nothing to do if it never registered.

        A version 2 worker may take its attempts up again with their leases, while nobody else has claimed them.
        """
        connection = self._connections.remove(connection_id)
        if connection is None:
            return
        keep_lease = connection.worker.protocol > 1
        self._store.presence.leave(connection_id, now=self._clock())
        # Only now: whoever is woken asks the store at once, and would find the worker still there.
        self._publisher.space_changed(connection.worker.space_id)
        # One that drains begins nothing more: what it did not report as started never was.
        abreast = 0 if connection.draining else connection.concurrency
        for request in self._store.requests.release(
            connection_id, keep_lease=keep_lease, now=self._clock(), abreast=abreast
        ):
            self._publisher.publish(request)
        self._dispatcher.kick(connection.worker.space_id)

    def _connection(self, connection_id: str) -> Connection:
        connection = self._connections.get(connection_id)
        if connection is None:
            raise NotRegistered
        return connection


def refusal(error: SpacesError) -> dict[str, Any]:
    """The acknowledgement of a message that was not taken."""
    answer: dict[str, Any] = {"ok": False, "code": error.code, "message": error.message}
    if error.field is not None:
        answer["field"] = error.field
    return answer


def acknowledgement(verdict: Verdict) -> dict[str, Any]:
    """The acknowledgement of a result; a repeated one is as good as the first."""
    if verdict is Verdict.STALE:
        return refusal(StaleLease())
    if verdict is Verdict.UNKNOWN:
        return refusal(RequestNotFound())
    return {"ok": True, "duplicate": True} if verdict is Verdict.DUPLICATE else {"ok": True}
