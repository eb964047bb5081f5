"""The page on requests names every field of a status, every reason and every event."""

from __future__ import annotations

from project.core.model import Request
from project.core.reasons import RETRIES
from project.core.states import Status
from project.relay.views import RequestView, SpaceView
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "reference" / "requests.md").read_text(encoding="utf-8")


def test_every_field_of_a_status_is_explained() -> None:
    request = Request("r", 1, "s", "u", "user", {}, Status.QUEUED, 0.0, 1.0)
    fields = {*RequestView(request, 1, 1).as_dict(), *SpaceView("s", True, 1, 1, True).as_dict()}
    assert {name for name in fields - {"success", "request_id", "space_id"} if f"`{name}`" not in PAGE} == set()


def test_every_reason_of_another_attempt_is_explained() -> None:
    assert [code for code, text in RETRIES.items() if f"| `{code}` | {text} |" not in PAGE] == []
