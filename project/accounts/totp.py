"""One-time codes by time (RFC 6238, over the HOTP of RFC 4226): SHA-1, six digits, steps of thirty seconds.

These are the values that every authenticator app takes without asking.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final
from urllib.parse import quote, urlencode

STEP_S: Final = 30
DIGITS: Final = 6
DRIFT_STEPS: Final = 1
"""How far the clock of a telephone may be off, either way."""


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of one step."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def step_at(now: float) -> int:
    """The step of a time (seconds since the epoch)."""
    return int(now // STEP_S)


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """The step, now or a little off, that ``code`` belongs to; None if it is of none."""
    current = step_at(now)
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode("utf-8", "surrogatepass")):
            return step
    return None


def address_of(secret: bytes, account: str, issuer: str) -> str:
    """The ``otpauth:`` address that an app reads from a picture."""
    label = quote(f"{issuer}:{account}", safe="")
    query = urlencode({"secret": in_letters(secret), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{label}?{query}"


def in_letters(secret: bytes) -> str:
    """The secret as people type it."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")
