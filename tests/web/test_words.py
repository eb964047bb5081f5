"""What is written down in codes and numbers is told in words."""

from __future__ import annotations

import pytest

from project.web.words import audit_detail


@pytest.mark.parametrize(
    ("kind", "detail", "told"),
    [
        ("request_cancelled", "of ming", "of ming"),
        ("session_ended", "3 others", "3 others"),
        ("session_ended", "all", "all of them"),
        ("login_refused", "disabled", "the account is disabled"),
        ("user_role", "admin", "Administrator"),
        ("worker_refused", "bad_api_key", "The API key is wrong, revoked, or past its end."),
        ("test_run", "schedule Night: m 1 x 1", "by the schedule Night: m 1 x 1"),
        ("space_made", "all", "all"),
        ("space_made", "of {name}", "of {name}"),
    ],
)
def test_details_of_the_audit_log(kind: str, detail: str, told: str) -> None:
    assert audit_detail(kind, detail) == told
