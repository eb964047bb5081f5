"""What the console does by itself: follow the load run under way, begin what is due, keep the log within bounds."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from project.clock import Clock
from project.errors import TryLater
from project.rpc.inbox import Inbox
from project.rpc.load import LoadTests
from project.runtime import Runtime
from project.storage.port import CallStore

log = logging.getLogger(__name__)
TICK_S: Final = 0.5
DUE_S: Final = 2.0
PRUNE_S: Final = 60.0


class ConsoleUpkeep:
    """The console's chores, in one task. ``log_s`` and ``log_calls`` bound the log by age and number."""

    def __init__(
        self,
        calls: CallStore,
        inbox: Inbox,
        load: LoadTests,
        runtime: Runtime,
        clock: Clock,
        *,
        log_s: float,
        log_calls: int,
    ):
        self._calls = calls
        self._inbox = inbox
        self._load = load
        self._runtime = runtime
        self._clock = clock
        self._log_s = log_s
        self._log_calls = log_calls
        self._stopped = False

    def start(self) -> None:
        """Begin."""
        self._runtime.spawn(self._serve)

    def stop(self) -> None:
        """End. A load run goes on: it is a process of its own."""
        self._stopped = True

    def _serve(self) -> None:
        every = {self._load.settle: TICK_S, self._load.start_due: DUE_S, self._prune: PRUNE_S}
        due = {chore: self._clock() + every_s for chore, every_s in every.items()}
        while not self._stopped:
            self._runtime.sleep(TICK_S)
            for chore, at in due.items():
                if self._clock() >= at and not self._stopped:
                    due[chore] = self._clock() + every[chore]
                    self._try(chore)

    def _try(self, chore: Callable[[], None]) -> None:
        try:
            chore()
        except TryLater:
            # The store is locked or full for the moment; every chore comes round again.
            return
        except Exception:
            # The other chores, and this one's next turn, must not end with it.
            log.exception("the console's upkeep failed")

    def _prune(self) -> None:
        # Half of the log at most is of load runs, so that one of them does not wash away a month of real calls.
        before = self._clock() - self._log_s
        self._calls.prune(before=before, most=self._log_calls, most_tests=self._log_calls // 2)
        self._inbox.prune()
        self._load.tidy()
