"""Checks, and how one is run. A check is a function that expects things of what it is given."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from project.suites.client import NoAnswer
from project.suites.expect import Unmet


class NotTried(Exception):
    """There is nothing to check here, for the reason given."""


class Noted(Protocol):
    """What checks are given: it keeps what they measured."""

    notes: list[str]


Given = TypeVar("Given", bound=Noted)


@dataclass(frozen=True)
class Check(Generic[Given]):
    """One thing that must be so."""

    name: str
    run: Callable[[Given], None]


@dataclass(frozen=True)
class Outcome:
    """How a check went: ``problem`` is empty if all was as expected. ``notes`` are what it measured.

    ``not_tried`` is why there was nothing to check, if there was not.
    """

    suite: str
    name: str
    problem: str
    seconds: float
    notes: tuple[str, ...] = ()
    not_tried: str = ""


def run_check(suite: str, check: Check[Given], given: Given) -> Outcome:
    """Run one check. Raises Unreachable if the site has gone away."""
    began = time.monotonic()
    problem = not_tried = ""
    given.notes.clear()
    try:
        check.run(given)
    except Unmet as error:
        problem = str(error)
    except NotTried as reason:
        not_tried = str(reason)
    except NoAnswer as error:
        problem = f"expected an answer, got none: {error.message}"
    return Outcome(suite, check.name, problem, time.monotonic() - began, tuple(given.notes), not_tried)
