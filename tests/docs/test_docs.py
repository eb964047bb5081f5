"""The documentation says what the code says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from project.wire import events
from tests.conftest import ROOT
from tools.make_reference import PAGES, REFERENCE


@pytest.mark.parametrize("name", PAGES)
def test_reference_is_what_the_tables_say(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run `make reference`"


def test_every_event_is_documented() -> None:
    text = (REFERENCE / "protocol.md").read_text(encoding="utf-8")
    assert [event for event in (*events.FROM_WORKER, *events.FROM_SITE) if f"`{event}`" not in text] == []


def test_readme_is_short_and_begins_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert text.index("make run") < text.index("make test") < 200


def committed(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines()]


def test_links_of_the_documentation_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in committed("*.md")
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not target.startswith(("http:", "https:")) and not (page.parent / target).exists()
    ]
    assert broken == []


def test_nothing_of_one_machine_is_committed() -> None:
    # Built from halves, so that this file does not find itself.
    foreign = ["/wo" + "rk/main", "/ro" + "ot/", "py" + "pi.org", "files.python" + "hosted"]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in committed()
        if path.suffix not in (".png", ".mo")
        for word in foreign
        if path.is_file() and word in path.read_text(encoding="utf-8")
    ]
    assert found == []
