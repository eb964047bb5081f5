"""One run of the tool: its checks one after another, its outcomes, its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Final

from project.errors import SpacesError
from project.suites.check import Check, Given, Outcome, run_check
from project.suites.report import Report, write_junit

PASSED: Final = 0
FAILED: Final = 1
NOT_RUN: Final = 2


class Run:
    """Runs checks and tells of them. ``trouble`` is what ended the run early, such as a site that went away."""

    def __init__(self, report: Report):
        self._report = report
        self._outcomes: list[Outcome] = []
        self.trouble: SpacesError | None = None

    def suite(self, name: str, checks: Sequence[Check[Given]], given: Given) -> None:
        """Run the checks of a suite. Raises Unreachable, or whatever else makes going on senseless."""
        self._report.suite(name, len(checks))
        for number, check in enumerate(checks, start=1):
            with self._report.running(f"{number}/{len(checks)} {check.name}"):
                outcome = run_check(name, check, given)
            self._tell(outcome)

    def chore(self, name: str, check: Check[Given], given: Given) -> None:
        """Run something that is worth a line only if it goes wrong."""
        outcome = run_check(name, check, given)
        if outcome.problem:
            self._tell(outcome)

    def finish(self, junit: IO[bytes] | None) -> int:
        """Sum up; the exit code."""
        trouble = "" if self.trouble is None else self.trouble.message
        if trouble:
            self._report.problem(trouble)
        if junit is not None:
            write_junit(junit, self._outcomes, trouble)
        if self._outcomes:
            self._report.summary(self._outcomes)
        if trouble:
            return NOT_RUN
        return FAILED if any(outcome.problem for outcome in self._outcomes) else PASSED

    def _tell(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._report.outcome(outcome)
