"""What the testers see while the checks run, and what is written down about them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final
from xml.etree import ElementTree

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from project.suites.check import Outcome

QUIET_S: Final = 2.0
"""Longest silence: after it, and again and again, something tells that a check is still at work."""
NOT_IN_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Report:
    """Prints checks as they run. ``say`` may be called from any thread, to tell what a check is doing."""

    def __init__(self, console: Console, *, verbose: bool = False):
        self._console = console
        self._verbose = verbose
        self._live: Progress | None = None
        self._doing = ""
        self._suites = 0

    def suite(self, name: str, count: int) -> None:
        """Begin a suite."""
        gap = "\n" if self._suites else ""
        self._suites += 1
        self._console.print(f"{gap}{name.capitalize()} suite ({count} {'check' if count == 1 else 'checks'})")

    def trace(self, line: str) -> None:
        """One HTTP call, if these are to be shown."""
        if self._verbose:
            self._console.print(f"    {line}", style="dim", markup=False)

    def say(self, text: str, done: int = 0, total: int = 0) -> None:
        """Tell what the running check is doing, and how much of it is done if that can be counted."""
        self._doing = f"{text} of {total}" if total else text
        if self._live is not None:
            self._live.update(self._live.task_ids[0], text=text, completed=done, total=total or None)

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Show that a check runs: a moving line on a terminal, now and then a line of its own elsewhere."""
        self._doing = ""
        with self._moving(name) if self._console.is_terminal else self._still_running(name):
            yield

    def outcome(self, outcome: Outcome) -> None:
        """How a check went."""
        if outcome.problem:
            self._console.print(f"✗ {outcome.name}: {outcome.problem}", style="red", markup=False)
        elif outcome.not_tried:
            self._console.print(f"- {outcome.name}: not tried, {outcome.not_tried}", style="yellow", markup=False)
        else:
            self._console.print(f"✓ {outcome.name} ({outcome.seconds * 1000:.0f} ms)", style="green", markup=False)
        for note in outcome.notes:
            self._console.print(f"    {note}", markup=False)

    def problem(self, text: str) -> None:
        """Something that is not a check went wrong."""
        self._console.print(f"✗ {text}", style="red", markup=False)

    def summary(self, outcomes: Sequence[Outcome]) -> None:
        """How many passed, and once more which did not."""
        failed = [outcome for outcome in outcomes if outcome.problem]
        seconds = sum(outcome.seconds for outcome in outcomes)
        idle = sum(bool(outcome.not_tried) for outcome in outcomes)
        not_tried = f", {idle} not tried" if idle else ""
        passed = len(outcomes) - len(failed) - idle
        self._console.print(f"\n{passed} passed, {len(failed)} failed{not_tried} in {seconds:.1f} s")
        for outcome in failed:
            self._console.print(f"  ✗ {outcome.suite}: {outcome.name}", style="red", markup=False)

    @contextmanager
    def _moving(self, name: str) -> Iterator[None]:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(20),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as live:
            live.add_task(name, total=None, text="")
            self._live = live
            try:
                yield
            finally:
                self._live = None

    @contextmanager
    def _still_running(self, name: str) -> Iterator[None]:
        over = threading.Event()
        began = time.monotonic()

        def tell() -> None:
            while not over.wait(QUIET_S):
                doing = f", {self._doing}" if self._doing else ""
                self._console.print(f"  … {name}{doing} ({time.monotonic() - began:.0f} s)", markup=False)

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        try:
            yield
        finally:
            over.set()
            teller.join()


def write_junit(target: IO[bytes], outcomes: Sequence[Outcome], trouble: str = "") -> None:
    """Write outcomes as JUnit's XML; ``trouble`` is what ended the run early, an error in its words."""
    root = ElementTree.Element("testsuites")
    for name in dict.fromkeys(outcome.suite for outcome in outcomes):
        cases = [outcome for outcome in outcomes if outcome.suite == name]
        suite = _suite(root, name, len(cases), failures=sum(bool(case.problem) for case in cases))
        suite.set("skipped", str(sum(bool(case.not_tried) for case in cases)))
        suite.set("time", f"{sum(case.seconds for case in cases):.3f}")
        for case in cases:
            entry = ElementTree.SubElement(suite, "testcase", classname=name, name=case.name)
            entry.set("time", f"{case.seconds:.3f}")
            if case.problem:
                ElementTree.SubElement(entry, "failure", message=_clean(case.problem))
            if case.not_tried:
                ElementTree.SubElement(entry, "skipped", message=_clean(case.not_tried))
            if case.notes:
                ElementTree.SubElement(entry, "system-out").text = _clean("\n".join(case.notes))
    if trouble:
        entry = ElementTree.SubElement(_suite(root, "site", 1, errors=1), "testcase", classname="site", name="reached")
        ElementTree.SubElement(entry, "error", message=_clean(trouble))
    ElementTree.ElementTree(root).write(target, encoding="utf-8", xml_declaration=True)


def _suite(root: ElementTree.Element, name: str, tests: int, failures: int = 0, errors: int = 0) -> ElementTree.Element:
    counts = {"tests": str(tests), "failures": str(failures), "errors": str(errors)}
    return ElementTree.SubElement(root, "testsuite", {"name": name, **counts})


def _clean(text: str) -> str:
    """What XML can hold of a text: an answer of a site may have any character."""
    return NOT_IN_XML.sub("\ufffd", text)
