"""What a worker tells of itself, for a log or a display."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from project.worker.job import Job

log = logging.getLogger("project.worker")


class WorkerEvents:
    """Told of everything that happens; override what interests you. Called from several threads, and must be quick.

    These write to the log ``project.worker``.
    """

    def connecting(self, host: str, space: str) -> None:
        """A connection is being opened."""
        log.info("connecting to %s", host)

    def connected(self) -> None:
        """The socket is open; registration follows."""

    def registering(self, space: str) -> None:
        """The registration was sent."""

    def registered(self, response: Mapping[str, Any]) -> None:
        """The site accepted the worker."""
        log.info("serving %s", response.get("message", ""))

    def connection_failed(self, reason: str, retry_s: float) -> None:
        """The site was not reached; the next try is in ``retry_s``."""
        log.warning("connection failed: %s; next try in %.1f s", reason, retry_s)

    def refused(self, message: str, code: str) -> None:
        """The site does not accept the worker."""
        log.error("registration refused (%s): %s", code, message)

    def disconnected(self) -> None:
        """The connection is gone; it will be opened again."""
        log.warning("disconnected")

    def site_draining(self, reason: str) -> None:
        """The site is stopping; what runs goes on, and its result waits for the site to be back."""
        log.info("the site is stopping: %s", reason)

    def received(self, job: Job, queue_size: int) -> None:
        """A request has come; with it ``queue_size`` are here, waiting or running."""

    def started(self, job: Job) -> None:
        """The handler begins."""

    def progressed(self, job: Job, percent: float, message: str) -> None:
        """The handler reported progress."""

    def finished(self, job: Job, status: str, run_s: float, queue_size: int) -> None:
        """The handler is done and its result is on its way; ``queue_size`` requests are left here."""

    def kept(self, job: Job, status: str, run_s: float, queue_size: int) -> None:
        """As ``finished``, but there is no connection: the result waits here, and is sent when one is back."""
        log.info("the result of %s is kept until the site is back", job.id)
        self.finished(job, status, run_s, queue_size)

    def cancelled(self, job: Job, reason: str) -> None:
        """The site wants no result for this request any more."""
        log.info("request %s cancelled: %s", job.id, reason)

    def deaf(self, job: Job, waited_s: float) -> None:
        """The handler goes on with a cancelled request, and nothing else can run in its place."""
        log.warning(
            "the handler still runs %.0f s after request %s was cancelled, and holds up the next: "
            "let it look at request.cancelled, or use isolation='process'",
            waited_s,
            job.id,
        )

    def restored(self, request_ids: Sequence[str]) -> None:
        """Results of an earlier run are here, and will be handed in."""
        log.info("%d results of an earlier run will be handed in", len(request_ids))

    def recorded(self, request_id: str) -> None:
        """The site has the result, for good."""

    def rejected(self, request_id: str, code: str, message: str) -> None:
        """The site does not take the result."""
        log.warning("result of %s not taken (%s): %s", request_id, code, message)
