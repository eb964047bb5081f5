"""What the headers of a submission ask for beside its fields, whichever way it comes in."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from project.core import safe_mode
from project.core.submission import TEST_ID_HEADER, check_key, check_test_id


@dataclass(frozen=True, slots=True)
class Terms:
    """``key`` names the submission; ``test_id`` the load run it belongs to; ``safe``: it is kept nowhere."""

    key: str
    test_id: str
    safe: bool


def terms() -> Terms:
    """Those of this request. Raises FieldInvalid."""
    return Terms(
        key=check_key(request.headers.get("Idempotency-Key", "")),
        test_id=check_test_id(request.headers.get(TEST_ID_HEADER, "")),
        safe=safe_mode.is_asked(request.headers.get(safe_mode.HEADER)),
    )
