"""The documentation says what the code says."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from project.backup.cli import main as backup_command
from project.main import main as site_command
from project.suites.cli import main as suites_command
from project.wire import events
from project.worker.doctor.cli import STEPS
from project.worker.doctor.cli import parser as doctor_parser
from project.worker.mock.cli import _parser as mock_parser
from tests.conftest import ROOT
from tools.make_reference import PAGES, REFERENCE

MOST_README_LINES = 120


def committed(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


def anchors(page: Path) -> set[str]:
    """What a page's headings are called in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_reference_is_what_the_tables_say(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run `make reference`"


def test_every_event_is_documented() -> None:
    text = (REFERENCE / "protocol.md").read_text(encoding="utf-8")
    assert [event for event in (*events.FROM_WORKER, *events.FROM_SITE) if f"`{event}`" not in text] == []


@pytest.mark.parametrize(
    ("program", "flags"),
    [
        ("run.py", {flag for option in site_command.params for flag in option.opts}),
        ("-m project.worker doctor", {flag for action in doctor_parser()._actions for flag in action.option_strings}),
        ("mock_app.py", {flag for action in mock_parser()._actions for flag in action.option_strings}),
        (
            "-m project.backup",
            {f for made in backup_command.commands.values() for p in made.params for f in p.opts} - {"archive"},
        ),
        ("test_websockets.py", {flag for option in suites_command.params for flag in option.opts}),
    ],
)
def test_command_lines_are_documented_flag_by_flag(program: str, flags: set[str]) -> None:
    text = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    section = text.split(f"## `python {program}`")[1].split("\n## ")[0]
    rows = "\n".join(line for line in section.splitlines() if line.startswith("| `--"))
    assert set(re.findall(r"`(--[\w-]+)`", rows)) == flags - {"-h", "--help"}


def test_steps_of_the_doctor_are_documented_with_their_exit_codes() -> None:
    text = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    assert [step for step in STEPS if f"| {step.exit_code} | {step.title} |" not in text] == []


def test_readme_is_short_and_begins_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_README_LINES
    assert text.index("make run") < text.index("make test") < 200


@pytest.mark.parametrize("page", committed("*.md"), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        if name.startswith(("http:", "https:")):
            continue
        found = page.parent / name if name else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    seen: set[Path] = set()
    pending = [ROOT / "README.md", ROOT / "docs" / "index.md"]
    while pending:
        page = pending.pop().resolve()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        pending += [page.parent / target for target in targets if "://" not in target]
    assert set(committed("docs/*.md")) - seen == set()


def test_samples_are_python() -> None:
    for page in committed("*.md"):
        for sample in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            compile(sample, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", ["promises", "faults"])
def test_promises_name_tests_that_exist(page: str) -> None:
    text = (ROOT / "docs" / "explanation" / f"{page}.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!promise |fault |---)(.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert len(rows) > 10
    assert [row for row in rows if "`tests/" not in row[-1]] == [], "each is proved somewhere"
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) >= text.count("`tests/"), "every one is read"
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).is_file() or (test and f"def {test}(" not in (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_nothing_of_one_machine_is_committed() -> None:
    # Built from halves, so that this file does not find itself.
    foreign = ["/wo" + "rk/", "/ro" + "ot/", "py" + "pi.org", "files.python" + "hosted"]
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in committed()
        if path.suffix not in (".png", ".mo")
        for word in foreign
        # The worker's routes are /websockets/work/...: a path of the site, not of a machine.
        if word
        in path.read_text(encoding="utf-8").replace("/websockets" + "/wo" + "rk/", "").replace('"/wo' + "rk/", "")
    ]
    assert found == []
