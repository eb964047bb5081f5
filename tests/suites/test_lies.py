"""A site that is wrong in one way: exactly the checks concerned fail, and say what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from project.suites.cli import SITE_SUITES
from tests.conftest import LiveSite
from tests.suites.conftest import Told
from tests.suites.liar import Liar, liar_before
from tests.suites.lies import EVERY, Wrong

RunTool = Callable[..., Told]


@pytest.fixture(scope="module")
def liar(site: LiveSite) -> Iterator[Liar]:
    with liar_before(site.port) as before:
        yield before


@pytest.mark.parametrize("wrong", EVERY, ids=lambda wrong: wrong.name.replace(" ", "-"))
def test_a_wrong_site_is_found_out(liar: Liar, run_tool: RunTool, wrong: Wrong) -> None:
    liar.lie = wrong.lie
    told = run_tool("--host", liar.host, *wrong.flags)
    assert told.failed.keys() == wrong.noticed.keys(), told.output
    for check, why in wrong.noticed.items():
        assert why in told.failed[check]
    assert told.exit_code == 1
    assert f"{len(wrong.noticed)} failed" in told.output


def test_checks_have_a_lie() -> None:
    """A check that no lie makes fail proves nothing."""
    noticed = {check for wrong in EVERY for check in wrong.noticed}
    checks = {check.name for suite in SITE_SUITES.values() for check in suite}
    assert checks - noticed == {"the test user logs in", "the administrator logs in"}
