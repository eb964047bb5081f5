"""Checks and how they are run: each is a function that expects things of a site."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from project.suites.client import Visitor


class Unmet(Exception):
    """What was expected did not come."""


def expect(found: Any, expected: Any, what: str) -> None:
    """Raise Unmet unless both are the same."""
    if found != expected:
        raise Unmet(f"{what}: expected {expected!r}, got {found!r}")


def expect_that(is_true: object, what: str) -> None:
    """Raise Unmet unless it is true."""
    if not is_true:
        raise Unmet(what)


def until(is_true: Callable[[], Any], *, within_s: float, what: str) -> None:
    """Wait for something to become true; raise Unmet if it does not in time."""
    deadline = time.monotonic() + within_s
    while not is_true():
        if time.monotonic() > deadline:
            raise Unmet(f"{what}: not within {within_s:g} s")
        time.sleep(0.05)


@dataclass
class Bench:
    """What the checks share: who the site is, who they are, and what they made."""

    host: str
    username: str
    password: str
    admin_user: str
    admin_pass: str
    trace: Callable[[str], None]
    space: str = ""
    requests: int = 100
    concurrency: int = 10
    made: list[str] = field(default_factory=list)
    stamp: int = field(default_factory=lambda: int(time.time()))

    def visitor(self) -> Visitor:
        """Somebody new."""
        return Visitor(self.host, self.trace)

    def user(self) -> Visitor:
        """The test user, registered if need be."""
        visitor = self.visitor()
        if visitor.login(self.username, self.password).status_code != 302:
            visitor.post("/register", data={"username": self.username, "password": self.password})
            expect(visitor.login(self.username, self.password).status_code, 302, f"login of {self.username}")
        return visitor

    def admin(self) -> Visitor:
        """The administrator."""
        visitor = self.visitor()
        expect(visitor.login(self.admin_user, self.admin_pass).status_code, 302, f"login of {self.admin_user}")
        return visitor

    def make_space(self, name: str, **fields: str) -> str:
        """Make a space that is deleted at the end; its id."""
        answer, space_id = self.admin().make_space(name, **fields)
        expect(answer.status_code, 302, "making a space")
        expect_that(space_id, "making a space redirects to /admin/space/edit/<id>")
        self.made.append(space_id)
        return space_id

    def tidy(self) -> None:
        """Delete what was made."""
        if not self.made:
            return
        admin = self.admin()
        while self.made:
            admin.post(f"/admin/space/delete/{self.made.pop()}")


@dataclass(frozen=True)
class Check:
    """One thing a site must do."""

    name: str
    run: Callable[[Bench], None]


@dataclass(frozen=True)
class Outcome:
    """How a check went: ``problem`` is empty if all was as expected."""

    suite: str
    name: str
    problem: str
    seconds: float


def run_checks(suite: str, checks: Iterable[Check], bench: Bench) -> list[Outcome]:
    """Run checks one after another. A site that goes away ends the suite: Unreachable."""
    outcomes = []
    for check in checks:
        began = time.monotonic()
        problem = ""
        try:
            check.run(bench)
        except (Unmet, ValueError, KeyError, TypeError) as error:
            # An answer of another shape than promised (no JSON, a missing field) is the site's fault, not the tool's.
            problem = str(error) if isinstance(error, Unmet) else f"unexpected answer ({type(error).__name__}: {error})"
        outcomes.append(Outcome(suite, check.name, problem, time.monotonic() - began))
    return outcomes
