"""Every threat of the security page names a proof that exists, and every proof is named."""

from __future__ import annotations

import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
ROWS = 31


def rows() -> dict[int, str]:
    """The last cell of each row of the table of threats."""
    threats = PAGE.split("## Threats", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^\| (\d+) \|.*\| (.*?) \|$", threats, re.MULTILINE)
    return {int(number): proof for number, proof in found}


def test_every_threat_has_a_proof_that_exists() -> None:
    assert sorted(rows()) == list(range(1, ROWS + 1))
    for number, proof in rows().items():
        named = re.findall(r"`(tests/[\w/]+\.py)`|\]\((\.\./adr/[\w-]+\.md)\)", proof)
        assert named, number
        for test, decision in named:
            path = ROOT / test if test else ROOT / "docs" / "explanation" / decision
            assert path.is_file(), (number, path)


def test_the_test_of_a_row_says_so() -> None:
    """A reader who looks for a row among the tests finds it, by the name of its module."""
    for path in sorted((ROOT / "tests" / "security").glob("test_row*.py")):
        relative = path.relative_to(ROOT).as_posix()
        for number in map(int, re.findall(r"_(\d\d)(?=_)", path.name)):
            assert relative in rows()[number], path.name
